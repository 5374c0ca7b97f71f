//! `npanel cron`.

use std::{io::Read, path::PathBuf};

use clap::Subcommand;
use npanel_sdk_types::{CronJob, CronTable, SetCronJobs};

use crate::{
    arguments::{ChangeArguments, OwnedArguments},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "commands are called as their actions are")]
pub(crate) enum Command {
    /// Set an account's scheduled jobs: exactly those of a file in the form of crontab(5).
    SetJobs {
        /// The account (user name or id).
        #[arg(long)]
        account: String,
        /// The file; - is standard input. An empty one removes all jobs.
        #[arg(long)]
        file: PathBuf,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Show an account's scheduled jobs.
    GetJobs {
        /// The account (user name or id).
        account: String,
    },
    /// List the accounts that have scheduled jobs.
    ListJobs(OwnedArguments),
}

/// The largest file that is read: 100 jobs of the greatest length.
const MOST_BYTES: u64 = 128 * 1024;

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::SetJobs { account, file, change } => {
            let body = SetCronJobs { jobs: read(&file)? };
            let id = resolve::account(&session.client, &account).await?;
            let written = session.client.set_cron_jobs(id, &body, change.terms()).await?;
            session.changed(id, written, change).await
        }
        Command::GetJobs { account } => {
            session.get::<CronTable>(resolve::account(&session.client, &account).await?).await
        }
        Command::ListJobs(owned) => session.list::<CronTable>(owned.filters(session).await?).await,
    }
}

fn read(file: &PathBuf) -> Result<Vec<CronJob>, Failure> {
    let shown = file.display();
    let failed = |error: std::io::Error| Failure::usage(format!("{shown}: {error}"));
    let mut text = String::new();
    let source: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    source.take(MOST_BYTES).read_to_string(&mut text).map_err(failed)?;
    jobs(&text).map_err(|message| Failure::usage(format!("{shown}: {message}")))
}

/// The jobs of a crontab: a schedule and a command on each line; empty lines and comments are passed over.
fn jobs(text: &str) -> Result<Vec<CronJob>, String> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let meant = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    meant.map(|(number, line)| job(line).map_err(|error| format!("line {number}: {error}"))).collect()
}

fn job(line: &str) -> Result<CronJob, String> {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..fields {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest = rest[end..].trim_start();
    }
    let schedule = line[..line.len() - rest.len()].trim();
    if !schedule.starts_with('@') && schedule.split_whitespace().next().is_some_and(|word| word.contains('='))
    {
        return Err("variables are not taken: set them in the command".to_owned());
    }
    Ok(CronJob {
        schedule: schedule.parse().map_err(|error: npanel_model::CronScheduleError| error.to_string())?,
        command: rest.parse().map_err(|error: npanel_model::CronCommandError| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crontab_is_read_line_by_line() {
        let text = "# mine\n\n*/5 * * * 1-5\tphp a.php  --x\n@daily  echo \"a b\" 50%\n";
        let read = jobs(text).expect("jobs");
        let shown: Vec<_> = read.iter().map(|job| (job.schedule.as_str(), job.command.as_str())).collect();
        assert_eq!(shown, [("*/5 * * * 1-5", "php a.php  --x"), ("@daily", "echo \"a b\" 50%")]);
    }

    #[test]
    fn a_line_that_is_no_job_is_named() {
        for text in
            ["\n* * * *\n", "\n* * * * *\n", "\n99 * * * * x\n", "\nMAILTO=a@b.example\n", "\n@reboot x\n"]
        {
            let error = jobs(text).expect_err(text);
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
