//! Counting requests of one kind of caller.

use std::{fmt, hash::Hash, num::NonZeroU32, time::Duration};

use governor::{Quota, RateLimiter, clock::Clock, middleware::StateInformationMiddleware};
use tokio::time::Instant;

use super::tallies::Tallies;

/// The time since the meter was made, by the clock that tests can stop.
#[derive(Debug, Clone)]
struct Since(Instant);

impl Clock for Since {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Whom something can be counted for.
pub(super) trait Counted: Clone + Eq + Hash + fmt::Debug {}

impl<K: Clone + Eq + Hash + fmt::Debug> Counted for K {}

/// How one stands with a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which quota it is.
    pub name: &'static str,
    /// How many requests are left at this moment.
    pub remaining: u32,
    /// When all of the quota is there again, if nothing is asked until then.
    pub reset_seconds: u64,
}

/// More was asked for than the quota has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Nothing is left.
    pub standing: Standing,
    /// How many requests the quota has.
    pub quota: u32,
    /// And in how many seconds.
    pub window_seconds: u64,
    /// When the next request is let in, and no other came meanwhile: at least one.
    pub retry_after_seconds: u64,
}

impl Exceeded {
    /// Of who may ask for nothing.
    pub(super) fn nothing_at_all(name: &'static str, window: Duration) -> Self {
        let window_seconds = window.as_secs();
        let standing = Standing { name, remaining: 0, reset_seconds: window_seconds };
        Self { standing, quota: 0, window_seconds, retry_after_seconds: window_seconds }
    }
}

/// What a quota is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) name: &'static str,
    pub(super) quota: u32,
    pub(super) window_seconds: u64,
}

pub(super) struct Meter<K: Counted> {
    policy: Policy,
    clock: Since,
    limiter: RateLimiter<K, Tallies<K>, Since, StateInformationMiddleware>,
}

impl<K: Counted> fmt::Debug for Meter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl<K: Counted> Meter<K> {
    /// `None` if the quota is 0: nobody is counted.
    pub(super) fn new(name: &'static str, quota: u32, window: Duration) -> Option<Self> {
        let burst = NonZeroU32::new(quota)?;
        // A request that comes after so long is always let in.
        let each = Quota::with_period(window / quota)?.allow_burst(burst);
        let clock = Since(Instant::now());
        let limiter = RateLimiter::new(each, Tallies::default(), clock.clone());
        Some(Self { policy: Policy { name, quota, window_seconds: window.as_secs() }, clock, limiter })
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    /// Counts a request.
    pub(super) fn take(&self, of: &K) -> Result<Standing, Exceeded> {
        match self.limiter.check_key(of) {
            Ok(state) => Ok(self.standing(state.remaining_burst_capacity())),
            Err(until) => {
                let Policy { quota, window_seconds, .. } = self.policy;
                let wait = until.wait_time_from(self.clock.now());
                let retry_after_seconds = whole_seconds(wait.as_nanos()).max(1);
                Err(Exceeded { standing: self.standing(0), quota, window_seconds, retry_after_seconds })
            }
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let Policy { name, quota, window_seconds } = self.policy;
        let used = u128::from(quota.saturating_sub(remaining));
        let nanos = used * u128::from(window_seconds) * 1_000_000_000 / u128::from(quota);
        Standing { name, remaining, reset_seconds: whole_seconds(nanos) }
    }
}

/// Rounded up: who comes back after that long does not come too early.
fn whole_seconds(nanos: u128) -> u64 {
    u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn who_was_quiet_has_the_whole_quota_and_then_as_much_as_comes_in_again() {
        let meter = Meter::new("key", 20, WINDOW).expect("a meter");
        for left in (0..20).rev() {
            assert_eq!(meter.take(&1).expect("within the quota").remaining, left);
        }
        let refused = meter.take(&1).expect_err("beyond it");
        assert_eq!((refused.retry_after_seconds, refused.standing.remaining), (1, 0));
        assert_eq!(refused.standing.reset_seconds, 10);
        assert_eq!(meter.take(&2).expect("another").remaining, 19);
        advance(Duration::from_secs(1)).await;
        for _ in 0..2 {
            meter.take(&1).expect("two a second");
        }
        meter.take(&1).expect_err("and no more");
        advance(WINDOW).await;
        assert_eq!(meter.take(&1).expect("all of it again").remaining, 19);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_when_it_was_told_to_is_let_in() {
        let meter = Meter::new("failures", 2, Duration::from_secs(60)).expect("a meter");
        meter.take(&1).expect("one");
        meter.take(&1).expect("two");
        let refused = meter.take(&1).expect_err("three");
        assert_eq!(refused.retry_after_seconds, 30);
        advance(Duration::from_secs(29)).await;
        meter.take(&1).expect_err("too early");
        advance(Duration::from_secs(1)).await;
        meter.take(&1).expect("as was said");
    }

    #[test]
    fn no_quota_is_no_meter() {
        assert!(Meter::<u32>::new("key", 0, WINDOW).is_none());
    }
}
