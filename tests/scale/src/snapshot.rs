//! Filled snapshots for controllers to start from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use npanel_scale::{Filler, begins_at, set_clock_back};
use npanel_state::{LogPosition, Snapshot, Store};

use crate::accounts::database;

/// So far beyond the end of what is applied no controller's log goes: what was under way when it was killed.
const BEYOND: u64 = 10_000;
/// How often it is told how far it is.
const TOLD_EVERY: u64 = 100_000;

/// A copy of a controller's state that is being filled.
pub(crate) struct Filling {
    store: Store,
    filler: Filler,
    /// Where snapshots are put.
    beside: PathBuf,
}

impl Filling {
    /// Copies the state of a controller that is down; it may have so many accounts at most.
    pub(crate) async fn begin(state: &Path, work: &Path, most: u64, seed: u64) -> Result<Self> {
        ensure!(!work.exists(), "{} is there already", work.display());
        fs::create_dir_all(work)?;
        for entry in fs::read_dir(state).context("no state there")? {
            let entry = entry?;
            fs::copy(entry.path(), work.join(entry.file_name()))?;
        }
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let begins = begins_at(most, now);
        set_clock_back(work, begins)?;
        let store = Store::open(work).await?;
        let filler = Filler::new(store.clone(), seed, begins).await?;
        Ok(Self { store, filler, beside: work.parent().context("no place for snapshots")?.to_owned() })
    }

    /// Fills it further, and makes a snapshot that goes beyond the logs of the controllers of which one has this state.
    pub(crate) async fn go_on(mut self, accounts: u64, state: &Path) -> Result<(Self, PathBuf)> {
        let at = position(state)?;
        self.filler.go_on_from(LogPosition { index: at.index + BEYOND, ..at }, self.filler.now());
        let started = Instant::now();
        let told = |made: u64| {
            if made.is_multiple_of(TOLD_EVERY) {
                println!("  {made} accounts after {:.0} s", started.elapsed().as_secs_f64());
            }
        };
        let filled = self.filler.fill(accounts, told).await?;
        let unnamed = self.beside.join("filled.db");
        let made = self.store.copy_to(unnamed.clone()).await?;
        let snapshot = self.beside.join(name(&made)?);
        fs::rename(unnamed, &snapshot)?;
        println!(
            "  filled with {} accounts of {} objects each, {} MiB, in {:.0} s",
            filled.accounts,
            npanel_scale::OBJECTS,
            made.bytes >> 20,
            started.elapsed().as_secs_f64()
        );
        Ok((self, snapshot))
    }
}

/// How far a state is applied whose controller is down.
fn position(state: &Path) -> Result<LogPosition> {
    let db = rusqlite::Connection::open(database(state)?)?;
    Ok(db.query_row("SELECT applied_term, applied_leader, applied_index FROM raft", [], |row| {
        Ok(LogPosition { term: row.get(0)?, leader: row.get(1)?, index: row.get(2)? })
    })?)
}

/// As `controller/consensus` names what it hands on: the place in the log, and the hash.
fn name(made: &Snapshot) -> Result<String> {
    let at = made.applied.position.context("an empty state")?;
    Ok(format!("snapshot-{}-{}-{}.db", at.term, at.index, made.sha256_hex()))
}
