//! A node: a Debian system with systemd as its first process, on an overlay of the image.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::fleet::Fleet;
use crate::launch::{Launch, reap};
use crate::mounts;
use crate::run::{Finished, command, finish};
use crate::spec::Member;
use crate::wait::until;

const BOOT_LIMIT: Duration = Duration::from_secs(60);
const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);

/// What the distribution's package would install, and where.
const PACKAGED: &[(&str, &str)] = &[
    (
        "usr/lib/systemd/system/npanel-node.service",
        include_str!("../../../packaging/systemd/npanel-node.service"),
    ),
    (
        "usr/lib/systemd/system/npanel-executor.service",
        include_str!("../../../packaging/systemd/npanel-executor.service"),
    ),
    ("usr/lib/sysusers.d/npanel.conf", include_str!("../../../packaging/sysusers.d/npanel.conf")),
    ("usr/lib/tmpfiles.d/npanel.conf", include_str!("../../../packaging/tmpfiles.d/npanel.conf")),
];

/// A node's place in a fleet; it may be down.
pub(crate) struct Node<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) member: &'a Member,
}

impl Node<'_> {
    fn cgroup(&self) -> Cgroup {
        self.fleet.cgroup(self.member)
    }

    fn disk(&self) -> Result<PathBuf> {
        self.fleet.member_disk(self.member)
    }

    /// The node's own files over those of the image.
    pub(crate) fn upper(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("upper"))
    }

    /// Where the node's root file system is seen from outside.
    pub(crate) fn root(&self) -> PathBuf {
        self.fleet.name().runtime().join(&self.member.name)
    }

    /// Puts the files of a freshly installed node in its place: packaged units, host name, configuration.
    pub(crate) fn install(&self, configuration: &str) -> Result<()> {
        let put = |path: &str, text: &str| self.put(path, text.as_bytes());
        for (path, text) in PACKAGED {
            put(path, text)?;
        }
        put("etc/hostname", &format!("{}\n", self.member.name))?;
        put("etc/hosts", &format!("127.0.0.1 localhost\n{} {}\n", self.member.address, self.member.name))?;
        put("etc/npanel/node.toml", configuration)?;
        // The mount point of the binary.
        put("usr/bin/npanel-node", "")
    }

    /// Puts a file over the image's, readable for everyone. The node is down.
    pub(crate) fn put(&self, path: &str, content: &[u8]) -> Result<()> {
        let upper = self.upper()?;
        let path = upper.join(path);
        make_parents(&upper, &path)?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?)
    }

    /// Mounts the overlay and boots; returns when systemd has started everything.
    pub(crate) fn start(&self) -> Result<()> {
        let (disk, root, cgroup) = (self.disk()?, self.root(), self.cgroup());
        let work = disk.join("work");
        for directory in [&root, &work] {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        mounts::unmount_below(&root)?;
        mounts::overlay(self.fleet.image()?, &self.upper()?, &work, &root)?;
        // A group that was killed while frozen would freeze the next life too.
        cgroup.remove()?;
        cgroup.create()?;
        let namespace = self.fleet.network().member(&self.member.name);
        let launch = Launch {
            binaries: self.fleet.binaries(),
            cgroup: &cgroup,
            netns: None,
            log: &disk.join("console.log"),
        };
        let mut nspawn = launch.command()?;
        // Plain cgroup v2 inside, as Debian 12 has it, whatever this machine mixes.
        nspawn.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        nspawn.args(["/usr/bin/systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"]);
        nspawn.args(["--resolv-conf=off", "--link-journal=no", "--console=pipe", "--kill-signal=SIGRTMIN+3"]);
        nspawn.arg("--capability=CAP_NET_ADMIN").arg("--directory").arg(&root);
        nspawn.arg(format!("--machine={}", self.member.name));
        nspawn.arg(format!("--network-namespace-path={}", namespace.path().display()));
        if let Ok(binary) = self.fleet.binaries().path("npanel-node") {
            nspawn.arg(format!("--bind-ro={}:/usr/bin/npanel-node", binary.display()));
        }
        reap(nspawn.spawn().context("cannot start systemd-nspawn")?);
        self.wait_until_booted().with_context(|| {
            let console = fs::read_to_string(disk.join("console.log")).unwrap_or_default();
            format!("{} did not boot:\n{console}", self.member.name)
        })
    }

    fn wait_until_booted(&self) -> Result<()> {
        until(&format!("{} to boot", self.member.name), BOOT_LIMIT, || {
            let said =
                self.exec(["/usr/bin/systemctl", "is-system-running"], Duration::from_secs(10))?.stdout;
            // "degraded" is for the tests to judge: the system has come up.
            Ok(["running", "degraded"].contains(&said.trim()).then_some(()))
        })
    }

    /// A clean power-off; the overlay stays for the next start.
    pub(crate) fn stop(&self) -> Result<()> {
        let cgroup = self.cgroup();
        if cgroup.is_populated() {
            let leader = self.leader()?;
            // RTMIN+4 asks systemd to power off; nix has no name for real-time signals.
            crate::run::system("/bin/kill", ["-s", "RTMIN+4", &leader.to_string()])?;
            cgroup
                .wait_until_empty(POWER_OFF_LIMIT)
                .with_context(|| format!("{} does not power off", self.member.name))?;
        }
        mounts::unmount_below(&self.root())
    }

    /// The process number of the node's systemd, seen from outside.
    pub(crate) fn leader(&self) -> Result<i32> {
        let scope = self.cgroup().paths().next().map(|path| path.join("payload/init.scope/cgroup.procs"));
        let listed = scope.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let numbers = listed.lines().filter_map(|line| line.parse::<i32>().ok());
        // systemd's helpers begin in the same scope; only the leader is process 1 of its namespace.
        for number in numbers {
            if is_first_process(&fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default())
                && kill(Pid::from_raw(number), None).is_ok()
            {
                return Ok(number);
            }
        }
        bail!("{} is not running", self.member.name)
    }

    /// A command that runs inside the node as root, in all of its namespaces.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut nsenter = command("/usr/bin/nsenter");
        nsenter.args(["--target", &self.leader()?.to_string(), "--all", "--"]);
        Ok(nsenter)
    }

    /// Runs a command inside the node to its end.
    pub(crate) fn exec<S: AsRef<OsStr>>(
        &self,
        argv: impl IntoIterator<Item = S>,
        limit: Duration,
    ) -> Result<Finished> {
        finish(self.command()?.args(argv), limit)
    }
}

/// Whether a `/proc/N/status` is that of process 1 of a process namespace one level down.
fn is_first_process(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| {
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        numbers.len() > 1 && numbers.last() == Some(&"1")
    })
}

/// Makes the directories above `path` with the ordinary mode, whatever the caller's umask.
fn make_parents(upper: &Path, path: &Path) -> Result<()> {
    let mut made = upper.to_owned();
    fs::create_dir_all(&made)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755))?;
    for part in path.parent().unwrap_or(upper).strip_prefix(upper)?.components() {
        made.push(part);
        if !made.exists() {
            fs::create_dir(&made).with_context(|| format!("cannot make {}", made.display()))?;
            fs::set_permissions(&made, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_namespace_leads() {
        assert!(is_first_process("Name:\tsystemd\nNSpid:\t4711\t1\n"));
        assert!(!is_first_process("Name:\tsystemd\nNSpid:\t1\n"), "the host's own");
        assert!(!is_first_process("Name:\tsh\nNSpid:\t4712\t11\n"));
    }
}
