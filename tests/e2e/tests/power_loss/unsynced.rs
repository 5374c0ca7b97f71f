//! Disks that fail to sync. What such a sync should have brought to disk is not there, and no later sync says so.

use anyhow::{Result, ensure};
use npanel_fleet::until;
use npanel_lossy_disk::{Temper, Times};

use crate::{
    ground::{Ground, LIMIT},
    load::Load,
};

pub(crate) fn a_controller_whose_disk_fails_to_sync_takes_no_part_until_it_is_started_again(
    ground: &Ground,
) -> Result<()> {
    let load = Load::start(&ground.world, "unsynced")?;
    load.until_more(50)?;
    for files in ["raft-log/", "state/"] {
        for leads in [true, false] {
            let name = if leads { ground.world.leader()? } else { ground.followers()?.remove(0) };
            println!("    {name} ({}) fails to sync {files}", if leads { "leader" } else { "follower" });
            fails_and_comes_back(ground, &load, &name, files, leads)?;
        }
    }
    load.until_more(50)?;
    load.all_is_there(ground)?;
    ground.all_agree()
}

fn fails_and_comes_back(ground: &Ground, load: &Load, name: &str, files: &str, leads: bool) -> Result<()> {
    ground.with_disk(name, |disk| disk.fail_syncs(files, Times::Once))?;
    until("a sync to fail", LIMIT, || {
        Ok(ground.with_disk(name, |disk| disk.failed_syncs() > 0)?.then_some(()))
    })?;
    // It ends, for a service manager to start it again.
    until(&format!("{name} to end"), LIMIT, || Ok((!ground.world.fleet.is_up(name)?).then_some(())))?;
    load.until_more(50)?;
    if leads {
        // The process alone: what the disk never took is still read from memory.
        ground.world.fleet.start(name)?;
        ground.until_ready(name)?;
        load.until_more(50)?;
    }
    // Then the power, and what the failed sync gave up with it.
    ground.cut(&[name.to_owned()])?;
    let loss = ground.with_disk(name, |disk| disk.power_on_with(Temper::Nothing))??;
    println!("    {name} has lost: {loss}");
    ground.world.fleet.start(name)?;
    ground.until_ready(name)?;
    ensure!(ground.with_disk(name, |disk| disk.failed_syncs())? == 0, "faults outlast the power");
    Ok(())
}
