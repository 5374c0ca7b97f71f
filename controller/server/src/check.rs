//! `npanel-controller check`: judges the configuration and the machine, without starting anything.

use std::path::Path;

use npanel_check::{
    Report, Verdict, certificate, clock, directory, disk, distinct, port, resolves, secret_file,
};
use npanel_pki::IdentityFiles;

use crate::{
    config::Config,
    daemon::{KEY, REMOVED, SEALED_KEY, opens},
};

const JOIN: &str = "make it a controller: npanel-controller init, or join";
const AGAIN: &str = "move this directory away, and have it join anew: npanel-controller join";

const ALLOW: &str = "see to it that the service is reached and that the keys in keys_file may use its key to encrypt and decrypt ([keys])";

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
    service(report, &root, config).await;
    let telemetry = config.telemetry_listen;
    let listeners =
        [("API port", config.api_listen), ("fleet port", config.fleet_listen), ("telemetry port", telemetry)];
    for (about, address) in listeners {
        port(report, about, address, telemetry);
    }
    distinct(report, &listeners);
    resolves(report, "fleet address", &config.fleet_advertise).await;
}

/// The key management service, which is asked to open the machine's key, or, before there is one, to seal and open something else.
async fn service(report: &mut Report, root: &Path, config: &Config) {
    let Some(kms) = config.machine_key.kms() else { return };
    match opens(root, kms).await {
        Ok(()) => report.ok("key management service", "it opens what it seals for this controller"),
        Err(error) => report.add("key management service", Verdict::Error, format!("{error:#}"), ALLOW),
    }
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
    let key = if root.join(SEALED_KEY).exists() { SEALED_KEY } else { KEY };
    for (about, name) in [("machine key", key), ("cluster secrets", "secrets.sealed")] {
        let path = root.join(name);
        if secret_file(report, about, &path, JOIN) {
            report.ok(about, path.display().to_string());
        }
    }
}
