//! `make bench`: what the product promises of its speed and its size, measured on a fleet of three controllers and two
//! nodes, each figure beside its gate (which fails the run) and its target (which is printed).
//!
//! `npanel-bench [--accounts N] [--clients N,…] [--seconds N] [STAGE…]`; the stages are `serving`, `burst`, `leader`, `agreement`
//! (beside etcd), `reads` (beside nginx), `memory` and `loaded`, which first fills a node with N accounts (2,000 if not said) and takes a while; all of
//! them if none is named. `agreement` measures with 1, 16, 64, 256 and 1000 clients, six seconds each, or as is said.

mod agreement;
mod burst;
mod debian;
mod drive;
mod judge;
mod leader;
mod load;
mod memory;
mod reads;
mod serving;
mod tls;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use npanel_e2e::World;

use drive::Pace;
use judge::Measure;

/// A stage by its name.
type Stage = (&'static str, fn(&mut Bench) -> Result<()>);

const STAGES: [Stage; 7] = [
    ("serving", serving::idle),
    ("burst", burst::run),
    ("leader", leader::run),
    ("agreement", agreement::run),
    ("reads", reads::run),
    ("memory", memory::run),
    ("loaded", serving::loaded),
];

/// The fleet and what was measured on it.
pub(crate) struct Bench {
    pub(crate) world: World,
    /// How many accounts `loaded` wants on a node.
    pub(crate) accounts: usize,
    /// With how many clients `agreement` measures, one after the other.
    pub(crate) clients: Vec<usize>,
    /// And for how long each time.
    pub(crate) pace: Pace,
    /// How many it has been given to have many.
    pub(crate) filled: usize,
    /// The median on the idle fleet, once measured.
    pub(crate) idle: Option<Duration>,
    measures: Vec<Measure>,
}

impl Bench {
    pub(crate) fn judge(&mut self, measure: Measure) {
        println!("  {measure}");
        self.measures.push(measure);
    }
}

fn main() -> Result<()> {
    // An error means that one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let Asked { stages, accounts, clients, pace } = asked(std::env::args().skip(1))?;
    if stages.iter().any(|(name, _)| *name == "agreement") {
        // Beyond the fleet's network there is nothing.
        agreement::fetch_peer()?;
    }
    if stages.iter().any(|(name, _)| *name == "reads") {
        reads::fetch_peer()?;
    }
    let world = World::boot("bench")?;
    let mut bench = Bench { world, accounts, clients, pace, filled: 0, idle: None, measures: Vec::new() };
    for (name, stage) in stages {
        println!("\n== {name}");
        stage(&mut bench).with_context(|| format!("the stage {name}"))?;
    }
    println!("\nAll figures:");
    bench.measures.iter().for_each(|measure| println!("  {measure}"));
    if bench.measures.iter().any(Measure::misses_gate) {
        bail!("a figure is over its gate");
    }
    Ok(())
}

struct Asked {
    stages: Vec<Stage>,
    accounts: usize,
    clients: Vec<usize>,
    pace: Pace,
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Asked> {
    let (mut accounts, mut clients, mut pace) = (2_000, agreement::CLIENTS.to_vec(), Pace::USUAL);
    let mut stages = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--accounts" => accounts = value()?.parse().context("--accounts")?,
            "--clients" => clients = agreement::clients(&value()?).context("--clients")?,
            "--seconds" => pace.counted = Duration::from_secs(value()?.parse().context("--seconds")?),
            name => {
                let known = STAGES.into_iter().find(|(known, _)| *known == name);
                let names = || STAGES.map(|(name, _)| name).join(", ");
                stages.push(known.with_context(|| format!("no stage {name:?} (known: {})", names()))?);
            }
        }
    }
    if stages.is_empty() {
        stages.extend(&STAGES);
    }
    Ok(Asked { stages, accounts, clients, pace })
}
