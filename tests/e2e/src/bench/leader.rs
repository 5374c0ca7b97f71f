//! How long writes are not accepted when the leader dies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use npanel_client::{Client, Wait};
use npanel_model::{Megabytes, TenantId};
use npanel_sdk_types::{CreatePlan, Plan};

use crate::{Bench, judge::Measure};

const RUNS: usize = 10;
const CALLERS: usize = 4;
const TARGET: Duration = Duration::from_secs(3);
/// A caller that asked the dead leader tries the next; one that hears nothing gives up after this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut gaps = Vec::new();
    for run in 0..RUNS {
        let gap = kill_leader(bench, run)?;
        println!("  run {}: {:.2} s from the kill to the first write accepted", run + 1, gap.as_secs_f64());
        gaps.push(gap);
        bench.world.restore()?;
    }
    gaps.sort();
    bench.judge(Measure::time("leader killed, writes again, median", gaps[RUNS / 2], TARGET));
    bench.judge(Measure::time("leader killed, writes again, slowest", gaps[RUNS - 1], TARGET));
    Ok(())
}

fn kill_leader(bench: &Bench, run: usize) -> Result<Duration> {
    let world = &bench.world;
    let (tenant, _) = world.small()?;
    let leader = world.leader()?;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            world.spawn(write(world.client.clone(), tenant, format!("r{run}c{caller}"), stop, written))
        })
        .collect();
    npanel_fleet::until("some writes", PATIENCE, || {
        Ok((written.load(Ordering::Relaxed) >= 20).then_some(()))
    })?;
    world.fleet.kill(&leader)?;
    let killed = Instant::now();
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    // Each caller's last write began before the stop and ends when there is a leader again.
    let mut ended = Vec::new();
    for caller in callers {
        ended.extend(world.block_on(caller)?.context("a write was refused")?);
    }
    let first = ended.into_iter().filter(|at| *at > killed + Duration::from_millis(500)).min();
    Ok(first.map_or(Duration::ZERO, |at| at - killed))
}

/// Writes until told to stop. Returns when each write was acknowledged.
async fn write(
    client: Client,
    tenant: TenantId,
    name: String,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
) -> Result<Vec<Instant>> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let plan = CreatePlan {
            tenant_id: Some(tenant),
            ..CreatePlan::new(format!("{name}n{number}").parse()?, Megabytes(1), "8.2".parse()?)
        };
        client.create::<Plan>(&plan, Wait::No).await?;
        acknowledged.push(Instant::now());
        written.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
    Ok(acknowledged)
}
