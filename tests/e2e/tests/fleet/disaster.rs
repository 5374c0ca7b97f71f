//! All controllers are lost, or a majority of them: the fleet goes on from a backup, or from what one of them has, and nothing that
//! nodes have is lost.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use npanel_e2e::{Site, World};
use npanel_fleet::{Kind, Member, until};
use npanel_model::NodeConditionKind;
use serde_json::Value;

const CONTROLLERS: [&str; 3] = ["c1", "c2", "c3"];

fn serves(world: &World, site: &Site) -> Result<bool> {
    Ok(world.fetch(site, "/page.html")?.body == site.domain)
}

/// A site with a page that its owner has put there.
fn site(world: &World, name: &str) -> Result<Site> {
    let site = world.host(name, &format!("{name}.example"))?;
    site.put(world, "page.html", &site.domain)?;
    ensure!(serves(world, &site)?, "{name} is not served");
    Ok(site)
}

fn nodes(world: &World) -> Vec<String> {
    world.fleet.of_kind(Kind::Node).map(|node| node.name.clone()).collect()
}

/// By the node's own word; one that it does not dial is not connected.
fn is_connected(world: &World, node: &str, controller: &Member) -> Result<bool> {
    let url = format!("http://{}:9471/metrics", world.fleet.member(node)?.address);
    let metrics = world.fleet.hub("/usr/bin/curl", ["--silent", "--max-time", "5", &url])?;
    let of_it = format!("controller_connected{{controller=\"{}:8444\"}} 1", controller.address);
    Ok(metrics.contains(&of_it))
}

fn until_nodes_follow(world: &World, controller: &str) -> Result<()> {
    let member = world.fleet.member(controller)?.clone();
    for node in nodes(world) {
        let follows = || Ok(is_connected(world, &node, &member)?.then_some(()));
        until(&format!("{node} to follow {controller}"), World::PATIENCE, follows)?;
    }
    Ok(())
}

fn is_ready(world: &World, controller: &str) -> Result<bool> {
    let url = format!("http://{}:9470/readyz", world.fleet.member(controller)?.address);
    Ok(world.fleet.hub("/usr/bin/curl", ["--fail", "--silent", "--max-time", "2", &url]).is_ok())
}

fn until_ready(world: &World, controller: &str) -> Result<()> {
    until(&format!("{controller} to be ready"), World::PATIENCE, || Ok(is_ready(world, controller)?.then_some(())))
}

/// The others are controllers again, anew.
fn join_others(world: &World, by: &str) -> Result<()> {
    for other in CONTROLLERS.iter().filter(|name| **name != by) {
        if world.fleet.is_up(other)? {
            world.fleet.stop(other)?;
        }
        world.fleet.join_anew(other, by)?;
    }
    until("three to vote", World::PATIENCE, || Ok(world.fleet.is_ready()?.then_some(())))
}

fn json(text: &str) -> Result<Value> {
    Ok(serde_json::from_str(text)?)
}

pub(crate) fn a_fleet_restored_from_a_backup_goes_on_and_no_site_is_lost(world: &World) -> Result<()> {
    let kept = site(world, "kept")?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("fleet.tar");
    let file = file.to_string_lossy().into_owned();
    let manifest = world.fleet.npanel_at(&["c2"], &["cluster", "backup", &file])?;
    ensure!(manifest["controller_id"].as_u64() == Some(2), "any controller makes one: {manifest}");
    let status = world.fleet.npanel_at(&["c2"], &["cluster", "status"])?;
    let pin = status["ca_pin"].as_str().context("the status has no pin")?.to_owned();

    // What the backup does not know: an account, and a generation of what it knows.
    let late = site(world, "late")?;
    let more = world.post_domain(&kept.account, "more.kept.example")?;
    world.until_served(&more, World::PATIENCE)?;
    suspend_and_unsuspend(world, "kept")?;
    for name in CONTROLLERS {
        world.fleet.kill(name)?;
    }
    let data = world.fleet.controller_data("c1")?;
    std::fs::remove_dir_all(data.join("controller"))?;
    for site in [&kept, &late] {
        ensure!(serves(world, site)?, "{} needs a controller", site.domain);
    }

    restore(world, &file, &pin)?;
    ensure!(std::fs::exists(data.join("controller"))?, "there is no controller");
    world.fleet.start("c1")?;
    until_ready(world, "c1")?;
    until_nodes_follow(world, "c1")?;
    let anew = site(world, "anew")?;
    ensure!(anew.uid() > late.uid(), "uid {} was given out before ({})", anew.uid(), late.uid());
    until("the node to say that it holds more", World::PATIENCE, || {
        let said = world.node(&late.node)?.conditions;
        Ok(said.iter().any(|one| one.kind == NodeConditionKind::UnknownObjects).then_some(()))
    })?;
    world.until_ready(&kept.account, World::PATIENCE)?;
    suspend_and_unsuspend(world, "kept")?;
    let of_more = world.fetch_from(kept.address, "more.kept.example", "/")?;
    ensure!(of_more.status != 421 && of_more.status < 500, "the later domain is gone: {of_more:?}");

    // Those of before come back, and are a majority among themselves.
    for name in ["c2", "c3"] {
        world.fleet.start(name)?;
    }
    until("the old ones to lead each other", World::PATIENCE, || {
        let asked = world.fleet.npanel_at(&["c2", "c3"], &["cluster", "status", "--consistency", "stale"]);
        Ok(asked.ok().filter(|status| !status["leader_id"].is_null()).map(drop))
    })?;
    world.fleet.npanel_at(&["c2", "c3"], &["account", "suspend", "kept", "--reason", "by a ghost"])?;
    // What the new one asks gets through meanwhile.
    suspend_and_unsuspend(world, "anew")?;
    for site in [&kept, &late] {
        ensure!(serves(world, site)?, "an old controller has power over {}", site.domain);
    }
    for old in ["c2", "c3"] {
        let member = world.fleet.member(old)?.clone();
        for node in nodes(world) {
            ensure!(!is_connected(world, &node, &member)?, "{node} follows {old}");
        }
    }
    join_others(world, "c1")?;
    for name in CONTROLLERS {
        until_nodes_follow(world, name)?;
    }
    for site in [&kept, &late] {
        ensure!(serves(world, site)?, "{} was lost", site.domain);
    }
    Ok(())
}

