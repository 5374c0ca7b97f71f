//! One account's jobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_host::{
    AccountUser, Attributes, Directory, FileError, Layout, Managed, OsProfile, Owner, Stages, Systemd,
    blocking,
};
use npanel_model::{CronJob, Uid};

use super::{
    TARGET,
    job::{Job, Units, is_digest},
};
use crate::{ServiceError, UnitEffects, template::RenderError};

const UNIT: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const DEADLINE: Duration = Duration::from_secs(10);
/// More than the time that the unit gives a job to end.
const STOP: Duration = Duration::from_secs(40);

/// Has exactly these jobs run at their times, now and after a boot. A job that is no longer wanted and runs at the
/// moment runs to its end. Answers whether anything was changed. The account must be there.
///
/// # Errors
/// If a file cannot be written or a timer not started.
pub async fn ensure_account(
    os: &OsProfile,
    systemd: &Systemd,
    user: &AccountUser,
    jobs: &[CronJob],
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("render");
    let wanted = wanted(os, user, jobs)?;
    stages.enter("commit");
    let uid = user.uid;
    let names: Vec<String> = wanted.keys().cloned().collect();
    let mut gone = present(systemd, uid).await?;
    gone.retain(|digest| !wanted.contains_key(digest));
    for digest in &gone {
        stop_timer(systemd, uid, digest).await?;
    }
    let put = blocking(move || put(uid, &wanted, &gone)).await?;
    if put.replaced {
        // Someone else's units under our names, which systemd may have read.
        systemd.reload_units().await?;
    }
    let mut changed = put.changed;
    for digest in &names {
        let timer = Units::of(uid, digest).timer;
        if !systemd.state(&timer).await?.is_active() {
            systemd.start(&timer, DEADLINE).await?;
            changed = true;
        }
    }
    stages.enter("verify");
    verify(systemd, uid, &names).await?;
    Ok(changed)
}

/// Ends the account's schedule, and what runs of its jobs. Answers whether there was any.
///
/// # Errors
/// If a unit cannot be stopped or a file not removed.
pub async fn remove_account(systemd: &Systemd, uid: Uid, stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("stop");
    let gone = present(systemd, uid).await?;
    for digest in &gone {
        stop_timer(systemd, uid, digest).await?;
    }
    for digest in &gone {
        let service = Units::of(uid, digest).service;
        systemd.stop(&service, STOP).await?;
        systemd.reset_failed(&service).await?;
    }
    blocking(move || {
        put(uid, &BTreeMap::new(), &gone)?;
        Ok(Directory::open(Layout::CRON)?.remove_tree(&uid.to_string())?)
    })
    .await
}

/// Has no job of the account begin any more, until its jobs are ensured again. Answers whether one could have.
///
/// # Errors
/// If a timer cannot be stopped.
pub async fn rest(systemd: &Systemd, uid: Uid) -> Result<bool, ServiceError> {
    let waiting = waiting(systemd, uid).await?;
    for timer in &waiting {
        systemd.stop(timer, DEADLINE).await?;
    }
    Ok(!waiting.is_empty())
}

/// What belongs to an account's jobs, as it should be: files, and units that should be active.
///
/// # Errors
/// If a job cannot be written as units.
pub fn managed_account(
    os: &OsProfile,
    user: &AccountUser,
    jobs: &[CronJob],
) -> Result<(Vec<Managed>, Vec<String>), ServiceError> {
    let scripts = scripts(user.uid);
    let mut files = vec![Managed::directory(&scripts, owned(user.uid, 0o750))];
    let mut timers = Vec::new();
    for job in wanted(os, user, jobs)?.into_values() {
        let units = Units::of(user.uid, &job.digest);
        let timer = unit(&units.timer);
        files.push(Managed::file(scripts.join(&job.digest), job.script, owned(user.uid, 0o640)));
        files.push(Managed::file(unit(&units.service), job.service, UNIT));
        files.push(Managed::link(wants().join(&units.timer), &timer));
        files.push(Managed::file(timer, job.timer, UNIT));
        timers.push(units.timer);
    }
    Ok((files, timers))
}

