//! Clients that ask one thing after the other.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;

/// For how long clients ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Connections are made and caches filled before it counts.
    pub(crate) warm_up: Duration,
    pub(crate) counted: Duration,
}

impl Pace {
    /// As long as several runs of a part of it.
    pub(crate) fn parted(self, parts: u32) -> Self {
        Self { counted: self.counted / parts, ..self }
    }

    pub(crate) const USUAL: Self = Self { warm_up: Duration::from_secs(2), counted: Duration::from_secs(6) };
}

/// One client.
pub(crate) trait Asker: Send + 'static {
    /// Asks once; `number` is another each time.
    fn ask(&mut self, number: u64) -> impl Future<Output = Result<()>> + Send;
}

/// How long each of many requests took.
pub(crate) struct Figures {
    /// In order.
    took: Vec<Duration>,
    over: Duration,
}

impl Figures {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.took.len() as f64 / self.over.as_secs_f64()
    }

    /// Those of several runs together.
    pub(crate) fn joined(runs: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self { took: Vec::new(), over: Duration::ZERO };
        for run in runs {
            all.took.extend(run.took);
            all.over += run.over;
        }
        all.took.sort();
        all
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = self.took.len() * percent / 100;
        self.took.get(at.min(self.took.len() - 1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |percent| self.percentile(percent).as_secs_f64() * 1000.0;
        write!(f, "{:>10.0} {:>7.1} {:>7.1}", self.rate(), milliseconds(50), milliseconds(99))
    }
}

/// Has all clients ask side by side for a while.
pub(crate) fn drive<A: Asker>(world: &World, pace: Pace, askers: Vec<A>) -> Result<Figures> {
    let begun = Instant::now() + pace.warm_up;
    let end = begun + pace.counted;
    let asking: Vec<_> = askers.into_iter().map(|asker| world.spawn(ask_until(asker, begun, end))).collect();
    let mut took = Vec::new();
    for one in asking {
        took.extend(world.block_on(one)??);
    }
    ensure!(!took.is_empty(), "nothing was answered within {:?}", pace.counted);
    took.sort();
    Ok(Figures { took, over: pace.counted })
}

/// How long each request took that ended in between.
async fn ask_until<A: Asker>(mut asker: A, begun: Instant, end: Instant) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for number in 0.. {
        let asked = Instant::now();
        asker.ask(number).await.context("a request failed")?;
        let now = Instant::now();
        if now >= end {
            break;
        }
        if now >= begun {
            took.push(now - asked);
        }
    }
    Ok(took)
}
