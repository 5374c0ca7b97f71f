//! `make bench`: from the request that makes an account to its first page, on an idle fleet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{Account, Condition, CreateAccount, Operation, Stage};

const ACCOUNTS: usize = 20;
/// The first account starts what a node has never needed before; it is not counted.
const WARM_UP: usize = 1;

fn main() -> Result<()> {
    let world = World::boot("bench")?;
    world.platform()?;
    let mut accepted = Vec::new();
    let mut converged = Vec::new();
    let mut served = Vec::new();
    let mut stages: Vec<(String, Vec<Duration>)> = Vec::new();
    for number in 0..WARM_UP + ACCOUNTS {
        let sample = create_to_serving(&world, number)?;
        if number < WARM_UP {
            continue;
        }
        accepted.push(sample.accepted);
        converged.push(sample.converged);
        served.push(sample.served);
        for (name, took) in sample.stages {
            match stages.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(took),
                None => stages.push((name, vec![took])),
            }
        }
    }
    println!(
        "An account with a domain, median (and slowest) of {ACCOUNTS} on an idle fleet, since the request:"
    );
    row("accepted by a majority", &mut accepted);
    row("converged on its nodes", &mut converged);
    row("serving over TLS", &mut served);
    println!("of that, the nodes' own stages:");
    for (name, mut all) in stages {
        row(&name, &mut all);
    }
    Ok(())
}

struct Sample {
    accepted: Duration,
    converged: Duration,
    served: Duration,
    stages: Vec<(String, Duration)>,
}

fn create_to_serving(world: &World, number: usize) -> Result<Sample> {
    let (tenant_id, plan_id) = world.platform()?;
    let domain = format!("bench-{number}.example");
    let body = CreateAccount {
        tenant_id,
        plan_id,
        username: format!("bench{number}").parse()?,
        contact: None,
        domain: Some(domain.parse()?),
        document_root: None,
        create_zone: true,
    };
    let start = Instant::now();
    let written = world.block_on(world.client.create::<Account>(&body, Wait::No))?;
    let accepted = start.elapsed();
    let id = written.operation_id.context("the answer names no operation")?;
    world.block_on(world.client.wait_for(id, Duration::from_secs(30), |_| ()))?;
    let converged = start.elapsed();
    let site = world.site(written.object, &domain)?;
    // A site without a page still answers; what counts is that nginx knows it and its certificate.
    until("the site to answer", Duration::from_secs(30), || {
        let page = world.fetch(&site, "/")?;
        Ok((page.status != 0).then_some(()))
    })?;
    let served = start.elapsed();
    let operation = world.block_on(world.client.get::<Operation>(id))?;
    let stages = operation.conditions.iter().flat_map(stages_of).collect();
    Ok(Sample { accepted, converged, served, stages })
}

/// A node's stages for one object, named by what it is (`domain: check`).
fn stages_of(condition: &Condition) -> Vec<(String, Duration)> {
    let kind = condition.object_kind.as_deref().unwrap_or("object");
    let took = |stage: &Stage| (format!("{kind}: {}", stage.name), Duration::from_micros(stage.microseconds));
    condition.stages.iter().map(took).collect()
}

fn row(name: &str, all: &mut [Duration]) {
    all.sort();
    let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
    if let (Some(median), Some(slowest)) = (all.get(all.len() / 2), all.last()) {
        println!("  {name:<28} {:>8.1} ms ({:.1} ms)", milliseconds(*median), milliseconds(*slowest));
    }
}