/// The timers that having exactly these jobs run would stop.
///
/// # Errors
/// If a job cannot be written as units, or systemd not be asked.
pub async fn foresee_account(
    os: &OsProfile,
    systemd: &Systemd,
    user: &AccountUser,
    jobs: &[CronJob],
) -> Result<UnitEffects, ServiceError> {
    let wanted: BTreeSet<_> =
        wanted(os, user, jobs)?.keys().map(|digest| Units::of(user.uid, digest).timer).collect();
    let mut waiting = waiting(systemd, user.uid).await?;
    waiting.retain(|timer| !wanted.contains(timer));
    Ok(UnitEffects::stopping(waiting))
}

/// The timers of an account's jobs that run.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn waiting(systemd: &Systemd, uid: Uid) -> Result<Vec<String>, ServiceError> {
    let waiting = systemd.list(&["active"], &[&timers(uid)]).await?;
    Ok(waiting.into_iter().map(|timer| timer.unit).collect())
}

/// What goes with an account's jobs, by what is there.
///
/// # Errors
/// If the directory of its commands cannot be read.
pub fn removed_with_account(uid: Uid) -> Result<Vec<Managed>, ServiceError> {
    let mut files = vec![Managed::directory(scripts(uid), owned(uid, 0o750))];
    for digest in marked(uid)? {
        let units = Units::of(uid, &digest);
        files.push(Managed::directory(unit(&units.service), UNIT));
        files.push(Managed::directory(unit(&units.timer), UNIT));
    }
    Ok(files)
}

/// The accounts that have jobs here, by the jobs' commands and by the timers that systemd knows.
///
/// # Errors
/// If systemd cannot be asked, or the commands not be listed.
pub async fn accounts(systemd: &Systemd) -> Result<BTreeSet<Uid>, ServiceError> {
    let known = systemd.list(&["active"], &["npanel-cron-*.timer"]).await?;
    let mut accounts: BTreeSet<Uid> = known.iter().filter_map(|state| Units::account(&state.unit)).collect();
    let named = || -> Result<Vec<String>, ServiceError> {
        if !Path::new(Layout::CRON).exists() {
            return Ok(Vec::new());
        }
        Ok(Directory::open(Layout::CRON)?.names()?)
    };
    let uid = |name: &String| name.parse().ok().and_then(|uid| Uid::new(uid).ok());
    accounts.extend(blocking(named).await?.iter().filter_map(uid));
    Ok(accounts)
}

/// The accounts with a timer that should run and does not.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn stopped(systemd: &Systemd) -> Result<Vec<Uid>, ServiceError> {
    let down = ["inactive", "failed"];
    let units = systemd.list(&down, &["npanel-cron-*.timer"]).await?;
    Ok(units.iter().filter_map(|state| Units::account(&state.unit)).collect())
}

/// By digest: a job given twice is one job.
fn wanted(
    os: &OsProfile,
    user: &AccountUser,
    jobs: &[CronJob],
) -> Result<BTreeMap<String, Job>, RenderError> {
    let job = |job| Job::of(os, user, job).map(|job| (job.digest.clone(), job));
    jobs.iter().map(job).collect()
}

/// The digests of the jobs that are there: those that systemd knows, and those that have left a mark. A job's mark
/// alone could be lost, and its timer would go on for ever.
async fn present(systemd: &Systemd, uid: Uid) -> Result<BTreeSet<String>, ServiceError> {
    let known = systemd.list(&[], &[&timers(uid)]).await?;
    let mut present: BTreeSet<String> =
        known.iter().filter_map(|state| Units::digest(uid, &state.unit).map(str::to_owned)).collect();
    present.extend(blocking(move || marked(uid)).await?);
    Ok(present)
}

fn timers(uid: Uid) -> String {
    format!("npanel-cron-{uid}-*.timer")
}

