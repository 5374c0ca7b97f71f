//! The one way to run a child process: absolute path, argument vector, empty environment, deadline, captured
//! and bounded output. Never a shell.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use npanel_model::Uid;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

/// How much of what a child writes is kept, in bytes.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// A program to run.
#[derive(Debug, Clone)]
pub struct Child {
    program: PathBuf,
    arguments: Vec<OsString>,
    user: Option<Uid>,
    deadline: Duration,
}

/// What a child that ended well has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildOutput {
    /// To its standard output.
    pub stdout: String,
    /// To its standard error.
    pub stderr: String,
}

/// Why a child did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// Programs are named by their absolute path.
    #[error("{program} is not an absolute path", program = .0.display())]
    Relative(PathBuf),
    /// It could not be started.
    #[error("cannot run {program}: {source}", program = .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was stopped.
    #[error("{program} did not end within {deadline:?}", program = .program.display())]
    Deadline {
        /// The program.
        program: PathBuf,
        /// The time it had.
        deadline: Duration,
    },
    /// It ended with an error.
    #[error("{program} ended with {status}: {stderr}", program = .program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit code or signal.
        status: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
}

impl Child {
    /// A program by its absolute path, stopped if it takes longer than `deadline`.
    pub fn new(program: impl AsRef<Path>, deadline: Duration) -> Self {
        Self { program: program.as_ref().to_owned(), arguments: Vec::new(), user: None, deadline }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Runs as an account, without any of root's powers or groups.
    #[must_use]
    pub fn as_account(mut self, uid: Uid) -> Self {
        self.user = Some(uid);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If it cannot be started, takes too long, or ends with anything but 0.
    pub async fn run(&self) -> Result<ChildOutput, ChildError> {
        if !self.program.is_absolute() {
            return Err(ChildError::Relative(self.program.clone()));
        }
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(uid) = self.user {
            command.uid(uid.get()).gid(uid.get());
        }
        let started = |source| ChildError::Start { program: self.program.clone(), source };
        let mut child = command.spawn().map_err(started)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async { tokio::join!(bounded(stdout), bounded(stderr), child.wait()) };
        let (stdout, stderr, status) = timeout(self.deadline, finished)
            .await
            .map_err(|_| ChildError::Deadline { program: self.program.clone(), deadline: self.deadline })?;
        let status = status.map_err(started)?;
        if status.success() {
            return Ok(ChildOutput { stdout, stderr });
        }
        let stderr = tail(&stderr, 2000);
        Err(ChildError::Failed { program: self.program.clone(), status: status.to_string(), stderr })
    }
}

/// Reads to the end, so that the child is never blocked, and keeps the beginning.
async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    // A pipe that cannot be read has ended.
    let _ = (&mut pipe).take(OUTPUT_LIMIT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

fn tail(text: &str, length: usize) -> String {
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(length);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn the_environment_is_empty() {
        let output = Child::new("/usr/bin/env", SECOND).run().await.expect("run");
        assert_eq!(output.stdout, "");
    }

    #[tokio::test]
    async fn a_relative_program_is_refused() {
        assert!(matches!(Child::new("env", SECOND).run().await, Err(ChildError::Relative(_))));
    }

    #[tokio::test]
    async fn arguments_are_not_read_by_a_shell() {
        let output = Child::new("/usr/bin/env", SECOND)
            .arg("printf")
            .arg("%s")
            .arg("$(id) `id` ; id")
            .run()
            .await
            .expect("run");
        assert_eq!(output.stdout, "$(id) `id` ; id");
    }

    #[tokio::test]
    async fn a_child_is_stopped_at_its_deadline() {
        let child = Child::new("/usr/bin/env", Duration::from_millis(50)).arg("sleep").arg("60");
        assert!(matches!(child.run().await, Err(ChildError::Deadline { .. })));
    }

    #[tokio::test]
    async fn an_error_carries_what_the_child_said() {
        let error = Child::new("/usr/bin/env", SECOND).arg("ls").arg("/nowhere").run().await;
        assert!(error.expect_err("an error").to_string().contains("/nowhere"));
    }

    #[tokio::test]
    async fn much_output_blocks_nobody() {
        let output = Child::new("/usr/bin/env", SECOND)
            .arg("head")
            .arg("-c")
            .arg("1000000")
            .arg("/dev/zero")
            .run()
            .await
            .expect("run");
        assert_eq!(output.stdout.len() as u64, OUTPUT_LIMIT);
    }
}
