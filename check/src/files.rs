//! Directories, files, programs and units.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use nix::{sys::statvfs::statvfs, unistd::AccessFlags, unistd::access};
use npanel_model::Megabytes;

use crate::{Report, Verdict};

/// A directory that a daemon keeps things in: there, and for its owner alone.
pub fn directory(report: &mut Report, about: &str, path: &Path, advice: &str) {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            report.add(about, Verdict::Error, format!("{shown} is not a directory"), advice);
        }
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o7777;
            let found = format!("{shown} is open to others (mode {mode:04o})");
            report.add(about, Verdict::Warning, found, format!("chmod 0700 {shown}"));
        }
        Ok(found) => report.ok(about, format!("{shown}, of uid {}", found.uid())),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let found = format!("{shown} cannot be looked at");
            report.add(about, Verdict::Unseen, found, "run this as root or as the daemon's user");
        }
        Err(error) => report.add(about, Verdict::Error, format!("{shown}: {error}"), advice),
    }
}

/// A file that nobody but its owner may read. Returns whether it is there and can be read from here.
pub fn secret_file(report: &mut Report, about: &str, path: &Path, advice: &str) -> bool {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o7777;
            let found = format!("{shown} can be read by others (mode {mode:04o})");
            report.add(about, Verdict::Error, found, format!("chmod 0600 {shown}"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.add(about, Verdict::Error, format!("{shown} is missing"), advice);
            return false;
        }
        Err(error) => {
            let found = format!("{shown} cannot be looked at: {error}");
            report.add(about, Verdict::Unseen, found, "run this as root or as the daemon's user");
            return false;
        }
    }
    match access(path, AccessFlags::R_OK) {
        Ok(()) => true,
        Err(error) => {
            let found = format!("{shown} cannot be read: {error}");
            report.add(about, Verdict::Unseen, found, "run this as root or as the daemon's user");
            false
        }
    }
}

/// Below this much free space a daemon's own writes are in danger.
const LEAST: Megabytes = Megabytes(256);
/// Below this much somebody should look at it.
const LITTLE: Megabytes = Megabytes(2048);

/// Free space where `path` is, or will be.
pub fn disk(report: &mut Report, about: &str, path: &Path) {
    let place = path.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
    match statvfs(place) {
        Ok(stat) => {
            let free = Megabytes(stat.blocks_available().saturating_mul(stat.fragment_size()) / 1024 / 1024);
            let found = format!("{free} free at {}", place.display());
            match free {
                free if free < LEAST => {
                    report.add(about, Verdict::Error, found, format!("free at least {LEAST}"));
                }
                free if free < LITTLE => report.add(about, Verdict::Warning, found, "make room"),
                _ => report.ok(about, found),
            }
        }
        Err(error) => report.add(about, Verdict::Unseen, format!("{}: {error}", place.display()), ""),
    }
}

/// A program that is needed.
pub fn program(report: &mut Report, about: &str, path: &Path, advice: &str) {
    let shown = path.display();
    match access(path, AccessFlags::X_OK) {
        Ok(()) => report.ok(about, shown.to_string()),
        Err(error) => report.add(about, Verdict::Error, format!("{shown}: {error}"), advice),
    }
}

/// Where units are installed.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// A unit of systemd that is needed.
pub fn unit(report: &mut Report, about: &str, name: &str, advice: &str) {
    match UNITS.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists()) {
        Some(path) => report.ok(about, path.display().to_string()),
        None => report.add(about, Verdict::Error, format!("there is no unit {name}"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(look: impl FnOnce(&mut Report)) -> Verdict {
        let mut report = Report::default();
        look(&mut report);
        report.worst()
    }

    #[test]
    fn a_directory_or_secret_that_others_may_see_is_told() {
        let place = tempfile::tempdir().expect("a directory");
        let secret = place.path().join("key");
        fs::write(&secret, "x").expect("written");
        let mode =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        mode(place.path(), 0o700);
        mode(&secret, 0o600);
        assert_eq!(worst(|report| directory(report, "d", place.path(), "")), Verdict::Ok);
        assert_eq!(worst(|report| _ = secret_file(report, "s", &secret, "")), Verdict::Ok);
        mode(place.path(), 0o755);
        mode(&secret, 0o640);
        assert_eq!(worst(|report| directory(report, "d", place.path(), "")), Verdict::Warning);
        assert_eq!(worst(|report| _ = secret_file(report, "s", &secret, "")), Verdict::Error);
        let missing = place.path().join("none");
        assert_eq!(worst(|report| directory(report, "d", &missing, "")), Verdict::Error);
        assert_eq!(worst(|report| _ = secret_file(report, "s", &missing, "")), Verdict::Error);
        assert_eq!(worst(|report| program(report, "p", &missing, "")), Verdict::Error);
        assert_eq!(worst(|report| program(report, "p", Path::new("/bin/sh"), "")), Verdict::Ok);
    }
}
