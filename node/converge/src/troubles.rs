//! What keeps the node from doing its work, as the engine knows it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use npanel_model::{NodeRole, Timestamp};
use tokio::time::Instant;

/// An operation that takes longer than any of its own deadlines allows for hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What is recent: a node that was slow and has had nothing to do since is not called slow for long.
const RECENT: Duration = Duration::from_secs(60);

/// So many operations of one name tell how fast they are.
const ENOUGH: usize = 8;
const LATEST: usize = 32;

/// So many times its usual time is slow, and never less than this.
const SLOWER: u32 = 5;
const NEVER_SLOW: Duration = Duration::from_millis(500);

/// The shared configuration of a role cannot be put into place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseFailure {
    /// A stable word.
    pub reason: String,
    /// For people: the checker's own words where there are any.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// How slow the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slowness {
    /// Operations of this name take far longer than they use to: the time that half of them stay beneath, now, and
    /// the usual time. Half, for single slow ones are the ordinary fate of a busy machine.
    Slow(&'static str, Duration, Duration),
    /// An operation of this name runs and does not end.
    Hangs(&'static str, Duration),
}

/// What keeps the node from doing its work.
#[derive(Debug, Default)]
pub struct Troubles {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bases: BTreeMap<NodeRole, BaseFailure>,
    held: usize,
    unwritable: bool,
    running: BTreeMap<u64, (&'static str, Instant)>,
    next: u64,
    paces: BTreeMap<&'static str, Pace>,
}

/// How long operations of one name take.
#[derive(Debug, Default)]
struct Pace {
    latest: VecDeque<(Instant, Duration)>,
    /// A mean that follows slowly, and does not get used to slowness within minutes.
    usual: Option<Duration>,
}

impl Pace {
    fn note(&mut self, now: Instant, took: Duration) {
        if self.latest.len() >= LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back((now, took));
        self.usual = Some(match self.usual {
            None => took,
            Some(usual) => usual.mul_f64(0.99) + took.min(usual * 2).mul_f64(0.01),
        });
    }

    /// The recent time and the usual one, if the recent one is far above.
    fn slow(&self, now: Instant) -> Option<(Duration, Duration)> {
        let recent = self.latest.iter().filter(|(at, _)| now - *at < RECENT);
        let mut recent: Vec<Duration> = recent.map(|(_, took)| *took).collect();
        if recent.len() < ENOUGH {
            return None;
        }
        recent.sort();
        let (median, usual) = (recent[recent.len() / 2], self.usual?);
        (median > (usual * SLOWER).max(NEVER_SLOW)).then_some((median, usual))
    }
}

impl Troubles {
    /// Every change is one call, so a panic elsewhere leaves it whole.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The roles whose shared configuration cannot be put into place.
    pub fn bases(&self) -> BTreeMap<NodeRole, BaseFailure> {
        self.inner().bases.clone()
    }

    /// How many deletions wait for a person.
    pub fn held(&self) -> usize {
        self.inner().held
    }

    /// What is slow, if anything is.
    pub fn slowness(&self) -> Option<Slowness> {
        let (inner, now) = (self.inner(), Instant::now());
        let hanging = inner.running.values().find(|(_, since)| now - *since > HANGS);
        if let Some((name, since)) = hanging {
            return Some(Slowness::Hangs(name, now - *since));
        }
        let slow = |(name, pace): (&&'static str, &Pace)| {
            pace.slow(now).map(|(median, usual)| Slowness::Slow(name, median, usual))
        };
        inner.paces.iter().find_map(slow)
    }

    /// Whether the ledger could not be written when it was last tried.
    pub fn is_ledger_unwritable(&self) -> bool {
        self.inner().unwritable
    }

    /// The ledger was written, or could not be.
    pub fn note_ledger(&self, written: bool) {
        self.inner().unwritable = !written;
    }

    pub(crate) fn begin(&self, operation: &'static str) -> u64 {
        let mut inner = self.inner();
        inner.next += 1;
        let number = inner.next;
        inner.running.insert(number, (operation, Instant::now()));
        number
    }

    pub(crate) fn end(&self, number: u64) {
        let mut inner = self.inner();
        if let Some((operation, since)) = inner.running.remove(&number) {
            let now = Instant::now();
            inner.paces.entry(operation).or_default().note(now, now - since);
        }
    }

    pub(crate) fn set_held(&self, held: usize) {
        self.inner().held = held;
    }

    pub(crate) fn base_failed(&self, role: NodeRole, reason: String, message: String, since: Timestamp) {
        let failure = BaseFailure { reason, message, since };
        let mut inner = self.inner();
        match inner.bases.get_mut(&role) {
            Some(known) if known.reason == failure.reason => known.message = failure.message,
            _ => {
                inner.bases.insert(role, failure);
            }
        }
    }

    pub(crate) fn base_is_good(&self, role: NodeRole) {
        self.inner().bases.remove(&role);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(troubles: &Troubles, took: Duration) {
        let number = troubles.begin("ensure_site");
        tokio::time::advance(took).await;
        troubles.end(number);
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_far_longer_than_usual_is_slow_until_it_is_not() {
        let troubles = Troubles::default();
        for _ in 0..100 {
            run(&troubles, Duration::from_millis(20)).await;
        }
        assert_eq!(troubles.slowness(), None);
        for _ in 0..LATEST {
            run(&troubles, Duration::from_secs(2)).await;
        }
        assert!(matches!(troubles.slowness(), Some(Slowness::Slow("ensure_site", _, _))));
        for _ in 0..LATEST {
            run(&troubles, Duration::from_millis(20)).await;
        }
        assert_eq!(troubles.slowness(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn single_slow_operations_and_a_minute_of_rest_are_not_slowness() {
        let troubles = Troubles::default();
        for number in 0..100 {
            let took = if number % 8 == 7 { Duration::from_secs(2) } else { Duration::from_millis(20) };
            run(&troubles, took).await;
            assert_eq!(troubles.slowness(), None, "after {number}");
        }
        for _ in 0..LATEST {
            run(&troubles, Duration::from_secs(2)).await;
        }
        assert!(troubles.slowness().is_some());
        tokio::time::advance(RECENT).await;
        assert_eq!(troubles.slowness(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_always_slow_is_not_slower_than_usual() {
        let troubles = Troubles::default();
        for _ in 0..100 {
            run(&troubles, Duration::from_secs(2)).await;
        }
        assert_eq!(troubles.slowness(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_does_not_end_hangs() {
        let troubles = Troubles::default();
        let number = troubles.begin("ensure_zone");
        tokio::time::advance(HANGS + Duration::from_secs(1)).await;
        assert!(matches!(troubles.slowness(), Some(Slowness::Hangs("ensure_zone", _))));
        troubles.end(number);
        assert_eq!(troubles.slowness(), None);
    }
}
