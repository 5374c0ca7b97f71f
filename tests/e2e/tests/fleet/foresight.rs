//! What a write would come to, told by the nodes themselves, and nothing done.

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use serde_json::{Value, json};

fn ask(world: &World, controller: &str, path: &str, body: &Value) -> Result<Value> {
    let key = world.administrator_key()?;
    let path = format!("{path}?dry_run=true");
    let answer = world.raw(controller, "POST", &path, Some(&key), Some(&body.to_string()))?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(answer.body)
}

fn objects(preview: &Value) -> Result<&Vec<Value>> {
    preview["objects"].as_array().context("no objects")
}

pub(crate) fn a_dry_run_names_the_files_that_would_change_and_changes_none(world: &World) -> Result<()> {
    let site = world.host("foreseen", "foreseen.example")?;
    let path = format!("/v1/accounts/{}/suspend", site.account.id);
    // Whichever controller is asked.
    for controller in ["c1", "c2", "c3"] {
        let preview = ask(world, controller, &path, &json!({}))?;
        let told = objects(&preview)?;
        ensure!(told.iter().all(|object| object["answer"] == "answered"), "{preview}");
        ensure!(told.iter().all(|object| object["node_name"] == site.node.as_str()), "{preview}");
        let files = told.iter().flat_map(|object| object["files"].as_array().into_iter().flatten());
        let marker = json!({"path": "/srv/npanel/sites/foreseen.example/suspended", "change": "create"});
        ensure!(files.clone().any(|file| *file == marker), "{preview}");
        ensure!(told.iter().all(|object| object["reloads"] == json!([])), "{preview}");
        let stops: Vec<&str> =
            told.iter().flat_map(|object| object["stops"].as_array()).flatten().filter_map(Value::as_str).collect();
        ensure!(stops.iter().any(|unit| unit.ends_with(&format!("@{}.socket", site.uid()))), "{preview}");
    }
    ensure!(world.fetch(&site, "/")?.status == 200, "a dry run suspended the site");

    let (tenant, plan) = world.platform()?;
    let body = json!({"tenant_id": tenant, "plan_id": plan, "username": "imagined", "domain": "imagined.example"});
    let preview = ask(world, "c2", "/v1/accounts", &body)?;
    let nodes = preview["placement"]["parts"][0]["nodes"].as_array().context("no verdicts")?;
    ensure!(nodes.len() == 2, "every node has a verdict: {preview}");
    let kinds: Vec<&str> = objects(&preview)?.iter().filter_map(|object| object["object_kind"].as_str()).collect();
    ensure!(kinds.contains(&"account") && kinds.contains(&"domain") && kinds.contains(&"zone"), "{preview}");
    ensure!(objects(&preview)?.iter().all(|object| object["reason"] == ""), "{preview}");
    let starts = objects(&preview)?.iter().flat_map(|object| object["starts"].as_array()).flatten().count();
    ensure!(starts == 1, "the socket of its PHP starts: {preview}");
    for node in ["n1", "n2"] {
        let left = world.fleet.exec_any(node, ["/usr/bin/find", "/run/npanel-foresight", "-type", "f"])?;
        ensure!(left.stdout.is_empty(), "what was only checked is still there: {left:?}");
    }
    let there = world.fleet.exec(&site.node, ["/usr/bin/ls", "/home"])?;
    ensure!(!there.contains("imagined"), "a dry run made a home: {there}");
    Ok(())
}

pub(crate) fn a_node_that_is_down_is_said_to_be_unreachable_in_a_dry_run(world: &World) -> Result<()> {
    let site = world.host("unforeseen", "unforeseen.example")?;
    world.fleet.stop(&site.node)?;
    let path = format!("/v1/domains?name={}", site.domain);
    let key = world.administrator_key()?;
    let found = world.raw("c1", "GET", &path, Some(&key), None)?;
    let id = found.body["items"][0]["id"].as_str().context("no domain")?.to_owned();
    let preview = ask(world, "c1", &format!("/v1/domains/{id}/suspend"), &json!({}))?;
    let told = objects(&preview)?;
    ensure!(told.len() == 1 && told[0]["answer"] == "unreachable" && told[0]["files"] == json!([]), "{preview}");
    Ok(())
}
