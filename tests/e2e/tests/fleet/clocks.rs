//! Clocks that jump by days, while everything is down: every certificate has then expired, or is not valid yet.
//!
//! To be tried last: the state's own time does not go back with the clocks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{Kind, until};
use npanel_model::Timestamp;

const LIMIT: Duration = Duration::from_secs(90);
const DAYS: u32 = 3;

/// Restarts everything under a clock so many days ahead, and waits until all is as it was.
fn restart_ahead(world: &World, days: u32) -> Result<()> {
    // The controllers first: nodes are to be alone for a while.
    for kind in [Kind::Controller, Kind::Node] {
        for member in world.fleet.of_kind(kind) {
            world.fleet.stop(&member.name)?;
        }
    }
    world.fleet.set_clock_ahead(days)?;
    for kind in [Kind::Node, Kind::Controller] {
        for member in world.fleet.of_kind(kind) {
            world.fleet.start(&member.name)?;
        }
    }
    until("every controller and node to authenticate again", LIMIT, || {
        // While nobody answers, there is nothing to look at yet.
        Ok(world.fleet.is_ready().unwrap_or(false).then_some(()))
    })
}

/// When each machine's certificate ends, by its name.
fn expiries(world: &World) -> Result<Vec<(String, Timestamp)>> {
    let status = world.fleet.npanel(&["cluster", "status"])?;
    let nodes = world.fleet.npanel(&["node", "list"])?;
    let rows = status["controllers"].as_array().into_iter().chain(nodes.as_array()).flatten();
    rows.map(|row| {
        let name = row["name"].as_str().context("no name")?.to_owned();
        let expiry = serde_json::from_value(row["certificate_expires_at"].clone());
        Ok((name.clone(), expiry.with_context(|| format!("{name} has no certificate"))?))
    })
    .collect()
}

/// A machine is ready once it authenticates; that its new certificate is recorded may be a moment later.
fn until_certified_anew(world: &World, is_anew: impl Fn(Timestamp) -> bool) -> Result<()> {
    until("every machine to be certified anew", LIMIT, || {
        let of_before = expiries(world)?.into_iter().find(|(_, expiry)| !is_anew(*expiry));
        Ok(of_before.is_none().then_some(()))
    })
}

pub(crate) fn machines_whose_certificates_all_expired_find_each_other_again(world: &World) -> Result<()> {
    let site = world.host("clocks", "clocks.example")?;
    let now = Timestamp::now();
    let ahead = now.plus(Duration::from_secs(u64::from(DAYS) * 86_400));
    for (name, expiry) in expiries(world)? {
        ensure!(expiry < ahead, "{name}'s certificate would not have expired ({expiry})");
    }
    restart_ahead(world, DAYS)?;
    until_certified_anew(world, |expiry| expiry > ahead)?;
    let made = ["database", "create", "--account", "clocks", "--name", "ahead", "--wait"];
    world.fleet.npanel(&made).context("a change three days ahead")?;
    ensure!(world.fetch(&site, "/")?.status != 502, "the site does not answer");

    // And back: nothing that was issued is valid yet.
    restart_ahead(world, 0)?;
    until_certified_anew(world, |expiry| expiry < ahead)?;
    let made = ["database", "create", "--account", "clocks", "--name", "back", "--wait"];
    world.fleet.npanel(&made).context("a change after the clocks went back").map(drop)
}