/// The digests of the jobs whose command is there, which is their mark.
fn marked(uid: Uid) -> Result<Vec<String>, FileError> {
    let all = Directory::open(Layout::CRON)?;
    if all.kind(&uid.to_string())?.is_none() {
        return Ok(Vec::new());
    }
    let names = all.descend(&uid.to_string())?.names()?;
    Ok(names.into_iter().filter(|name| is_digest(name)).collect())
}

fn scripts(uid: Uid) -> PathBuf {
    Path::new(Layout::CRON).join(uid.to_string())
}

fn unit(name: &str) -> PathBuf {
    Path::new(Layout::UNITS).join(name)
}

fn wants() -> PathBuf {
    unit(&format!("{TARGET}.wants"))
}

/// Root's, and the account may read it.
fn owned(uid: Uid, mode: u32) -> Attributes {
    Attributes::new(Owner::root_and(uid.get()), mode)
}

async fn stop_timer(systemd: &Systemd, uid: Uid, digest: &str) -> Result<(), ServiceError> {
    let units = Units::of(uid, digest);
    systemd.stop(&units.timer, DEADLINE).await?;
    systemd.reset_failed(&units.timer).await?;
    Ok(systemd.reset_failed(&units.service).await?)
}

async fn verify(systemd: &Systemd, uid: Uid, names: &[String]) -> Result<(), ServiceError> {
    let running = systemd.list(&["active"], &[&timers(uid)]).await?.len();
    if running == names.len() {
        return Ok(());
    }
    let detail = format!("{running} timers run, {} should", names.len());
    Err(ServiceError::Unverified { service: "cron", detail })
}

/// What [`put`] did.
#[derive(Debug, Default)]
struct Put {
    changed: bool,
    /// A unit file was there with other contents than its name says.
    replaced: bool,
}

/// The files of exactly these jobs; those of `gone`, whose timers are stopped, are removed. A job's command is its
/// mark: made first, removed last, so that what was interrupted is found again.
fn put(uid: Uid, wanted: &BTreeMap<String, Job>, gone: &BTreeSet<String>) -> Result<Put, ServiceError> {
    let scripts = Directory::open(Layout::CRON)?;
    let (scripts, _) = scripts.ensure(&uid.to_string(), owned(uid, 0o750))?;
    let units = Directory::open(Layout::UNITS)?;
    let wants = units.descend(&format!("{TARGET}.wants"))?;
    let mut done = Put::default();
    for job in wanted.values() {
        let names = Units::of(uid, &job.digest);
        let known = units.kind(&names.timer)?.or(units.kind(&names.service)?).is_some();
        if write(uid, job, &scripts, &units, &wants)? {
            done.changed = true;
            done.replaced |= known;
        }
    }
    for digest in gone {
        let names = Units::of(uid, digest);
        wants.remove_file(&names.timer)?;
        units.remove_file(&names.timer)?;
        units.remove_file(&names.service)?;
        scripts.remove_file(digest)?;
    }
    // What an interrupted write has left.
    for staged in scripts.names()?.iter().filter(|name| !is_digest(name)) {
        scripts.remove_file(staged)?;
    }
    done.changed |= !gone.is_empty();
    if done.changed {
        for directory in [&scripts, &units, &wants] {
            directory.sync()?;
        }
    }
    Ok(done)
}

fn write(
    uid: Uid,
    job: &Job,
    scripts: &Directory,
    units: &Directory,
    wants: &Directory,
) -> Result<bool, ServiceError> {
    let names = Units::of(uid, &job.digest);
    // A command may hold a password: its unit, which every user may read, does not name it.
    let mut changed = scripts.write(&job.digest, job.script.as_bytes(), owned(uid, 0o640))?;
    changed |= units.write(&names.service, job.service.as_bytes(), UNIT)?;
    changed |= units.write(&names.timer, job.timer.as_bytes(), UNIT)?;
    changed |= wants.link(&names.timer, unit(&names.timer))?;
    Ok(changed)
}
