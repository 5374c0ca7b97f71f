//! How long nobody can write when the leader dies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use npanel_client::Wait;
use npanel_sdk_types::{Account, UpdateAccount};

use super::cluster::Cluster;

const RUNS: usize = 5;

pub(super) struct Gaps {
    pub(super) median: Duration,
    pub(super) slowest: Duration,
}

/// Kills the leader several times, each time with all controllers up before.
pub(super) fn run(cluster: &Cluster) -> Result<Gaps> {
    let mut gaps = Vec::new();
    for run in 1..=RUNS {
        let leader = cluster.leader()?;
        // Whoever writes has a connection, to whichever controller.
        change(cluster, 2 * run)?;
        cluster.fleet.kill(&leader)?;
        let killed = Instant::now();
        change(cluster, 2 * run + 1)?;
        gaps.push(killed.elapsed());
        println!("  leader killed, run {run}: writes again after {:.2} s", killed.elapsed().as_secs_f64());
        cluster.start_all()?;
    }
    gaps.sort();
    Ok(Gaps { median: gaps[RUNS / 2], slowest: gaps[RUNS - 1] })
}

/// The client goes on trying while no controller can take it.
fn change(cluster: &Cluster, number: usize) -> Result<()> {
    let account = cluster.accounts[number % cluster.accounts.len()];
    let contact = format!("failover{number}@changed.example").parse()?;
    let change = UpdateAccount { contact: Some(Some(contact)), ..UpdateAccount::default() };
    cluster
        .block_on(cluster.client.update::<Account>(account, &change, Wait::No))
        .context("a write was refused")?;
    Ok(())
}
