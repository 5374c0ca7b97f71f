//! Writes and reads that a majority agrees on, beside etcd's: the same number of clients, one after the other on the same
//! machine in one run. What etcd writes are values of 256 bytes; what the controllers write are changes of accounts, asked
//! for through the public API. Both fsync what they acknowledge, and both are behind TLS.

mod drive;
mod etcd;
mod etcd_api;
mod etcd_tls;
mod ours;
mod tls;

use anyhow::Result;

use crate::{Bench, judge::Measure};
use drive::{Figures, drive};
use etcd::Etcd;
use ours::Ours;

const CLIENTS: [usize; 5] = [1, 16, 64, 256, 1000];
/// Of etcd's writes each second, the least that ours may be.
const GATE: f64 = 0.7;
/// And what the product aims at, from so many clients on.
const TARGETS: [(usize, f64); 2] = [(1, 1.0), (64, 1.5)];

/// Gets what ours is compared with, unless it is there.
pub(crate) fn fetch_peer() -> Result<()> {
    etcd::program().map(drop)
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let etcd = Etcd::start()?;
    let ours = Ours::prepare(bench)?;
    println!("  clients        etcd/s     p50     p99      ours/s     p50     p99   ours of etcd");
    let mut measures = Vec::new();
    for clients in CLIENTS {
        let theirs = drive(&bench.world, etcd.writers(&bench.world, clients)?)?;
        let own = drive(&bench.world, ours.writers(&bench.world, clients)?)?;
        let ratio = own.rate() / theirs.rate();
        println!("  {clients:>7}  {theirs}  {own}   {ratio:>5.2}");
        let target =
            TARGETS.iter().rev().find(|(from, _)| clients >= *from).map_or(1.0, |(_, target)| *target);
        measures
            .push(Measure::ratio(format!("writes of etcd's, {clients} clients"), ratio, target).gate(GATE));
        measures.push(p99(clients, &own, &theirs));
    }
    measures.into_iter().for_each(|measure| bench.judge(measure));
    ours.finish(bench)
}

fn p99(clients: usize, own: &Figures, theirs: &Figures) -> Measure {
    let share = own.percentile(99).as_secs_f64() / theirs.percentile(99).as_secs_f64() * 100.0;
    Measure::new(format!("p99 of etcd's, {clients} clients"), share, "%", 100.0)
}
