//! Writes and reads that a majority agrees on, beside etcd's: the same number of clients, one after the other on the same
//! machine in one run. What etcd writes are values of 256 bytes; what the controllers write are changes of accounts, asked
//! for through the public API. Both fsync what they acknowledge, and both are behind TLS.

mod etcd;
mod etcd_api;
mod etcd_tls;
mod ours;

use anyhow::{Context, Result, ensure};

use crate::{
    Bench,
    drive::{Asker, Figures, drive},
    judge::Measure,
    memory,
};
use etcd::Etcd;
use ours::Ours;

/// So many clients, one measurement after the other, unless said otherwise.
pub(crate) const CLIENTS: [usize; 5] = [1, 16, 64, 256, 1000];
/// Of etcd's writes each second, the least that ours may be.
const GATE: f64 = 0.7;
/// And what the product aims at, from so many clients on.
const TARGETS: [(usize, f64); 2] = [(1, 1.0), (64, 1.5)];
const READ_TARGET: f64 = 1.0;

/// What a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// All that was acknowledged before.
    Linearizable,
    /// What the member that is asked has.
    Stale,
}

/// Gets what ours is compared with, unless it is there.
pub(crate) fn fetch_peer() -> Result<()> {
    etcd::program().map(drop)
}

/// The numbers of clients in a list such as `1,64`.
pub(crate) fn clients(text: &str) -> Result<Vec<usize>> {
    let clients = text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    ensure!(!clients.contains(&0), "no clients are nothing to measure (got {text:?})");
    Ok(clients)
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let beside = Beside { etcd: Etcd::start()?, ours: Ours::prepare(bench)? };
    let measures = [
        beside.writes(bench)?,
        beside.reads(bench, Freshness::Linearizable)?,
        beside.reads(bench, Freshness::Stale)?,
    ];
    measures.into_iter().flatten().for_each(|measure| bench.judge(measure));
    memory::judge_peaks(bench)?;
    beside.ours.finish(bench)
}

/// Both, ready to be asked.
struct Beside {
    etcd: Etcd,
    ours: Ours,
}

impl Beside {
    fn writes(&self, bench: &Bench) -> Result<Vec<Measure>> {
        heading("writes");
        let mut measures = Vec::new();
        for clients in bench.clients.iter().copied() {
            let theirs = self.etcd.writers(&bench.world, clients)?;
            let both = compare(bench, clients, theirs, self.ours.writers(&bench.world, clients)?)?;
            let target = TARGETS.iter().rev().find(|(from, _)| clients >= *from);
            let target = target.map(|(_, target)| *target).context("a target for any number of clients")?;
            let what = format!("writes of etcd's, {clients} clients");
            measures.push(Measure::ratio(what, both.ratio(), target).gate(GATE));
            measures.push(both.p99(format!("p99 of etcd's writes, {clients} clients")));
        }
        Ok(measures)
    }

    /// After the writes, for it is their keys that are read.
    fn reads(&self, bench: &Bench, fresh: Freshness) -> Result<Vec<Measure>> {
        heading(match fresh {
            Freshness::Linearizable => "linearizable reads",
            Freshness::Stale => "stale reads, for information",
        });
        let mut measures = Vec::new();
        for clients in bench.clients.iter().copied() {
            let theirs = self.etcd.readers(&bench.world, clients, fresh)?;
            let own = self.ours.readers(&bench.world, clients, fresh)?;
            let both = compare(bench, clients, theirs, own)?;
            if fresh == Freshness::Linearizable {
                let what = format!("linearizable reads of etcd's, {clients} clients");
                measures.push(Measure::ratio(what, both.ratio(), READ_TARGET));
                measures.push(both.p99(format!("p99 of etcd's linearizable reads, {clients} clients")));
            }
        }
        Ok(measures)
    }
}

/// Figures of the same number of clients.
struct Both {
    theirs: Figures,
    own: Figures,
}

fn heading(what: &str) {
    println!("  {what}");
    println!("  clients        etcd/s     p50     p99      ours/s     p50     p99   ours of etcd");
}

/// One after the other.
fn compare<T: Asker, O: Asker>(bench: &Bench, clients: usize, theirs: Vec<T>, own: Vec<O>) -> Result<Both> {
    let theirs = drive(&bench.world, bench.pace, theirs).context("etcd")?;
    let own = drive(&bench.world, bench.pace, own).context("the controllers")?;
    let both = Both { theirs, own };
    println!("  {clients:>7}  {}  {}   {:>5.2}", both.theirs, both.own, both.ratio());
    Ok(both)
}

impl Both {
    fn ratio(&self) -> f64 {
        self.own.rate() / self.theirs.rate()
    }

    fn p99(&self, what: String) -> Measure {
        let share = self.own.percentile(99).as_secs_f64() / self.theirs.percentile(99).as_secs_f64() * 100.0;
        Measure::new(what, share, "%", 100.0)
    }
}
