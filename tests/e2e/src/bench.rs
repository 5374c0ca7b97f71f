//! `make bench`: from the request that makes an account to its first page, on an idle fleet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use npanel_client::Wait;
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_sdk_types::{Account, Convergence, CreateAccount, Domain, Zone};

const LIMIT: Duration = Duration::from_secs(30);
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
    println!("and each node's stages of each object:");
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
    let client = world.client.clone();
    let waiting = world.spawn(async move {
        let waited = client.wait_for(id, LIMIT, |_| ()).await;
        waited.map(|_| start.elapsed())
    });
    // A name that its node does not know yet gets no TLS session; a known one answers, if only that it has no page.
    let site = world.site(written.object, &domain)?;
    until("the site to answer", LIMIT, || world.fetch(&site, "/").map(Some))?;
    let served = start.elapsed();
    let converged = world.block_on(waiting)??;
    Ok(Sample { accepted, converged, served, stages: stages(world, &site)? })
}

/// How long the account's nodes took for each stage of each object (`domain: check`).
fn stages(world: &World, site: &Site) -> Result<Vec<(String, Duration)>> {
    let of_account = [("account_id", site.account.id.to_string())];
    let (account, domains, zones) = world.block_on(async {
        let account = world.client.get::<Account>(site.account.id).await?;
        let domains = world.client.list_all::<Domain>(&of_account).await?;
        Ok::<_, npanel_client::Error>((account, domains, world.client.list_all::<Zone>(&of_account).await?))
    })?;
    let mut found = stages_of("account", &account.convergence);
    found.extend(domains.iter().flat_map(|domain| stages_of("domain", &domain.convergence)));
    found.extend(zones.iter().flat_map(|zone| stages_of("zone", &zone.convergence)));
    Ok(found)
}

fn stages_of(kind: &str, convergence: &Convergence) -> Vec<(String, Duration)> {
    let stages = convergence.conditions.iter().flat_map(|condition| &condition.stages);
    stages
        .map(|stage| (format!("{kind}: {}", stage.name), Duration::from_micros(stage.microseconds)))
        .collect()
}

fn row(name: &str, all: &mut [Duration]) {
    all.sort();
    let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
    if let (Some(median), Some(slowest)) = (all.get(all.len() / 2), all.last()) {
        println!("  {name:<28} {:>8.1} ms ({:.1} ms)", milliseconds(*median), milliseconds(*slowest));
    }
}
