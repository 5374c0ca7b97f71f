//! The API's operations by their names, as a person at a command line calls them.

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use serde_json::json;

pub(crate) fn any_operation_is_called_by_its_name(world: &World) -> Result<()> {
    let (tenant, plan) = world.platform()?;
    let listed = world.fleet.npanel(&["api"])?;
    let names: Vec<&str> =
        listed.as_array().context("a list")?.iter().filter_map(|one| one["operation"].as_str()).collect();
    ensure!(names.contains(&"account.create") && names.contains(&"me.get"), "{names:?}");

    let body = json!({"tenant_id": tenant, "plan_id": plan, "username": "called", "domain": "called.example"}).to_string();
    let create = ["api", "account.create", "--body", &body];
    let foreseen = world.fleet.npanel(&[&create[..], &["--dry-run"]].concat())?;
    ensure!(foreseen["objects"].as_array().is_some_and(|objects| !objects.is_empty()), "{foreseen}");
    let made = world.fleet.npanel(&[&create[..], &["--param", "wait=converged", "--param", "timeout=60"]].concat())?;
    ensure!(made["status"] == "ready", "{made}");
    let id = format!("id={}", made["id"].as_str().context("an id")?);
    let read = world.fleet.npanel(&["api", "account.get", "--param", &id])?;
    ensure!(read["username"] == "called", "{read}");

    let all = world.fleet.npanel(&["api", "account.list", "--param", "limit=1", "--all"])?;
    let there = world.fleet.npanel(&["account", "list"])?;
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|one| one["id"].to_string()).collect()
    };
    ensure!(ids(&all) == ids(&there) && !ids(&all).is_empty(), "{all}");

    for explained in [&["explain", "account", "called"][..], &["explain", "account/called"]] {
        ensure!(world.fleet.npanel(explained)?["username"] == "called", "{explained:?}");
    }
    let report = world.fleet.npanel(&["explain", "placement", "called"])?;
    ensure!(report["parts"][0]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2), "{report}");
    Ok(())
}
