//! A controller is removed, and another takes its place.

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{Kind, Member, until};

/// A controller that was removed serves nothing any more, also after a restart; nodes leave it, the others go on, and
/// its machine can become a controller again.
pub(crate) fn a_removed_controller_serves_nobody_and_its_machine_can_join_anew(world: &World) -> Result<()> {
    let (removed, by) = ("c3", "c2");
    let member = world.fleet.member(removed)?.clone();
    let key = world.administrator_key()?;
    for node in nodes(world) {
        until("the node to be connected", World::PATIENCE, || Ok(is_connected(world, &node, &member)?.then_some(())))?;
    }
    let term = status(world)?["term"].clone();
    let led = world.leader()? == removed;
    world.fleet.npanel_at(&["c1", "c2"], &["controller", "remove", removed])?;
    until("its daemon to end", World::PATIENCE, || Ok((!world.fleet.is_up(removed)?).then_some(())))?;
    for node in nodes(world) {
        let told = || {
            let list = world.shell(&node, "cat /var/lib/npanel/controllers").unwrap_or_default();
            Ok((!list.contains("present 3 ") && list.contains("present 2 ")).then_some(()))
        };
        until("the node to be told", World::PATIENCE, told)?;
    }

    // As the service manager does.
    world.fleet.start(removed)?;
    until("its one answer", World::PATIENCE, || Ok(world.raw(removed, "GET", "/v1/cluster", Some(&key), None).ok()))?;
    for (method, path) in [("GET", "/v1/accounts"), ("GET", "/v1/cluster"), ("POST", "/v1/tenants")] {
        let answer = world.raw(removed, method, path, Some(&key), None)?;
        ensure!(answer.status == 503 && answer.code() == "controller_removed", "{method} {path}: {answer:?}");
    }
    let url = format!("http://{}:9470/readyz", member.address);
    let ready = world.fleet.hub("/usr/bin/curl", ["--silent", "--max-time", "2", &url])?;
    ensure!(ready.trim() == "removed from the cluster", "readyz says {ready:?}");
    for node in nodes(world) {
        ensure!(!is_connected(world, &node, &member)?, "{node} is connected to it");
    }
    let now = status(world)?;
    ensure!(now["controllers"].as_array().is_some_and(|all| all.len() == 2), "{now}");
    ensure!(led || now["term"] == term, "the others were disturbed: term {} after {term}", now["term"]);
    world.tenant("without-it")?;

    world.fleet.stop(removed)?;
    world.fleet.join_anew(removed, by)?;
    until("three to vote", World::PATIENCE, || Ok(world.fleet.is_ready()?.then_some(())))?;
    for node in nodes(world) {
        let connected = || Ok(is_connected(world, &node, &member)?.then_some(()));
        until("the node to serve the new one", World::PATIENCE, connected)?;
    }
    let answer = world.raw(removed, "GET", "/v1/cluster", Some(&key), None)?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

fn nodes(world: &World) -> Vec<String> {
    world.fleet.of_kind(Kind::Node).map(|node| node.name.clone()).collect()
}

fn status(world: &World) -> Result<serde_json::Value> {
    world.fleet.npanel_at(&["c1", "c2"], &["cluster", "status"])
}

/// By the node's own word.
fn is_connected(world: &World, node: &str, controller: &Member) -> Result<bool> {
    let url = format!("http://{}:9471/metrics", world.fleet.member(node)?.address);
    let metrics = world.fleet.hub("/usr/bin/curl", ["--silent", "--max-time", "5", &url])?;
    let of_it = format!("controller_connected{{controller=\"{}:8444\"}} ", controller.address);
    let (_, value) = metrics.split_once(&of_it).with_context(|| format!("{node} does not dial {}", controller.name))?;
    Ok(value.starts_with('1'))
}
