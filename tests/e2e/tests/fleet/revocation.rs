//! A node that is revoked on a fleet at work: out at once, and back only by an operator's leave.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::{Finished, until};
use npanel_model::NodeId;
use npanel_sdk_types::{Assignment, RevokeNode};

use crate::enrolment::refused;

const LIMIT: Duration = Duration::from_secs(60);

/// An agent of the one that the fleet has, on `n2`, is told to enrol.
pub(crate) fn enroll(world: &World, token: &str) -> Result<Finished> {
    let asked = ["/usr/bin/npanel-node", "enroll", "--force", "--token", token];
    world.fleet.exec_any("n2", asked)
}

pub(crate) fn token(world: &World, arguments: &[&str]) -> Result<String> {
    let asked: Vec<&str> = ["token", "create", "--role", "node"].iter().chain(arguments).copied().collect();
    Ok(world.fleet.npanel(&asked)?["token"].as_str().context("no token in the answer")?.to_owned())
}

fn status(world: &World) -> Result<String> {
    Ok(world.fleet.npanel(&["node", "get", "n2"])?["status"].as_str().context("no status")?.to_owned())
}

pub(crate) fn a_revoked_node_is_out_at_once_and_comes_back_only_by_a_fresh_token(world: &World) -> Result<()> {
    let before = world.fleet.npanel(&["node", "get", "n2"])?;
    let stale = token(world, &["--name", "n2"])?;
    let id: NodeId = before["id"].as_str().context("no id")?.parse()?;
    let why = RevokeNode { reason: "stolen".to_owned() };
    world.block_on(world.client.revoke_node(id, &why, Wait::No))?;
    until("its stream to end", Duration::from_secs(1), || {
        Ok((world.block_on(world.client.node_status(id))?.online == Some(false)).then_some(()))
    })?;
    ensure!(status(world)? == "revoked", "it is shown as {}", status(world)?);
    let warnings = world.fleet.npanel(&["cluster", "status"])?["warnings"].to_string();
    ensure!(warnings.contains("node n2 is revoked"), "{warnings}");

    // A restart changes nothing: its certificate is good for nothing any more.
    world.fleet.exec("n2", ["/usr/bin/systemctl", "restart", "npanel-node"])?;
    let site = world.host("elsewhere", "elsewhere.example")?;
    let is_on_it = |assignment: &Assignment| assignment.node_id == id;
    ensure!(!site.account.assignments.iter().any(is_on_it), "something new went to it");
    ensure!(world.fleet.npanel(&["node", "status", "n2"])?["online"] == false, "it came back");

    let any = token(world, &[])?;
    for useless in [&stale, &any] {
        refused(&enroll(world, useless)?, "made for this name")?;
    }
    ensure!(status(world)? == "revoked", "it came back");
    enroll(world, &token(world, &["--name", "n2"])?)?.ok().context("a fresh token for its name")?;
    until("it to be back", LIMIT, || Ok((status(world)? == "ready").then_some(())))?;
    let after = world.fleet.npanel(&["node", "get", "n2"])?;
    ensure!(after["id"] == before["id"] && after["load"] == before["load"], "another node: {after}");
    ensure!(after["schedulable"] == false, "it was uncordoned by itself");
    world.fleet.npanel(&["node", "uncordon", "n2"])?;
    until("it to have confirmed everything anew", LIMIT, || {
        let health = world.fleet.npanel(&["node", "status", "n2"])?;
        Ok((health["pending"] == 0 && health["failed"] == 0).then_some(()))
    })
}
