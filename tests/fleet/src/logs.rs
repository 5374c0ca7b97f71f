//! Every member's logs in one directory, to be read after a failure.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::Fleet;
use crate::run::command;
use crate::spec::Kind;

/// Files of a node that are logs, below its root.
const NODE_LOGS: &[&str] = &["var/log/nginx", "var/log/php8.2-fpm.log", "var/log/mysql", "var/log/npanel"];

/// Copies what there is; a member without a log yet is passed over.
pub(crate) fn collect(fleet: &Fleet, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for member in fleet.members() {
        let (disk, target) = (fleet.member_disk(member)?, directory.join(&member.name));
        fs::create_dir_all(&target)?;
        match member.kind {
            Kind::Controller => copy(&disk.join("controller.log"), &target)?,
            Kind::Node => {
                copy(&disk.join("console.log"), &target)?;
                let upper = disk.join("upper");
                for log in NODE_LOGS {
                    copy(&upper.join(log), &target)?;
                }
                journal(&upper.join("var/log/journal"), &target.join("journal.log"))?;
            }
        }
    }
    Ok(())
}

/// The journal of a node as text, read from outside, so that the node need not run.
fn journal(from: &Path, to: &Path) -> Result<()> {
    let mut journalctl = command("/usr/bin/journalctl");
    journalctl.args(["--no-pager", "--output=short-iso-precise", "--directory"]).arg(from);
    journalctl.stdout(Stdio::from(File::create(to)?)).stderr(Stdio::null());
    let mut child = journalctl.spawn().context("journalctl")?;
    crate::wait::until("journalctl", Duration::from_secs(60), || Ok(child.try_wait()?)).map(drop)
}

/// Copies a file, or the files of a directory, into `target`; nothing there is no error.
fn copy(from: &Path, target: &Path) -> Result<()> {
    let files = if from.is_dir() {
        fs::read_dir(from)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    } else {
        vec![from.to_owned()]
    };
    for file in files.iter().filter(|file| file.is_file()) {
        let name = file.file_name().context("a log without a name")?;
        fs::copy(file, target.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}
