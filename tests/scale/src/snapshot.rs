//! A filled snapshot for controllers to start from.

use std::{
    fs,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use npanel_scale::{Filler, begins_at, set_clock_back};
use npanel_state::{Snapshot, Store};

/// As `controller/consensus` names what it hands on: the place in the log, and the hash.
fn name(made: &Snapshot) -> Result<String> {
    let at = made.applied.position.context("an empty state")?;
    Ok(format!("snapshot-{}-{}-{}.db", at.term, at.index, made.sha256_hex()))
}

pub(crate) async fn fill(
    state: &Path,
    work: &Path,
    snapshots: &Path,
    accounts: u64,
    seed: u64,
) -> Result<()> {
    ensure!(!work.exists(), "{} is there already", work.display());
    fs::create_dir_all(work)?;
    for entry in fs::read_dir(state).context("no state there")? {
        let entry = entry?;
        fs::copy(entry.path(), work.join(entry.file_name()))?;
    }
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let begins = begins_at(accounts, now);
    set_clock_back(work, begins)?;
    let store = Store::open(work).await?;
    let started = Instant::now();
    let mut filler = Filler::new(store.clone(), seed, begins).await?;
    let filled = filler
        .fill(accounts, |made| {
            if made.is_multiple_of(100_000) {
                println!("    {made} accounts after {:.0} s", started.elapsed().as_secs_f64());
            }
        })
        .await?;
    fs::create_dir_all(snapshots)?;
    let target = snapshots.join("filled.db");
    let made = store.copy_to(target.clone()).await?;
    fs::rename(&target, snapshots.join(name(&made)?))?;
    println!(
        "    {} accounts with {} objects each, {} MiB, in {:.0} s",
        filled.accounts,
        npanel_scale::OBJECTS,
        made.bytes >> 20,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
