//! Reads beside nginx: what a controller of three answers to authorised reads, beside what Debian's nginx gives out of the same bytes as
//! static files, to the same client program in the same run. Both are behind TLS, on the same leg of the fleet's network; each
//! client has a connection of its own, and asks one thing after the other.

mod client;
mod ground;
mod nginx;

use anyhow::Result;

use crate::{
    Bench,
    drive::{Figures, drive},
    judge::Measure,
};
use client::{Reader, Server};
use ground::Ground;
use nginx::Nginx;

/// So many clients, one measurement after the other.
const CLIENTS: [usize; 2] = [16, 64];
/// Of nginx's answers each second, the least that ours may be, and what the product aims at.
const GATE: f64 = 0.25;
const TARGET: f64 = 0.5;
/// Pages of 100 rows a second.
const PAGES: f64 = 500.0;
/// Each is measured so often, in turn: a neighbour who works meanwhile keeps both from it.
const TURNS: u32 = 3;

/// Gets what ours is compared with, unless it is there.
pub(crate) fn fetch_peer() -> Result<()> {
    nginx::program().map(drop)
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let ground = Ground::prepare(bench)?;
    let nginx = Nginx::start(&bench.world, &ground)?;
    let measures = measure(bench, &ground, &nginx)?;
    measures.into_iter().for_each(|measure| bench.judge(measure));
    drop(nginx);
    bench.world.restore()
}

fn measure(bench: &Bench, ground: &Ground, nginx: &Nginx) -> Result<Vec<Measure>> {
    println!(
        "                       clients       nginx/s     p50     p99      ours/s     p50     p99   ours of nginx"
    );
    let mut measures = Vec::new();
    for clients in CLIENTS {
        let points = Both::of(bench, clients, nginx.server(), &ground.server(""), &ground.accounts)?;
        points.print("account", clients);
        let what = format!("point reads of nginx's, {clients} clients");
        measures.push(Measure::ratio(what, points.ratio(), TARGET).gate(GATE));
        let stale = ground.server("?consistency=stale");
        Both::of(bench, clients, nginx.server(), &stale, &ground.accounts)?.print("account, stale", clients);
        let pages = Both::of(bench, clients, nginx.server(), &ground.server(""), &ground.page)?;
        pages.print("page of 100 accounts", clients);
        let what = format!("pages of 100 accounts, {clients} clients");
        measures.push(Measure::rate(what, pages.own.rate(), PAGES).gate(PAGES));
    }
    Ok(measures)
}

/// Figures of the same number of clients.
struct Both {
    theirs: Figures,
    own: Figures,
}

impl Both {
    fn of(bench: &Bench, clients: usize, nginx: &Server, ours: &Server, files: &[File]) -> Result<Self> {
        let pace = bench.pace.parted(TURNS);
        let (mut theirs, mut own) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            for (server, figures) in [(nginx, &mut theirs), (ours, &mut own)] {
                let readers = Reader::several(&bench.world, server, files, clients)?;
                figures.push(drive(&bench.world, pace, readers)?);
            }
        }
        Ok(Self { theirs: Figures::joined(theirs), own: Figures::joined(own) })
    }

    fn ratio(&self) -> f64 {
        self.own.rate() / self.theirs.rate()
    }

    fn print(&self, what: &str, clients: usize) {
        println!("  {what:<20} {clients:>7}  {}  {}   {:>5.2}", self.theirs, self.own, self.ratio());
    }
}

/// What is read: the same bytes of both.
struct File {
    /// At the controllers.
    path: String,
    /// At nginx.
    name: String,
    content: Vec<u8>,
}
