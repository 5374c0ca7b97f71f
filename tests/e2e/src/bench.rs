//! `make bench`: from the request that makes an account to the first answer of its own PHP page, on an idle fleet,
//! and where the time goes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_model::{NodeId, Part};
use npanel_sdk_types::{Account, Condition, CreateAccount, Domain, Node, Operation, Zone};

const ACCOUNTS: usize = 20;
/// The first accounts start what a node has never needed before; they are not counted.
const WARM_UP: usize = 2;
/// The most that the median may be.
const GATE: Duration = Duration::from_millis(500);
/// What the next stage of the product aims at.
const TARGET: Duration = Duration::from_millis(250);
/// Between two tries of the page; the figures are no finer than this.
const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    // An error means that one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let world = World::boot("bench")?;
    let addresses = addresses(&world)?;
    let mut rows = Rows::default();
    for number in 0..WARM_UP + ACCOUNTS {
        let sample = create_to_serving(&world, &addresses, number)?;
        if number >= WARM_UP {
            rows.add(sample);
        }
    }
    rows.print()
}

fn addresses(world: &World) -> Result<BTreeMap<NodeId, IpAddr>> {
    let nodes = world.block_on(world.client.list_all::<Node>(&[]))?;
    nodes.into_iter().map(|node| Ok((node.id, node.address.context("a node without an address")?))).collect()
}

/// What was measured of one account. Names sort as they are printed.
type Sample = Vec<(String, Duration)>;

fn create_to_serving(world: &World, addresses: &BTreeMap<NodeId, IpAddr>, number: usize) -> Result<Sample> {
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
    let web = written.object.assignments.iter().find(|assignment| assignment.part == Part::Web);
    let node = web.context("the account's sites are on no node")?.node_id;
    let address = *addresses.get(&node).context("an unknown node")?;
    world.block_on(first_page(&domain, address))?;
    let served = start.elapsed();

    let operation = written.operation_id.context("the answer names no operation")?;
    world.block_on(world.client.wait_for(operation, PATIENCE, |_| ()))?;
    let operation = world.block_on(world.client.get::<Operation>(operation))?;
    let finished = operation.finished_at.context("the operation is not finished")?;
    let mut sample = vec![
        ("1 accepted by a majority".to_owned(), accepted),
        ("2 first page over TLS, by PHP".to_owned(), served),
        ("3 reported by every node".to_owned(), finished.since(operation.created_at)),
    ];
    sample.extend(stages(world, written.object.id)?);
    Ok(sample)
}

/// Asks for the site's page until it answers as it should.
async fn first_page(domain: &str, address: IpAddr) -> Result<()> {
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .resolve(domain, SocketAddr::new(address, 443))
        .build()?;
    let url = format!("https://{domain}/");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Until the site is there, nginx ends the handshake or answers 404.
        if let Ok(answer) = client.get(&url).send().await
            && answer.status() == 200
        {
            let page = answer.text().await?;
            ensure!(page.contains("ready") && !page.contains("<?php"), "not the first page: {page}");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{url} did not answer within {PATIENCE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The nodes' own stages for the account and what came with it. They overlap: the objects converge side by side.
fn stages(world: &World, account: npanel_model::AccountId) -> Result<Sample> {
    let of_account = [("account_id", account.to_string())];
    let conditions = world.block_on(async {
        let account = world.client.get::<Account>(account).await?;
        let domains = world.client.list_all::<Domain>(&of_account).await?;
        let zones = world.client.list_all::<Zone>(&of_account).await?;
        let domains = domains.into_iter().flat_map(|domain| domain.convergence.conditions);
        let zones = zones.into_iter().flat_map(|zone| zone.convergence.conditions);
        let named = |kind: &'static str| move |condition: Condition| (kind, condition);
        let all: Vec<_> = account
            .convergence
            .conditions
            .into_iter()
            .map(named("account"))
            .chain(domains.map(named("domain")))
            .chain(zones.map(named("zone")))
            .collect();
        anyhow::Ok(all)
    })?;
    let times = |(kind, condition): (&'static str, Condition)| {
        condition.stages.into_iter().map(move |stage| {
            (format!("node, {kind}: {}", stage.name), Duration::from_micros(stage.microseconds))
        })
    };
    Ok(conditions.into_iter().flat_map(times).collect())
}

#[derive(Default)]
struct Rows(BTreeMap<String, Vec<Duration>>);

impl Rows {
    fn add(&mut self, sample: Sample) {
        for (name, took) in sample {
            self.0.entry(name).or_default().push(took);
        }
    }

    fn print(mut self) -> Result<()> {
        println!(
            "An account with a domain, on an idle fleet: {ACCOUNTS} one after the other, since the request"
        );
        println!("  {:<34} {:>10} {:>10}", "", "median", "slowest");
        let mut serving = None;
        for (name, all) in &mut self.0 {
            all.sort();
            let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
            let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
            println!("  {name:<34} {:>7.1} ms {:>7.1} ms", milliseconds(median), milliseconds(slowest));
            if name.starts_with('2') {
                serving = Some(median);
            }
        }
        let serving = serving.context("nothing was measured")?;
        println!(
            "create to serving: {:.2} of the gate of {GATE:?}, {:.2} of the target of {TARGET:?}",
            serving.as_secs_f64() / GATE.as_secs_f64(),
            serving.as_secs_f64() / TARGET.as_secs_f64()
        );
        ensure!(serving < GATE, "the median is over the gate");
        Ok(())
    }
}
