//! More than anybody needs, asked of a real fleet: refused, nothing changed, and no controller grows by it.

use std::{fs, sync::Mutex};

use anyhow::{Context, Result, ensure};
use npanel_e2e::{Answer, World};
use npanel_sdk_types::Tenant;
use serde_json::json;

const CONTROLLERS: [&str; 3] = ["c1", "c2", "c3"];
const BODY: usize = 10 * 1024 * 1024;
/// Side by side at each controller: kept in memory, they would be 80 MiB.
const ASKED: usize = 8;
/// Of resident memory, in KiB.
const GROWTH: u64 = 32 * 1024;

fn resident(world: &World, controller: &str) -> Result<u64> {
    let pid = world.fleet.processes(controller)?.first().context("no process")?.1;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn tenants(world: &World) -> Result<Vec<Tenant>> {
    Ok(world.block_on(world.client.list_all::<Tenant>(&[]))?)
}

pub(crate) fn a_body_of_ten_megabytes_is_refused_and_not_kept(world: &World) -> Result<()> {
    let place = tempfile::tempdir()?;
    let file = place.path().join("body");
    // A good request, but for its size.
    let body = json!({"name": "toolarge"}).to_string();
    fs::write(&file, format!("{}{body}", " ".repeat(BODY)))?;
    let (body, key, before) = (format!("@{}", file.display()), world.administrator_key()?, tenants(world)?);
    // What the first request of all costs is not what is measured.
    for controller in CONTROLLERS {
        world.raw(controller, "POST", "/v1/tenants", Some(&key), Some("{}"))?;
    }
    let sizes: Vec<u64> = CONTROLLERS.iter().map(|name| resident(world, name)).collect::<Result<_>>()?;
    let answers = Mutex::new(Vec::<Result<Answer>>::new());
    std::thread::scope(|scope| {
        for number in 0..ASKED * CONTROLLERS.len() {
            let (key, body, answers) = (&key, &body, &answers);
            let controller = CONTROLLERS[number % CONTROLLERS.len()];
            scope.spawn(move || {
                let answer = world.raw(controller, "POST", "/v1/tenants", Some(key), Some(body));
                answers.lock().expect("no panic while it was locked").push(answer);
            });
        }
    });
    for answer in answers.into_inner().expect("no panic while it was locked") {
        let answer = answer?;
        ensure!(answer.status == 413, "{answer:?}");
    }
    for (controller, before) in CONTROLLERS.iter().zip(sizes) {
        let grown = resident(world, controller)?.saturating_sub(before);
        ensure!(grown < GROWTH, "{controller} has grown by {grown} KiB");
    }
    ensure!(tenants(world)? == before, "something was made");
    Ok(())
}

pub(crate) fn a_page_of_a_million_is_refused_by_every_list(world: &World) -> Result<()> {
    let key = world.administrator_key()?;
    for controller in CONTROLLERS {
        for list in ["accounts", "domains", "nodes", "operations", "events", "tenants", "zones"] {
            let path = format!("/v1/{list}?limit=1000000");
            let answer = world.raw(controller, "GET", &path, Some(&key), None)?;
            ensure!((400..=422).contains(&answer.status), "{path}: {}", answer.status);
            ensure!(answer.body["field"].as_str().unwrap_or_default().contains("limit"), "{path}: {:?}", answer.body);
        }
    }
    Ok(())
}
