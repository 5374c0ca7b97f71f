//! Many accounts at once on two nodes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use npanel_client::Wait;
use npanel_model::Part;
use npanel_sdk_types::Account;

use crate::{
    Bench,
    judge::Measure,
    serving::{account, addresses, first_page},
};

const ACCOUNTS: usize = 200;
const TARGET: Duration = Duration::from_secs(15);
const GATE: Duration = Duration::from_secs(30);
/// Between two tries of a page: 200 visitors who try more often would be what is measured.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let world = &bench.world;
    let addresses = addresses(world)?;
    let bodies = (0..ACCOUNTS)
        .map(|number| Ok((format!("burst{number}.example"), account(world, &format!("burst{number}"))?)))
        .collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let serving = bodies.into_iter().map(|(domain, body)| {
        let (client, addresses) = (world.client.clone(), addresses.clone());
        world.spawn(async move {
            let made = client.create::<Account>(&body, Wait::No).await?.object;
            let accepted = begun.elapsed();
            let web = made.assignments.iter().find(|assignment| assignment.part == Part::Web);
            let node = web.context("the account's sites are on no node")?.node_id;
            first_page(&domain, *addresses.get(&node).context("an unknown node")?, PAUSE).await?;
            anyhow::Ok((accepted, begun.elapsed()))
        })
    });
    let serving: Vec<_> = serving.collect();
    let (mut accepted, mut served) = (Vec::new(), Vec::new());
    for one in serving {
        let (when_accepted, when_served) = world.block_on(one)??;
        accepted.push(when_accepted);
        served.push(when_served);
    }
    accepted.sort();
    served.sort();
    let last = served[ACCOUNTS - 1];
    println!(
        "{ACCOUNTS} accounts asked for at once: accepted {:.1} s (half) and {:.1} s (all), served {:.1} s (half)",
        accepted[ACCOUNTS / 2].as_secs_f64(),
        accepted[ACCOUNTS - 1].as_secs_f64(),
        served[ACCOUNTS / 2].as_secs_f64()
    );
    bench.judge(Measure::time("200 accounts at once, all serving", last, TARGET).gate(GATE.as_secs_f64()));
    Ok(())
}
