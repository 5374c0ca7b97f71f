//! What was done is told, proved and verified; what was changed in a controller's database is named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{Kind, until};
use rusqlite::Connection;

/// A checkpoint is made every minute.
const LIMIT: Duration = Duration::from_secs(90);

/// Every controller's database, copied as it is at one moment.
fn copies(world: &World, into: &Path) -> Result<Vec<PathBuf>> {
    let copy = |name: &str| {
        let directory = world.fleet.controller_data(name)?.join("controller/state");
        let current = std::fs::read_to_string(directory.join("CURRENT"))?;
        let to = into.join(format!("{name}.db"));
        let from = Connection::open(directory.join(current.trim()))?;
        from.execute("VACUUM INTO ?1", [to.to_str().context("a path")?])?;
        Ok(to)
    };
    world.fleet.of_kind(Kind::Controller).map(|member| copy(&member.name)).collect()
}

/// What is done to a copy, and what is then said of the first entry at fault.
fn tamperings(position: u64) -> [(String, String); 5] {
    let before = position - 1;
    [
        (
            format!("UPDATE audit SET source_address = '192.0.2.66' WHERE position >= {position}"),
            format!("entry {position} (log index"),
        ),
        (format!("DELETE FROM audit WHERE position = {before}"), format!("entry {before} was deleted")),
        (
            // Neither stands where it was entered; nothing else is changed.
            format!(
                "UPDATE audit SET position = -1 WHERE position = {before};
                 UPDATE audit SET position = {before} WHERE position = {position};
                 UPDATE audit SET position = {position} WHERE position = -1"
            ),
            format!("entry {before} is not in its place"),
        ),
        (
            format!("DELETE FROM audit WHERE position >= {position}"),
            format!("entry {position} and all after it are missing"),
        ),
        (
            format!("DELETE FROM audit WHERE position >= {position}; DELETE FROM audit_checkpoints"),
            format!("entry {position} and all after it are missing"),
        ),
    ]
}

/// A state as it once was is in itself without fault: what says otherwise is the checkpoint that was kept outside since.
fn a_rollback_is_refused(world: &World, directory: &Path, kept: &str) -> Result<()> {
    let earlier = directory.join("earlier");
    std::fs::create_dir(&earlier)?;
    let copies = copies(world, &earlier)?;
    let entries = world.fleet.npanel(&["audit", "checkpoint"])?["tree_size"].as_u64();
    world.tenant("audited-later")?;
    until("a checkpoint of what came later", LIMIT, || {
        let newest = world.fleet.npanel(&["audit", "checkpoint"])?;
        Ok((newest["tree_size"].as_u64() > entries).then_some(()))
    })?;
    world.fleet.npanel(&["audit", "verify", "--checkpoint", kept])?;
    for copy in copies {
        let copy = copy.to_str().context("a path")?;
        let by_itself = world.fleet.npanel(&["audit", "verify", "--database", copy])?.to_string();
        ensure!(by_itself.contains("are as they were entered"), "{by_itself}");
        let verify = ["audit", "verify", "--database", copy, "--checkpoint", kept];
        let refused = world.fleet.npanel(&verify).err().context("a state that was rolled back passed")?;
        ensure!(format!("{refused:#}").contains("and all after it are missing"), "{refused:#}");
    }
    Ok(())
}

pub(crate) fn what_was_done_is_proved_and_a_tampered_copy_names_the_entry(world: &World) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let kept = directory.path().join("kept");
    let kept = kept.to_str().context("a path")?;
    let tenant = world.tenant("audited")?.to_string();
    let listed = world.fleet.npanel(&["audit", "list", "--object", &tenant])?;
    ensure!(listed[0]["action"] == "tenant.create" && listed[1].is_null(), "{listed}");
    let position = listed[0]["position"].as_u64().context("a position")?;

    until("a checkpoint of it", LIMIT, || {
        let newest = world.fleet.npanel(&["audit", "checkpoint"])?;
        Ok((newest["tree_size"].as_u64() > Some(position)).then_some(()))
    })?;
    let (first, again) = (&["audit", "verify", "--checkpoint", kept][..], ["--entries"]);
    let said = world.fleet.npanel(first)?.to_string();
    ensure!(said.contains("there was no checkpoint"), "{said}");
    let said = world.fleet.npanel(&[first, &again].concat())?.to_string();
    ensure!(said.contains("they go on from") && said.contains("are as they were entered"), "{said}");
    let at = position.to_string();
    for controller in ["c1", "c2", "c3"] {
        let proved = world.fleet.npanel_at(&[controller], &["audit", "prove", &at, "--checkpoint", kept])?;
        ensure!(proved["entry"] == listed[0], "{proved}");
    }

    let verify = |copy: &Path| {
        let copy = copy.to_str().context("a path")?;
        world.fleet.npanel(&["audit", "verify", "--database", copy, "--checkpoint", kept])
    };
    for copy in copies(world, directory.path())? {
        let said = verify(&copy)?.to_string();
        ensure!(said.contains("are as they were entered") && said.contains("that was kept"), "{said}");
        for (tampering, fault) in tamperings(position) {
            let tampered = copy.with_extension("tampered");
            std::fs::copy(&copy, &tampered)?;
            Connection::open(&tampered)?.execute_batch(&tampering)?;
            let refused = verify(&tampered).err().with_context(|| format!("a copy passed after {tampering}"))?;
            ensure!(format!("{refused:#}").contains(&fault), "{tampering}: {refused:#}");
        }
    }
    a_rollback_is_refused(world, directory.path(), kept)?;
    let text = std::fs::read_to_string(kept)?;
    let size = text.lines().nth(3).context("a size")?;
    std::fs::write(kept, text.replace(&format!("\n{size}\n"), "\n1\n"))?;
    let refused = format!("{:#}", world.fleet.npanel(first).err().context("a forged checkpoint passed")?);
    ensure!(refused.contains("forged"), "{refused}");
    Ok(())
}
