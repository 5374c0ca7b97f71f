//! `npanel-node check`: judges the configuration and the machine, without starting anything.

use std::{io::ErrorKind, path::Path};

use npanel_check::{
    Report, Verdict, certificate, clock, directory, disk, kernel, port, program, resolves, secret_file, unit,
};
use npanel_host::OsProfile;
use npanel_model::NodeRole;
use npanel_pki::{Identity, IdentityFiles};

use crate::{Config, ConfigError};

const ENROLL: &str = "make it a node: npanel-node enroll";

/// Everything that can be said of this machine as a node.
pub async fn check(file: &Path) -> Report {
    let mut report = Report::default();
    match Config::read(file) {
        Err(ConfigError::Values { problems, .. }) => {
            for problem in problems.0 {
                report.add(
                    "configuration",
                    Verdict::Error,
                    problem,
                    format!("write or correct {}", file.display()),
                );
            }
        }
        Err(ConfigError::Read { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            let found = format!("{} cannot be read from here", file.display());
            report.add("configuration", Verdict::Unseen, found, "run this as root or as the daemon's user");
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            report.add(
                "configuration",
                Verdict::Error,
                error,
                format!("write or correct {}", file.display()),
            );
        }
        Ok(config) => {
            report.ok("configuration", file.display().to_string());
            machine(&mut report, &config).await;
        }
    }
    clock(&mut report).await;
    kernel(&mut report);
    report
}

async fn machine(report: &mut Report, config: &Config) {
    directory(report, "data", &config.data_directory, ENROLL);
    disk(report, "disk", &config.data_directory);
    identity(report, config);
    port(report, "telemetry port", config.telemetry, config.telemetry);
    for controller in &config.controllers {
        resolves(report, "controller", controller.as_str()).await;
    }
    match OsProfile::detect() {
        Ok(profile) => {
            report.ok("operating system", profile.name);
            for role in &config.roles {
                needs_of(report, &profile, *role);
            }
        }
        Err(error) => {
            report.add("operating system", Verdict::Error, error.to_string(), "install a supported one");
        }
    }
}

fn identity(report: &mut Report, config: &Config) {
    let files = IdentityFiles::new(config.identity_directory());
    if !secret_file(report, "identity", &files.identity_path(), ENROLL) {
        return;
    }
    match files.load() {
        Ok(Some(credentials)) if matches!(credentials.id().identity, Identity::Node(_)) => {
            report.ok("identity", "the key, the certificate and the authorities belong together");
            certificate(report, &credentials);
        }
        Ok(Some(credentials)) => {
            let found = format!("it is {}, not a node's", credentials.id().identity);
            report.add("identity", Verdict::Error, found, ENROLL);
        }
        Ok(None) => report.add("identity", Verdict::Error, "there is none", ENROLL),
        Err(error) => report.add("identity", Verdict::Error, error.to_string(), ENROLL),
    }
}

/// Programs and units that a role needs, as the operating system's profile names them.
fn needs_of(report: &mut Report, profile: &OsProfile, role: NodeRole) {
    let advice = format!("install what the role {role} needs");
    let about = |what: &str| format!("{role}: {what}");
    if role == NodeRole::Web {
        program(report, &about("nginx"), Path::new(profile.nginx.program), &advice);
        program(report, &about("packet filter"), Path::new(profile.nft), &advice);
        let versions: Vec<String> = profile.php_versions().iter().map(ToString::to_string).collect();
        if versions.is_empty() {
            report.add(about("PHP"), Verdict::Error, "no PHP-FPM is installed", &advice);
        } else {
            report.ok(about("PHP"), versions.join(", "));
        }
    }
    // The daemon makes its own units.
    for name in profile.base_units(role).iter().filter(|name| !name.starts_with("npanel-")) {
        unit(report, &about("unit"), name, &advice);
    }
}
