//! The power goes and comes back under load.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use npanel_fleet::until;

use crate::{
    blow::{Blow, Whose, moment},
    ground::{Ground, LIMIT},
    load::Load,
};

/// A member is replaced after so many cuts.
const REPLACED_AFTER: u32 = 5;

pub(crate) fn no_acknowledged_write_is_lost_with_the_power(ground: &Ground) -> Result<()> {
    let mut chance = ground.chance(1);
    let load = Load::start(&ground.world, "cuts")?;
    let (begun, mut rounds) = (Instant::now(), 0);
    while begun.elapsed() < ground.asked.cuts {
        load.until_more(40)?;
        rounds += 1;
        if ground.asked.is_long && rounds % REPLACED_AFTER == 0 {
            replace(ground, &mut chance)?;
        } else {
            strike(ground, &Blow::drawn(&mut chance), &mut chance)?;
        }
    }
    load.until_more(40)?;
    let count = load.all_is_there(ground)?;
    println!("    {count} writes were acknowledged, the power came back {} times", ground.lives());
    ground.all_agree()
}

fn strike(ground: &Ground, blow: &Blow, chance: &mut fastrand::Rng) -> Result<()> {
    println!("    {blow}");
    let names = match blow.whose {
        Whose::Leader => vec![ground.world.leader()?],
        Whose::Follower => vec![chance.choice(ground.followers()?).context("a follower")?],
        Whose::All => ground.names(),
    };
    for name in &names {
        ground.with_disk(name, |disk| disk.cut_when(Some(blow.when.clone())))?;
    }
    let armed = Instant::now();
    until("the power to go", LIMIT, || {
        let mut is_cut = armed.elapsed() >= blow.within;
        for name in &names {
            is_cut |= ground.with_disk(name, |disk| disk.is_cut())?;
        }
        Ok(is_cut.then_some(()))
    })?;
    ground.cut(&names)?;
    // Not a wait for anything: it draws how much happens meanwhile.
    std::thread::sleep(blow.dark);
    ground.start(&names)
}

/// A follower is removed, and joins anew; its power goes while it does.
fn replace(ground: &Ground, chance: &mut fastrand::Rng) -> Result<()> {
    let name = chance.choice(ground.followers()?).context("a follower")?;
    let others: Vec<String> = ground.names().into_iter().filter(|other| *other != name).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let when = moment(chance);
    println!(
        "    {name} joins anew, and its power goes after {} of {:?} {:?}",
        when.passing, when.step, when.path
    );
    remove(ground, &name, &others)?;
    ground.with_disk(&name, |disk| disk.cut_when(Some(when)))?;
    let joined = ground.world.fleet.join_anew(&name, others[0]);
    if joined.is_ok() {
        let armed = Instant::now();
        until("the power to go", LIMIT, || {
            let is_cut = ground.with_disk(&name, |disk| disk.is_cut())?;
            Ok((is_cut || armed.elapsed().as_secs() >= 3).then_some(()))
        })?;
    }
    ground.cut(std::slice::from_ref(&name))?;
    ground.power_on(&name)?;
    if joined.is_ok() {
        let is_there = ground.world.fleet.controller_data(&name)?.join("controller").exists();
        ensure!(is_there, "{name} had joined, and nothing is left of it");
        ground.world.fleet.start(&name)?;
    } else {
        // What it was may be there still, and what it may have been enrolled as is nobody.
        remove(ground, &name, &others)?;
        ground.world.fleet.join_anew(&name, others[0])?;
    }
    ground.until_ready(&name)?;
    until("three controllers to vote", LIMIT, || Ok(ground.world.fleet.is_ready()?.then_some(())))
}

/// Removes whatever has the name, and waits until its daemon has ended.
fn remove(ground: &Ground, name: &str, others: &[&str]) -> Result<()> {
    let status = ground.world.fleet.npanel_at(others, &["cluster", "status"])?;
    for controller in status["controllers"].as_array().context("controllers")? {
        if controller["name"] == name {
            let id = controller["id"].to_string();
            ground.world.fleet.npanel_at(others, &["controller", "remove", id.trim_matches('"')])?;
        }
    }
    until(&format!("{name} to end"), LIMIT, || Ok((!ground.world.fleet.is_up(name)?).then_some(())))
}
