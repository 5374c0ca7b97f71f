//! The one way to run a child to its end: argv, captured output, a deadline.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The search path given to children that look for others by name.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command with a cleared environment but for `PATH`; `program` is an absolute path.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// What a child left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Its standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Finished {
    /// The standard output of a child that succeeded; else an error with everything it said.
    pub fn ok(self) -> Result<String> {
        if !self.status.success() {
            bail!("{}\n{}{}", self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

/// Runs the command to its end, killing it after `limit`.
pub fn finish(command: &mut Command, limit: Duration) -> Result<Finished> {
    let shown = format!("{command:?}");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(limit) else {
        // The child is not reaped before its waiter ends, so the number is still its own.
        let _ = kill(pid, Signal::SIGKILL);
        bail!("{shown} did not end within {limit:?}");
    };
    let output = output.with_context(|| format!("cannot wait for {shown}"))?;
    Ok(Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Standard input that holds `text`, which must fit a pipe's buffer (64 KiB).
pub(crate) fn pipe_of(text: &str) -> Result<Stdio> {
    let (reader, mut writer) = std::io::pipe()?;
    writer.write_all(text.as_bytes())?;
    Ok(Stdio::from(reader))
}

/// Runs a system program that takes moments and must succeed; gives its standard output.
pub(crate) fn system<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String> {
    let mut command = command(program);
    command.args(arguments);
    finish(&mut command, Duration::from_secs(30))?.ok().with_context(|| format!("{command:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_past_its_deadline_is_killed() {
        let started = std::time::Instant::now();
        let error = finish(command("/bin/sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_failure_carries_what_the_child_said() {
        let error = system("/bin/ls", ["/nonexistent"]).unwrap_err();
        assert!(format!("{error:#}").contains("/nonexistent"));
    }
}
