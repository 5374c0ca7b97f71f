//! `make bench-scale`: three controllers with few accounts, and then with many; each figure beside its target.
//!
//! The accounts are not made one request at a time: the state of a stopped controller is filled beside it, by the state's own
//! rules, and all three start from a snapshot of that.

mod catch_up;
mod cluster;
mod failover;
mod memory;
mod reads;
mod table;
mod writes;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use cluster::Cluster;
use table::{Figure, Table};

/// What a large state is compared with.
const FEW: u64 = 1_000;

/// What the product promises at a million accounts.
const WRITES: f64 = 0.8;
const LONGEST_WAIT: Duration = Duration::from_millis(100);
const RESIDENT_MIB: f64 = 1024.0;
const POINT_READ: Duration = Duration::from_millis(5);
const LIST_PAGE: Duration = Duration::from_millis(20);
const FAILOVER: Duration = Duration::from_secs(2);
const CATCH_UP: Duration = Duration::from_secs(180);

/// Each controller's figures: its log lets a snapshot be made within the run, as one is now and then.
pub(crate) const SNAPSHOT_AFTER: u64 = 60_000;

pub(crate) fn run(accounts: u64, seed: u64) -> Result<()> {
    ensure!(accounts > FEW, "more than {FEW} accounts are to be compared with {FEW} (got {accounts})");
    let started = Instant::now();
    let mut table = Table::default();
    let mut cluster = Cluster::boot(seed, accounts)?;
    cluster.fill(FEW)?;
    let few = writes::alone(&cluster)?;
    println!("  {few}");
    cluster.fill(accounts)?;
    let many = writes::alone(&cluster)?;
    println!("  {many}");
    let beside = writes::beside_snapshot(&cluster)?;
    let (points, pages) = reads::run(&cluster)?;
    let resident = memory::largest(&cluster)?;
    let gaps = failover::run(&cluster)?;
    let caught_up = catch_up::run(&cluster)?;

    table.add(Figure::said(format!("writes/s with {FEW} accounts"), few.rate()));
    table.add(Figure::said(format!("writes/s with {accounts} accounts"), many.rate()));
    table.add(Figure::at_least("writes with many, of those with few", many.rate() / few.rate(), "x", WRITES));
    table.add(Figure::time("longest wait of a write beside a snapshot", beside.longest, LONGEST_WAIT));
    table.add(Figure::time("longest wait of a write without one", many.longest(), LONGEST_WAIT));
    table.add(Figure::at_most("largest controller, resident", resident.now_mib, "MiB", RESIDENT_MIB));
    table.add(Figure::at_most(
        "largest controller, resident at its peak",
        resident.peak_mib,
        "MiB",
        RESIDENT_MIB,
    ));
    table.add(Figure::time("a point read, p99", points, POINT_READ));
    table.add(Figure::time("a page of 100 accounts, p99", pages, LIST_PAGE));
    table.add(Figure::time("leader killed, writes again, median", gaps.median, FAILOVER));
    table.add(Figure::time("leader killed, writes again, slowest", gaps.slowest, FAILOVER));
    table.add(Figure::time("a new controller has caught up by snapshot", caught_up, CATCH_UP));
    println!("\n{accounts} accounts on three controllers, after {:.0} s:", started.elapsed().as_secs_f64());
    println!("{table}");
    println!("Where the time of the writes went:\n{}\n{}", few.spent(), many.spent());
    println!("{}", beside.said());
    cluster.sizes().context("the sizes of what is on disk")
}
