//! `npanel-controller check`: judges the configuration and the machine, without starting anything.

use std::path::Path;

use npanel_check::{
    Report, Verdict, certificate, clock, directory, disk, distinct, port, resolves, secret_file,
};
use npanel_pki::IdentityFiles;

use crate::{config::Config, daemon::REMOVED};

const JOIN: &str = "make it a controller: npanel-controller init, or join";
const AGAIN: &str = "move this directory away, and have it join anew: npanel-controller join";

/// Everything that can be said of this machine as a controller.
pub async fn check(file: &Path) -> Report {
    let mut report = Report::default();
    match Config::load(file) {
        Err(error) => {
            for problem in error.problems() {
                let advice = format!("write or correct {}", file.display());
                report.add("configuration", Verdict::Error, problem, advice);
            }
        }
        Ok(config) => {
            report.ok("configuration", file.display().to_string());
            machine(&mut report, &config).await;
        }
    }
    clock(&mut report).await;
    report
}

async fn machine(report: &mut Report, config: &Config) {
    let root = config.data_directory.join("controller");
    directory(report, "data", &root, JOIN);
    disk(report, "disk", &root);
    identity(report, &root);
    let telemetry = config.telemetry_listen;
    let listeners =
        [("API port", config.api_listen), ("fleet port", config.fleet_listen), ("telemetry port", telemetry)];
    for (about, address) in listeners {
        port(report, about, address, telemetry);
    }
    distinct(report, &listeners);
    resolves(report, "fleet address", &config.fleet_advertise).await;
}

/// The certificate and what is sealed by the machine's key. Whether that opens is seen when the daemon starts: to try
/// it here would bring the cluster's secrets into one more process.
fn identity(report: &mut Report, root: &Path) {
    if root.join(REMOVED).exists() {
        let what = "this controller was removed from the cluster: it answers every request so, for good";
        report.add("membership", Verdict::Error, what, AGAIN);
    }
    let files = IdentityFiles::new(root.join("identity"));
    if secret_file(report, "identity", &files.identity_path(), JOIN) {
        match files.load() {
            Ok(Some(credentials)) => {
                report.ok("identity", "the key, the certificate and the authorities belong together");
                certificate(report, &credentials);
            }
            Ok(None) => report.add("identity", Verdict::Error, "there is none", JOIN),
            Err(error) => report.add("identity", Verdict::Error, error.to_string(), JOIN),
        }
    }
    for (about, name) in [("machine key", "machine.key"), ("cluster secrets", "secrets.sealed")] {
        let path = root.join(name);
        if secret_file(report, about, &path, JOIN) {
            report.ok(about, path.display().to_string());
        }
    }
}
