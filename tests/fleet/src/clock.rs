//! A wall clock ahead of the machine's, as a fleet would see it after a jump.
//!
//! The kernel has one wall clock for all, so the members' daemons run with libfaketime, which adds to what it says and
//! leaves the monotonic clock alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::fleet::Fleet;
use crate::node::Node;
use crate::spec::{Kind, Member};

/// How often a daemon looks where its movable clock is.
pub const CLOCK_SEEN_AFTER: Duration = Duration::from_secs(1);

/// Where a node has its copy: the image has no such package.
const ON_NODES: &str = "usr/lib/npanel-clock/libfaketime.so.1";
const DROP_IN: &str = "etc/systemd/system/npanel-node.service.d/clock.conf";

impl Fleet {
    /// From their next start on, every member's daemon and the CLI see the wall clock so many days ahead; 0: as it
    /// is. Every member must be down.
    pub fn set_clock_ahead(&self, days: u32) -> Result<()> {
        for member in self.members() {
            ensure!(!self.is_up(&member.name)?, "{} is up while its clock is set", member.name);
        }
        for member in self.of_kind(Kind::Node) {
            set_on(&self.node(member), days)?;
        }
        fs::write(self.clock_file()?, days.to_string()).context("the fleet's clock")
    }

    /// From its next start on, the controller's own wall clock can be moved while it runs.
    pub fn make_clock_movable(&self, controller: &str) -> Result<()> {
        ensure!(!self.is_up(controller)?, "{controller} is up while its clock is made movable");
        self.set_clock(controller, 0)
    }

    /// Moves a movable clock to so many seconds ahead of the machine's (behind, if negative). A daemon that runs sees it
    /// within [`CLOCK_SEEN_AFTER`].
    pub fn set_clock(&self, controller: &str, seconds: i64) -> Result<()> {
        let file = self.movable_clock(self.member(controller)?)?;
        let new = file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).with_context(|| new.display().to_string())?;
        fs::rename(&new, &file).with_context(|| file.display().to_string())
    }

    fn movable_clock(&self, member: &Member) -> Result<PathBuf> {
        Ok(self.member_disk(member)?.join("clock"))
    }

    /// What a controller's daemon is started with, so that it sees its own clock, or the fleet's.
    pub(crate) fn clock_of(&self, member: &Member) -> Result<Vec<(&'static str, String)>> {
        let file = self.movable_clock(member)?;
        if !file.exists() {
            return self.clock();
        }
        let mut environment = faked(&library()?);
        environment.push(("FAKETIME_TIMESTAMP_FILE", file.display().to_string()));
        environment.push(("FAKETIME_CACHE_DURATION", CLOCK_SEEN_AFTER.as_secs().to_string()));
        Ok(environment)
    }

    fn clock_file(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("clock-days"))
    }

    /// What a process on this machine is started with, so that it sees the fleet's clock.
    pub(crate) fn clock(&self) -> Result<Vec<(&'static str, String)>> {
        let days = fs::read_to_string(self.clock_file()?)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        Ok(if days == 0 { Vec::new() } else { ahead(days, &library()?) })
    }
}

fn set_on(node: &Node<'_>, days: u32) -> Result<()> {
    let upper = node.upper()?;
    if days == 0 {
        // Where it was never set there is nothing to remove.
        let _ = fs::remove_file(upper.join(DROP_IN));
        return Ok(());
    }
    node.put(ON_NODES, &fs::read(library()?).context("libfaketime")?)?;
    let environment: Vec<String> = ahead(days, &Path::new("/").join(ON_NODES))
        .iter()
        .map(|(name, value)| format!("Environment={name}={value}\n"))
        .collect();
    node.put(DROP_IN, format!("[Service]\n{}", environment.concat()).as_bytes())
}

fn ahead(days: u32, library: &Path) -> Vec<(&'static str, String)> {
    let mut environment = faked(library);
    environment.push(("FAKETIME", format!("+{days}d")));
    environment
}

fn faked(library: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        // Timers are not to notice, and what the kernel waits for knows nothing of the other clock.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DISABLE_SHM", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ]
}

/// From the Debian package libfaketime.
fn library() -> Result<PathBuf> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    ensure!(Path::new(&path).exists(), "{path} is missing: install Debian's libfaketime (tests/setup does)");
    Ok(path.into())
}
