//! Full disks: beneath the leader, a follower, and a majority.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_e2e::Answer;
use npanel_fleet::until;
use npanel_lossy_disk::LossyDisk;

use crate::{
    ground::{Ground, LIMIT},
    load::Load,
};

/// Less than what writes leave to the log and the state, and more than nothing.
const LITTLE: u64 = 16 * 1024 * 1024;

pub(crate) fn a_full_disk_stops_writes_cleanly_and_they_go_on_when_there_is_space(
    ground: &Ground,
) -> Result<()> {
    let load = Load::start(&ground.world, "full")?;
    load.until_more(50)?;
    for free in [LITTLE, 0] {
        println!("    the leader's disk has {free} bytes left");
        let leader = ground.world.leader()?;
        ground.with_disk(&leader, |disk| disk.set_free(Some(free)))?;
        until("a write to be refused", LIMIT, || {
            let refused = write(ground, &leader, &format!("refused-{free}"))?;
            Ok((refused.status == 503 && refused.code() == "disk_full").then_some(()))
        })?;
        for name in ground.names() {
            // Wherever it is asked for.
            let refused = write(ground, &name, "refused")?;
            ensure!(refused.status == 503 && refused.code() == "disk_full", "{name}: {refused:?}");
            // With nothing left, what was agreed on meanwhile cannot be applied where the disk is full.
            let path =
                if free == 0 { "/v1/tenants?limit=1&consistency=stale" } else { "/v1/tenants?limit=1" };
            let read = ask(ground, &name, "GET", path, None)?;
            ensure!(read.status == 200, "{name} is not read from: {read:?}");
        }
        ground.with_disk(&leader, |disk| disk.set_free(None))?;
        load.until_more(50)?;
        ensure!(ground.is_ready(&leader)?, "{leader} has not come back by itself");
    }

    let follower = ground.followers()?.remove(0);
    println!("    the disk of {follower}, a follower, is full");
    ground.with_disk(&follower, |disk| disk.set_free(Some(0)))?;
    load.until_more(200)?;
    ground.with_disk(&follower, |disk| disk.set_free(None))?;
    until_caught_up(ground, &follower)?;

    println!("    the disks of both followers are full");
    let followers = ground.followers()?;
    for name in &followers {
        ground.with_disk(name, |disk| disk.set_free(Some(0)))?;
    }
    let leader = ground.world.leader()?;
    until("writes to stop", LIMIT, || {
        let before = load.acknowledged();
        std::thread::sleep(Duration::from_secs(1));
        Ok((load.acknowledged() == before).then_some(()))
    })?;
    let read = ask(ground, &leader, "GET", "/v1/tenants?limit=1&consistency=stale", None)?;
    ensure!(read.status == 200, "what is here is not read: {read:?}");
    for name in &followers {
        ground.with_disk(name, |disk| disk.set_free(None))?;
    }
    load.until_more(50)?;

    println!("    the power of a controller goes whose disk is full");
    let name = ground.world.leader()?;
    ground.with_disk(&name, |disk| disk.set_free(Some(0)))?;
    until("a write to be refused", LIMIT, || {
        let refused = write(ground, &name, "refused-before-the-cut")?;
        Ok((refused.status == 503 && refused.code() == "disk_full").then_some(()))
    })?;
    ground.cut(std::slice::from_ref(&name))?;
    load.until_more(50)?;
    ground.power_on(&name)?;
    ground.with_disk(&name, |disk: &mut LossyDisk| disk.set_free(None))?;
    ground.world.fleet.start(&name)?;
    ground.until_ready(&name)?;
    load.until_more(50)?;
    load.all_is_there(ground)?;
    ground.all_agree()
}

fn until_caught_up(ground: &Ground, name: &str) -> Result<()> {
    let goal = ground.world.fleet.content(&ground.world.leader()?)?.index;
    until(&format!("{name} to be at {goal}"), LIMIT, || {
        Ok((ground.world.fleet.content(name)?.index >= goal).then_some(()))
    })
}

fn write(ground: &Ground, controller: &str, name: &str) -> Result<Answer> {
    let body = format!("{{\"name\":\"{name}\"}}");
    ask(ground, controller, "POST", "/v1/tenants", Some(&body))
}

fn ask(ground: &Ground, controller: &str, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
    ground.world.raw(controller, method, path, Some(&ground.world.administrator_key()?), body)
}
