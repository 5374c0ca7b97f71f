//! The files of one job.

use std::path::Path;

use minijinja::context;
use npanel_host::{AccountUser, Layout, OsProfile};
use npanel_model::{CronJob, Uid};
use sha2::{Digest, Sha256};

use crate::{
    php,
    template::{RenderError, Syntax, render},
    walls::walls,
};

const SERVICE: &str = include_str!("templates/job.service");
const TIMER: &str = include_str!("templates/job.timer");

/// What a job is on disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Of all that follows: its name among the account's jobs, and its command's file name.
    pub(super) digest: String,
    /// The timer's unit file.
    pub(super) timer: String,
    /// The service's unit file.
    pub(super) service: String,
    /// The command, for `/bin/sh`.
    pub(super) script: String,
}

/// The names of a job's units.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) timer: String,
    pub(super) service: String,
}

impl Units {
    pub(super) fn of(uid: Uid, digest: &str) -> Self {
        Self {
            timer: format!("npanel-cron-{uid}-{digest}.timer"),
            service: format!("npanel-cron-{uid}-{digest}.service"),
        }
    }

    /// The account of a timer; none if it is not one of ours.
    pub(super) fn account(timer: &str) -> Option<Uid> {
        Self::parts(timer).map(|(uid, _)| uid)
    }

    /// The job of an account's timer; none if it is not one of its.
    pub(super) fn digest(uid: Uid, timer: &str) -> Option<&str> {
        Self::parts(timer).filter(|(of, _)| *of == uid).map(|(_, digest)| digest)
    }

    fn parts(timer: &str) -> Option<(Uid, &str)> {
        let (uid, digest) = timer.strip_prefix("npanel-cron-")?.strip_suffix(".timer")?.split_once('-')?;
        let uid = Uid::new(uid.parse().ok()?).ok()?;
        is_digest(digest).then_some((uid, digest))
    }
}

impl Job {
    pub(super) fn of(os: &OsProfile, user: &AccountUser, job: &CronJob) -> Result<Self, RenderError> {
        let values = context! { uid => user.uid.get(), calendars => job.schedule.calendar() };
        let timer = render("job.timer", Syntax::UnitLine, TIMER, values)?;
        let script = format!("{}\n", job.command);
        // Named by what it says, so that nothing in it ever changes. The service names its script by this too.
        let digest = digest(&[&timer, SERVICE, &walls(os)?, &script, user.username.as_str()]);
        let values = context! {
            uid => user.uid.get(),
            username => user.username.as_str(),
            home => Layout::home(&user.username).display().to_string(),
            private => Layout::private(&user.username).display().to_string(),
            homes => Layout::HOME_LINKS,
            homes_within => Layout::HOME_LINKS_WITHIN,
            commands => Layout::CRON,
            userdb => Layout::USERDB,
            slice => php::slice(user.uid),
            script => Path::new(Layout::CRON).join(&digest).display().to_string(),
        };
        let service = render("job.service", Syntax::Unit, SERVICE, values)? + &walls(os)?;
        Ok(Self { digest, timer, service, script })
    }
}

/// Ten bytes: no two jobs of an account are alike by chance.
fn digest(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn is_digest(name: &str) -> bool {
    name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use npanel_model::Uid;

    use super::*;

    fn job(schedule: &str, command: &str) -> Job {
        let os = OsProfile::named("debian-12").expect("a profile");
        let user = AccountUser { uid: Uid::FIRST, username: "acme".parse().expect("a name") };
        let job = CronJob {
            schedule: schedule.parse().expect("a schedule"),
            command: command.parse().expect("one"),
        };
        Job::of(&os, &user, &job).expect("rendered")
    }

    #[test]
    fn a_command_is_in_no_unit() {
        let job = job("* * * * *", "echo \"$HOME\" %n; ExecStartPre=/bin/id");
        assert_eq!(job.script, "echo \"$HOME\" %n; ExecStartPre=/bin/id\n");
        assert!(!job.service.contains("ExecStartPre") && !job.timer.contains("ExecStartPre"));
        assert_eq!(job.service.matches("\nExec").count(), 1);
    }

    #[test]
    fn a_job_has_the_walls_of_its_account() {
        let text = job("@daily", "true").service;
        for line in [
            "User=1900000000",
            "Slice=acct-00-1900000000.slice",
            "BindPaths=/srv/npanel/root/homes/1900000000:/homes/1900000000",
            "BindReadOnlyPaths=/srv/npanel/cron/1900000000:/srv/npanel/cron",
            "BindReadOnlyPaths=/etc/userdb/1900000000.user /etc/userdb/1900000000.group",
            "WorkingDirectory=/home/acme/private",
            "RootDirectory=/srv/npanel/root",
            "NoNewPrivileges=yes",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn another_schedule_or_command_is_another_unit() {
        let names =
            [job("@daily", "true"), job("@hourly", "true"), job("@daily", "false")].map(|job| job.digest);
        assert!(names[0] != names[1] && names[0] != names[2]);
        assert_eq!(names[0], job("@daily", "true").digest);
    }

    #[test]
    fn both_days_are_two_lines() {
        let timer = job("0 0 13 * fri", "true").timer;
        assert!(timer.contains("OnCalendar=*-*-13 00:00:00\nOnCalendar=fri *-*-* 00:00:00\n"), "{timer}");
    }
}