/// Two generations more, and through all of it the node has to be reached.
fn suspend_and_unsuspend(world: &World, username: &str) -> Result<()> {
    world.fleet.npanel_at(&["c1"], &["account", "suspend", username, "--reason", "x", "--wait"])?;
    world.fleet.npanel_at(&["c1"], &["account", "unsuspend", username, "--wait"]).map(drop)
}

fn restore(world: &World, file: &str, pin: &str) -> Result<()> {
    let key = world.fleet.recovery_key()?.to_owned();
    let restore = |arguments: &[&str], key: &str| {
        let arguments = [&["--backup", file, "--output", "json"], arguments].concat();
        world.fleet.on_controller("c1", "restore", &arguments, &[("NPANEL_RECOVERY_KEY", key)])
    };
    let other = format!("npr_{}", "A".repeat(43));
    ensure!(restore(&["--ca-pin", pin], &other).is_err(), "another key opens it");
    ensure!(restore(&[], &key).is_err(), "it is restored whoever signed it");
    ensure!(restore(&["--ca-pin", &"A".repeat(43)], &key).is_err(), "another authority signed it");
    let checked = json(&restore(&["--check"], &key)?)?;
    ensure!(checked["signed_by"] == pin && checked["is_pinned"] == false, "{checked}");
    let checked = json(&restore(&["--check", "--ca-pin", pin], &key)?)?;
    ensure!(checked["key_opens_it"] == true && checked["is_pinned"] == true, "{checked}");
    let cut = format!("{file}.cut");
    let whole = std::fs::read(file)?;
    std::fs::write(&cut, &whole[..whole.len() - 700])?;
    let of_cut = ["--backup", cut.as_str(), "--ca-pin", pin];
    ensure!(
        world.fleet.on_controller("c1", "restore", &of_cut, &[("NPANEL_RECOVERY_KEY", &key)]).is_err(),
        "half a backup is restored"
    );
    let restored = json(&restore(&["--ca-pin", pin], &key)?)?;
    ensure!(restored["epoch"].as_u64() > Some(1_000_000_000), "{restored}");
    Ok(())
}

pub(crate) fn the_survivor_of_a_lost_majority_goes_on_and_the_lost_ones_do_no_harm(world: &World) -> Result<()> {
    let stays = site(world, "stays")?;
    for name in CONTROLLERS {
        world.fleet.kill(name)?;
    }
    let ends = CONTROLLERS.map(|name| {
        let said = world.fleet.on_controller(name, "recover", &["--dry-run", "--output", "json"], &[])?;
        let end = json(&said)?;
        Ok::<_, anyhow::Error>(((end["term"].as_u64(), end["index"].as_u64()), name))
    });
    let (_, survivor) = ends.into_iter().collect::<Result<Vec<_>>>()?.into_iter().max().expect("three");
    let recovered = json(&world.fleet.on_controller(survivor, "recover", &["--output", "json"], &[])?)?;
    ensure!(recovered["kept"].as_str().is_some_and(|kept| Path::new(kept).exists()), "{recovered}");
    ensure!(serves(world, &stays)?, "it needs a controller");
    world.fleet.start(survivor)?;
    until_ready(world, survivor)?;
    until_nodes_follow(world, survivor)?;
    let after = site(world, "after")?;

    // One that was thought to be lost learns that it is out, and stays so.
    let lost = CONTROLLERS.into_iter().find(|name| *name != survivor).expect("two others");
    world.fleet.start(lost)?;
    until("the lost one's daemon to end", World::PATIENCE, || Ok((!world.fleet.is_up(lost)?).then_some(())))?;
    join_others(world, survivor)?;
    for site in [&stays, &after] {
        ensure!(serves(world, site)?, "{} was lost", site.domain);
    }
    world.tenant("after-recovery").map(drop)
}
