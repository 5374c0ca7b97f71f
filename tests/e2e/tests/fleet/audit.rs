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
        let db = Connection::open(&copy)?;
        db.execute("UPDATE audit SET source_address = '192.0.2.66' WHERE position = ?1", [position])?;
        let refused = format!("{:#}", verify(&copy).err().context("an edited copy passed")?);
        ensure!(refused.contains(&format!("entry {position} ")) && refused.contains("edited"), "{refused}");
        db.execute("DELETE FROM audit WHERE position >= ?1", [position])?;
        db.execute("DELETE FROM audit_checkpoints", [])?;
        let refused = format!("{:#}", verify(&copy).err().context("a truncated copy passed")?);
        ensure!(refused.contains(&format!("entry {position} and all after it are missing")), "{refused}");
    }
    let text = std::fs::read_to_string(kept)?;
    let size = text.lines().nth(3).context("a size")?;
    std::fs::write(kept, text.replace(&format!("\n{size}\n"), "\n1\n"))?;
    let refused = format!("{:#}", world.fleet.npanel(first).err().context("a forged checkpoint passed")?);
    ensure!(refused.contains("forged"), "{refused}");
    Ok(())
}
