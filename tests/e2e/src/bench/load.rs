//! Many accounts on one node.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{Account, Node, NodeHealth, UpdateNode};

use crate::{Bench, serving::account};

/// So many are asked for at once: the node is kept busy, and no request waits long.
const AT_ONCE: usize = 16;
/// The node that gets them.
pub(crate) const NODE: &str = "n1";

/// Makes accounts on one node until it has been given as many as are wanted, waits until every one is served, and leaves
/// the other nodes cordoned.
pub(crate) fn fill(bench: &mut Bench, wanted: usize) -> Result<()> {
    cordon_others(&bench.world, true)?;
    if bench.filled < wanted {
        let begun = Instant::now();
        make(bench, wanted, begun)?;
        served(&bench.world, wanted)?;
        quiet()?;
        bench.filled = wanted;
        println!("  {wanted} accounts are served by {NODE} after {:.0} s", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Whether any but the one node gets anything new.
pub(crate) fn cordon_others(world: &World, cordoned: bool) -> Result<()> {
    for node in world.block_on(world.client.list_all::<Node>(&[]))? {
        if node.name.as_str() != NODE {
            let change = UpdateNode { schedulable: Some(!cordoned), ..UpdateNode::default() };
            world.block_on(world.client.update::<Node>(node.id, &change, Wait::No))?;
        }
    }
    Ok(())
}

fn make(bench: &Bench, wanted: usize, begun: Instant) -> Result<()> {
    let world = &bench.world;
    let numbers: Vec<usize> = (bench.filled..wanted).collect();
    for (done, batch) in numbers.chunks(AT_ONCE).enumerate() {
        let bodies = batch
            .iter()
            .map(|number| account(world, &format!("full{number}")))
            .collect::<Result<Vec<_>>>()?;
        let making = bodies.into_iter().map(|body| {
            let client = world.client.clone();
            world.spawn(async move { client.create::<Account>(&body, Wait::No).await })
        });
        let making: Vec<_> = making.collect();
        for made in making {
            world.block_on(made)??;
        }
        if done % 25 == 24 {
            println!(
                "  {} accounts asked for after {:.0} s",
                (done + 1) * AT_ONCE,
                begun.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

fn served(world: &World, wanted: usize) -> Result<()> {
    let nodes = world.block_on(world.client.list_all::<Node>(&[]))?;
    let node = nodes.into_iter().find(|node| node.name.as_str() == NODE).context("no such node")?;
    until("every account to be served", Duration::from_secs(60 + wanted as u64 / 4), || {
        let NodeHealth { pending, failed, .. } = world.block_on(world.client.node_status(node.id))?;
        ensure!(failed == 0, "{failed} objects failed on {NODE}");
        Ok((pending == 0).then_some(()))
    })
}

/// Waits until the machine has done what the accounts' visitors and services still have to do: what is measured then is a
/// node that has many accounts, not one that is getting them.
fn quiet() -> Result<()> {
    let mut before = processor_time()?;
    until("the machine to be quiet", Duration::from_secs(600), || {
        std::thread::sleep(Duration::from_secs(2));
        let now = processor_time()?;
        let (idle, all) = (now.0 - before.0, now.1 - before.1);
        before = now;
        Ok((idle * 10 > all * 8).then_some(()))
    })
}

/// Clock ticks of all processors since boot: idle, and altogether (proc(5), `stat`).
fn processor_time() -> Result<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let ticks: Vec<u64> = text
        .lines()
        .next()
        .context("no processors")?
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok((ticks.get(3..5).context("no idle time")?.iter().sum(), ticks.iter().sum()))
}
