//! Starting a member's process: a small step of our own binary joins the member's control group and network
//! namespace and then becomes the program, so that no moment exists in which it runs outside of them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::cgroup::Cgroup;
use crate::network::Namespace;
use crate::places::Binaries;
use crate::run::command;

/// What a process enters before it becomes the program.
#[derive(Debug, Clone, Args)]
pub struct Enter {
    /// Control groups to join.
    #[arg(long)]
    pub cgroup: Vec<PathBuf>,
    /// The network namespace to join.
    #[arg(long)]
    pub netns: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    pub program: Vec<String>,
}

/// Joins everything named and becomes the program; returns only on failure.
pub fn enter_and_exec(enter: &Enter) -> Result<std::convert::Infallible> {
    let own = std::process::id().to_string();
    for group in &enter.cgroup {
        fs::write(group.join("cgroup.procs"), &own)
            .with_context(|| format!("cannot join {}", group.display()))?;
    }
    if let Some(path) = &enter.netns {
        let file = File::open(path).with_context(|| format!("no namespace {}", path.display()))?;
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
            .context("cannot enter the namespace")?;
    }
    // Already leading a session is no fault.
    let _ = nix::unistd::setsid();
    let (program, arguments) = enter.program.split_first().context("no program named")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}

/// A member's surroundings, from which its process is started.
pub(crate) struct Launch<'a> {
    pub(crate) binaries: &'a Binaries,
    pub(crate) cgroup: &'a Cgroup,
    pub(crate) netns: Option<&'a Namespace>,
    pub(crate) log: &'a Path,
}

impl Launch<'_> {
    /// A command line that will run the program given by further arguments; its output is appended to the log.
    pub(crate) fn command(&self) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.log).context("the log")?;
        let mut command = command(self.binaries.path("npanel-fleet")?);
        command.arg("launch");
        for group in self.cgroup.paths() {
            command.arg("--cgroup").arg(group);
        }
        if let Some(namespace) = self.netns {
            command.arg("--netns").arg(namespace.path());
        }
        command.arg("--").stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
        Ok(command)
    }
}

/// Sees a child off so that it leaves no zombie, without waiting for it here.
pub(crate) fn reap(mut child: Child) {
    std::thread::spawn(move || child.wait());
}
