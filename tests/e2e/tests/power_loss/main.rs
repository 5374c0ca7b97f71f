//! Controllers on disks that lose at a power cut what was not synced, are full, or fail to sync: no acknowledged write is lost, no
//! controller comes to another content than its peers or refuses its log, and writes stop and go on cleanly.
//!
//! What happens is drawn from a seed, which is printed. `NPANEL_SEED` sets it; `NPANEL_MINUTES` has the power go on and off for so
//! long instead of half a minute. `NPANEL_UNSYNCED` names a part of paths whose syncs are left out: then a claim must fail.

mod blow;
mod cuts;
mod disk_full;
mod ground;
mod load;
mod unsynced;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};

use ground::Ground;

type Claim = fn(&Ground) -> Result<()>;

/// Every claim by its name, in the order in which it is tried.
const CLAIMS: &[(&str, Claim)] = &[
    ("no_acknowledged_write_is_lost_with_the_power", cuts::no_acknowledged_write_is_lost_with_the_power),
    (
        "a_full_disk_stops_writes_cleanly_and_they_go_on_when_there_is_space",
        disk_full::a_full_disk_stops_writes_cleanly_and_they_go_on_when_there_is_space,
    ),
    (
        "a_controller_whose_disk_fails_to_sync_takes_no_part_until_it_is_started_again",
        unsynced::a_controller_whose_disk_fails_to_sync_takes_no_part_until_it_is_started_again,
    ),
];

/// What the run was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) seed: u64,
    /// How long the power goes on and off.
    pub(crate) cuts: Duration,
    /// Whether a number of minutes was asked for: then controllers also join anew, and disks are full.
    pub(crate) is_long: bool,
}

impl Asked {
    fn by_the_environment() -> Result<Self> {
        let number = |name: &str| -> Result<Option<u64>> {
            let Ok(text) = std::env::var(name) else { return Ok(None) };
            (!text.is_empty()).then(|| text.parse().with_context(|| format!("{name}={text:?}"))).transpose()
        };
        let minutes = number("NPANEL_MINUTES")?.map(|minutes| Duration::from_secs(60 * minutes));
        let seed = number("NPANEL_SEED")?.unwrap_or_else(|| fastrand::u64(..));
        let is_long = minutes.is_some();
        Ok(Self { seed, cuts: minutes.unwrap_or(Duration::from_secs(25)), is_long })
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if arguments.list {
        let listed = CLAIMS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, listed).exit_code();
    }
    if let Some(why) = npanel_lossy_disk::unavailable() {
        eprintln!("SKIPPED: no power cut can be tried here: {why}");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let asked = Asked::by_the_environment()?;
    println!("The seed is {} (NPANEL_SEED={} tries it again)", asked.seed, asked.seed);
    let ground = Ground::boot(asked)?;
    let mut failed = false;
    // One after the other on one thread: what is mounted belongs to it.
    let conclusion = {
        let ground = &ground;
        let mut outcomes = Vec::new();
        for (name, claim) in CLAIMS.iter().filter(|(name, _)| is_asked_for(arguments, asked, name)) {
            let outcome = ground.make_whole().and_then(|()| claim(ground));
            failed |= outcome.is_err();
            outcomes.push((*name, outcome.map_err(|error| Failed::from(format!("{error:#}")))));
        }
        let trials = outcomes.into_iter().map(|(name, outcome)| Trial::test(name, move || outcome)).collect();
        libtest_mimic::run(&Arguments { filter: None, ..arguments.clone() }, trials)
    };
    if failed {
        eprintln!("The logs of all controllers are in {}", ground.world.keep_logs("power-loss")?.display());
    }
    Ok(conclusion.exit_code())
}

/// Full disks are waited for long: they are for long runs, and for who names them.
fn is_asked_for(arguments: &Arguments, asked: Asked, name: &str) -> bool {
    match arguments.filter.as_deref() {
        Some(filter) => name.contains(filter),
        None => asked.is_long || !name.starts_with("a_full_disk"),
    }
}
