//! From the request that makes an account to the first answer of its own PHP page, and where the time goes.

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

use crate::{Bench, judge::Measure, load};

const ACCOUNTS: usize = 20;
/// The first accounts start what a node has never needed before; they are not counted.
const WARM_UP: usize = 2;
/// The most that the median may be on an idle fleet, and what the product aims at.
const GATE: Duration = Duration::from_millis(400);
const TARGET: Duration = Duration::from_millis(250);
/// How much longer it may take with many accounts on the nodes, in hundredths of the time without.
const LOADED_TARGET: f64 = 120.0;
/// Between two tries of the page; the figures are no finer than this.
const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// The median on an idle fleet.
pub(crate) fn idle(bench: &mut Bench) -> Result<()> {
    let rows = measure(bench, "idle")?;
    rows.print("An account with a domain, on an idle fleet, since the request");
    let median = rows.serving()?;
    bench.idle = Some(median);
    bench.judge(Measure::time("create to serving, idle fleet", median, TARGET).gate(GATE.as_secs_f64()));
    Ok(())
}

/// The same with many accounts on the nodes, held against the first.
pub(crate) fn loaded(bench: &mut Bench) -> Result<()> {
    if bench.idle.is_none() {
        idle(bench)?;
    }
    let many = bench.accounts;
    load::fill(bench, many)?;
    let rows = measure(bench, "loaded")?;
    load::cordon_others(&bench.world, false)?;
    rows.print(&format!("The same with {many} accounts on the node"));
    let (without, with) = (bench.idle.context("nothing to compare with")?, rows.serving()?);
    bench.judge(Measure::time("create to serving, with many accounts", with, TARGET));
    let share = with.as_secs_f64() / without.as_secs_f64() * 100.0;
    bench.judge(Measure::new("with many accounts, of the idle time", share, "%", LOADED_TARGET));
    Ok(())
}

fn measure(bench: &Bench, purpose: &str) -> Result<Rows> {
    let addresses = addresses(&bench.world)?;
    let mut rows = Rows::default();
    for number in 0..WARM_UP + ACCOUNTS {
        let sample = create_to_serving(&bench.world, &addresses, &format!("{purpose}{number}"))?;
        if number >= WARM_UP {
            rows.add(sample);
        }
    }
    rows.sort();
    Ok(rows)
}

/// Where each node's sites are.
pub(crate) fn addresses(world: &World) -> Result<BTreeMap<NodeId, IpAddr>> {
    let nodes = world.block_on(world.client.list_all::<Node>(&[]))?;
    nodes.into_iter().map(|node| Ok((node.id, node.address.context("a node without an address")?))).collect()
}

/// What was measured of one account. Names sort as they are printed.
type Sample = Vec<(String, Duration)>;

fn create_to_serving(world: &World, addresses: &BTreeMap<NodeId, IpAddr>, name: &str) -> Result<Sample> {
    let body = account(world, name)?;
    let domain = format!("{name}.example");
    let start = Instant::now();
    let written = world.block_on(world.client.create::<Account>(&body, Wait::No))?;
    let accepted = start.elapsed();
    let web = written.object.assignments.iter().find(|assignment| assignment.part == Part::Web);
    let node = web.context("the account's sites are on no node")?.node_id;
    let address = *addresses.get(&node).context("an unknown node")?;
    world.block_on(first_page(&domain, address, PAUSE))?;
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

/// An account with a domain of its name.
pub(crate) fn account(world: &World, name: &str) -> Result<CreateAccount> {
    let (tenant_id, plan_id) = world.small()?;
    Ok(CreateAccount {
        tenant_id,
        plan_id,
        username: name.parse()?,
        contact: None,
        domain: Some(format!("{name}.example").parse()?),
        document_root: None,
        create_zone: true,
        placement: None,
    })
}

/// Asks for the site's page, with a pause between two tries, until it answers as it should.
pub(crate) async fn first_page(domain: &str, address: IpAddr, pause: Duration) -> Result<()> {
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
        tokio::time::sleep(pause).await;
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

/// Samples by what was measured, each in order once sorted.
#[derive(Default)]
struct Rows(BTreeMap<String, Vec<Duration>>);

impl Rows {
    fn add(&mut self, sample: Sample) {
        for (name, took) in sample {
            self.0.entry(name).or_default().push(took);
        }
    }

    fn sort(&mut self) {
        self.0.values_mut().for_each(|all| all.sort());
    }

    fn print(&self, title: &str) {
        println!("{title} ({ACCOUNTS}, one after the other):");
        println!("  {:<34} {:>10} {:>10}", "", "median", "slowest");
        for (name, all) in &self.0 {
            let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
            let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
            println!("  {name:<34} {:>7.1} ms {:>7.1} ms", milliseconds(median), milliseconds(slowest));
        }
    }

    fn serving(&self) -> Result<Duration> {
        let all = self.0.iter().find(|(name, _)| name.starts_with('2')).context("nothing was measured")?.1;
        Ok(all[all.len() / 2])
    }
}
