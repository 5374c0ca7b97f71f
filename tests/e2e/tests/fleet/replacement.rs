//! A controller's machine is dead, and another takes its place.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{CreateTenant, Tenant};
use serde_json::Value;

/// What every controller says of itself.
const SAID: [&str; 9] = [
    "term",
    "follows_id",
    "last_log_index",
    "applied_index",
    "entries_behind",
    "disk_total_bytes",
    "disk_free_bytes",
    "version",
    "certificate_expires_at",
];

fn status(world: &World) -> Result<Value> {
    world.fleet.npanel_at(&["c2"], &["cluster", "status"])
}

fn controllers(status: &Value) -> Result<Vec<Value>> {
    status["controllers"].as_array().cloned().context("the answer names no controllers")
}

fn named(status: &Value, name: &str) -> Result<Value> {
    let found = controllers(status)?.into_iter().find(|one| one["name"] == name);
    found.with_context(|| format!("there is no {name}: {status}"))
}

fn votes(controller: &Value) -> bool {
    controller["role"] == "voter" || controller["role"] == "leader"
}

/// Makes tenants, one after the other, until it is told to stop. Returns how many.
async fn write(client: npanel_client::Client, stop: Arc<AtomicBool>) -> Result<u32> {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let tenant = CreateTenant::new(format!("meanwhile-{made}").parse()?);
        client.create::<Tenant>(&tenant, Wait::No).await.with_context(|| format!("write {made}"))?;
        made += 1;
    }
    Ok(made)
}

pub(crate) fn a_dead_controller_is_replaced_by_one_command_while_writes_go_on(world: &World) -> Result<()> {
    let before = status(world)?;
    for one in controllers(&before)? {
        ensure!(one["reachable"] == true && votes(&one), "it is not well: {one}");
        ensure!(SAID.iter().all(|field| !one[field].is_null()), "not all is known: {one}");
    }
    let old = named(&before, "c3")?["id"].clone();
    let alive = world.fleet.npanel_at(&["c2"], &["controller", "replace", "c3"]);
    ensure!(alive.is_err_and(|error| format!("{error:#}").contains("--even-if-alive")), "a living one is replaced");

    let stop = Arc::new(AtomicBool::new(false));
    let writes = world.spawn(write(world.client_that_asks("c1")?, Arc::clone(&stop)));
    world.fleet.kill("c3")?;
    let silent = until("another leader if that was it, and the dead one to be missed", World::PATIENCE, || {
        let now = status(world)?;
        let dead = named(&now, "c3")?;
        Ok((now["leader_id"].is_u64() && dead["reachable"] == false).then_some(dead))
    })?;
    ensure!(silent["term"].is_null() && silent["disk_free_bytes"].is_null(), "a dead one says: {silent}");

    let made = world.fleet.npanel_at(&["c2"], &["controller", "replace", "c3"])?;
    let token = made["token"].as_str().context("no token")?.to_owned();
    ensure!(made["uses"] == 1 && made["role"] == "controller" && made["replaces_id"] == old, "{made}");
    let again = world.fleet.npanel_at(&["c2"], &["controller", "replace", "c3"]);
    ensure!(again.is_err_and(|error| format!("{error:#}").contains("under way")), "two at a time");
    let warned = |status: &Value| status["warnings"].to_string().contains("is to be replaced");
    ensure!(warned(&status(world)?), "nothing says that a machine may join");

    world.fleet.join_with("c3", "c1", &token)?;
    let now = until("the new one to vote and the old one to be gone", World::PATIENCE, || {
        let now = status(world)?;
        let all = controllers(&now)?;
        let is_well = |one: &Value| votes(one) && one["reachable"] == true && one["id"] != old;
        Ok((all.len() == 3 && all.iter().all(is_well)).then_some(now))
    })?;
    let new = named(&now, "c3")?;
    ensure!(new["id"].as_u64() > old.as_u64() && new["replaces_id"].is_null(), "{new}");
    ensure!(!warned(&now), "{now}");
    stop.store(true, Ordering::Relaxed);
    let written = world.block_on(writes)??;
    ensure!(written > 10, "only {written} writes in all that time");
    until("three to vote", World::PATIENCE, || Ok(world.fleet.is_ready()?.then_some(())))
}
