//! Many accounts on the nodes.

use std::time::Instant;

use anyhow::{Result, ensure};
use npanel_client::Wait;
use npanel_fleet::until;
use npanel_sdk_types::{Account, Node, NodeHealth};

use crate::{Bench, serving::account};

/// So many are asked for at once: the nodes are kept busy, and no request waits long.
const AT_ONCE: usize = 16;

/// Makes accounts until there are as many as are wanted, and waits until every one is served.
pub(crate) fn fill(bench: &Bench) -> Result<()> {
    let world = &bench.world;
    let begun = Instant::now();
    let numbers: Vec<usize> = (0..bench.accounts).collect();
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
    let limit = std::time::Duration::from_secs(60 + bench.accounts as u64 / 4);
    until("every account to be served", limit, || {
        let nodes = world.block_on(world.client.list_all::<Node>(&[]))?;
        let mut open = 0;
        for node in nodes {
            let NodeHealth { pending, failed, .. } = world.block_on(world.client.node_status(node.id))?;
            ensure!(failed == 0, "{failed} objects failed on {}", node.name);
            open += pending;
        }
        Ok((open == 0).then_some(()))
    })?;
    println!("  {} accounts are served after {:.0} s", bench.accounts, begun.elapsed().as_secs_f64());
    Ok(())
}
