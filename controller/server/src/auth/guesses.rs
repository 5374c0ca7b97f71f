//! Guessing is slow: who signs in as somebody may try so often, from one network and from all together. An address from which the
//! user was signed in before is not counted with the others, so nobody is locked out by strangers. Each controller counts by itself.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use npanel_model::LoginName;

/// Tries at once from one network as one user, and then one in so long.
const NEAR: (u32, Duration) = (10, Duration::from_secs(30));
/// The same from everywhere that is new to the user.
const FAR: (u32, Duration) = (30, Duration::from_secs(60));
/// The same from one network as anybody.
const ANYBODY: (u32, Duration) = (60, Duration::from_secs(2));

/// More than this many that are remembered are looked through, and those that have waited long enough forgotten.
const KEPT: usize = 10_000;

/// Who may try.
#[derive(Clone)]
pub(crate) struct Guesses(Arc<Limits>);

struct Limits {
    near: DefaultKeyedRateLimiter<(LoginName, IpAddr)>,
    far: DefaultKeyedRateLimiter<LoginName>,
    anybody: DefaultKeyedRateLimiter<IpAddr>,
}

fn limiter<K: std::hash::Hash + Eq + Clone>((burst, every): (u32, Duration)) -> DefaultKeyedRateLimiter<K> {
    let quota = Quota::with_period(every).expect("the period is not zero");
    DefaultKeyedRateLimiter::keyed(quota.allow_burst(NonZeroU32::new(burst).expect("the burst is not zero")))
}

impl Default for Guesses {
    fn default() -> Self {
        Self(Arc::new(Limits { near: limiter(NEAR), far: limiter(FAR), anybody: limiter(ANYBODY) }))
    }
}

impl Guesses {
    /// Counts a try to sign in from this address.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub(crate) fn count(&self, login: &LoginName, from: IpAddr, is_known: bool) -> Result<(), Duration> {
        let (limits, network) = (&self.0, network(from));
        check(&limits.anybody, &network)?;
        check(&limits.near, &(login.clone(), network))?;
        if is_known { Ok(()) } else { check(&limits.far, login) }
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Duration> {
    if limiter.len() > KEPT {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

/// The network that somebody has addresses in: one of IPv4, a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() & !u128::from(u64::MAX)).into()),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn guessing_is_slowed_and_whom_it_is_about_still_gets_in() {
        let (guesses, ann): (_, LoginName) = (Guesses::default(), "ann@example.com".parse().expect("a name"));
        let attackers = (0..200).map(|host| address(&format!("198.51.100.{host}")));
        let let_through = attackers.filter(|from| guesses.count(&ann, *from, false).is_ok()).count();
        assert!(let_through <= FAR.0 as usize + 1, "{let_through} guesses from new addresses");
        assert!(guesses.count(&ann, address("192.0.2.7"), true).is_ok(), "she is locked out");
        let waits = guesses.count(&ann, address("203.0.113.9"), false).expect_err("a stranger");
        assert!(waits <= FAR.1, "{waits:?}");
    }

    #[test]
    fn one_network_tries_few_times_whatever_its_addresses() {
        let (guesses, ann): (_, LoginName) = (Guesses::default(), "ann@example.com".parse().expect("a name"));
        let tries = (0..100)
            .filter(|host| guesses.count(&ann, address(&format!("2001:db8::{host:x}")), true).is_ok());
        assert!(tries.count() <= NEAR.0 as usize + 1);
    }
}
