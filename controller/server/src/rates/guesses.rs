//! Guessing is slow: who signs in as somebody may try so often, from one network and from all together. An address from which the
//! user was signed in before is not counted with the others, so nobody is locked out by strangers. Each controller counts by itself.

use std::{net::IpAddr, sync::Arc, time::Duration};

use npanel_model::{DeviceLoginId, LoginName};

use super::meter::{Exceeded, Meter};
use crate::origin::origin;

/// Tries from one network as one user: ten at once, and then one in half a minute.
const NEAR: (u32, Duration) = (10, Duration::from_secs(300));
/// From everywhere that is new to the user: thirty at once, and then one a minute.
const FAR: (u32, Duration) = (30, Duration::from_secs(1800));
/// From one network as anybody: sixty at once, and then one in two seconds.
const ANYBODY: (u32, Duration) = (60, Duration::from_secs(120));

/// Codes that are typed, from one network: twenty at once, and then one in half a minute. There are 25,600,000,000 of them.
const CODES: (u32, Duration) = (20, Duration::from_secs(600));
/// Programs that begin to wait, from one network, and from all: each is a row of the state for ten minutes.
const BEGUN: (u32, Duration) = (20, Duration::from_secs(600));
const ALL_BEGUN: (u32, Duration) = (300, Duration::from_secs(60));
/// How often a program that waits asks: one may come early.
const POLLS: (u32, Duration) = (3, Duration::from_secs(6));

/// Who may try. Every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Guesses(Arc<Meters>);

#[derive(Debug)]
struct Meters {
    near: Meter<(LoginName, IpAddr)>,
    far: Meter<LoginName>,
    anybody: Meter<IpAddr>,
    codes: Meter<IpAddr>,
    begun: Meter<IpAddr>,
    all_begun: Meter<()>,
    polls: Meter<DeviceLoginId>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self(Arc::new(Meters {
            near: meter("login_and_address", NEAR),
            far: meter("login", FAR),
            anybody: meter("address", ANYBODY),
            codes: meter("codes", CODES),
            begun: meter("device_logins", BEGUN),
            all_begun: meter("all_device_logins", ALL_BEGUN),
            polls: meter("polls", POLLS),
        }))
    }
}

fn meter<K: super::meter::Counted>(name: &'static str, (quota, window): (u32, Duration)) -> Meter<K> {
    Meter::new(name, quota, window).expect("the quota is not zero")
}

impl Guesses {
    /// Counts a try to sign in from this address.
    ///
    /// # Errors
    /// If there were too many: then nothing is to be compared any more, and whoever tries is told to wait.
    pub(crate) fn count(&self, login: &LoginName, from: IpAddr, is_known: bool) -> Result<(), Exceeded> {
        let (meters, network) = (&self.0, origin(from));
        meters.anybody.take(&network)?;
        meters.near.take(&(login.clone(), network))?;
        if is_known { Ok(()) } else { meters.far.take(login).map(drop) }
    }

    /// Counts a code that somebody at this address has typed.
    ///
    /// # Errors
    /// If there were too many.
    pub(crate) fn count_code(&self, from: IpAddr) -> Result<(), Exceeded> {
        self.0.codes.take(&origin(from)).map(drop)
    }

    /// Counts a program at this address that begins to wait.
    ///
    /// # Errors
    /// If there were too many, of this network or altogether.
    pub(crate) fn count_begun(&self, from: IpAddr) -> Result<(), Exceeded> {
        self.0.begun.take(&origin(from))?;
        self.0.all_begun.take(&()).map(drop)
    }

    /// Whether a program that waits may ask now.
    pub(crate) fn may_poll(&self, login: DeviceLoginId) -> bool {
        self.0.polls.take(&login).is_ok()
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
        let refused = guesses.count(&ann, address("203.0.113.9"), false).expect_err("a stranger");
        assert!(refused.retry_after_seconds <= 60, "{refused:?}");
    }

    #[test]
    fn who_types_codes_at_random_is_slowed_whatever_its_addresses() {
        let guesses = Guesses::default();
        let hosts = (0..100).map(|host| address(&format!("2001:db8::{host:x}")));
        assert_eq!(hosts.filter(|from| guesses.count_code(*from).is_ok()).count(), CODES.0 as usize);
        assert!(guesses.count_code(address("192.0.2.7")).is_ok());
    }

    #[test]
    fn one_network_tries_few_times_whatever_its_addresses() {
        let (guesses, ann): (_, LoginName) = (Guesses::default(), "ann@example.com".parse().expect("a name"));
        let hosts = (0..100).map(|host| address(&format!("2001:db8::{host:x}")));
        let tries = hosts.filter(|from| guesses.count(&ann, *from, true).is_ok());
        assert!(tries.count() <= NEAR.0 as usize + 1);
    }
}
