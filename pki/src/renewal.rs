//! When a certificate is to be renewed.

use std::time::Duration;

use npanel_model::Timestamp;
use sha2::{Digest, Sha256};

use crate::{Peer, lifetime};

/// Of a certificate's life, the part after which it is renewed, and how much earlier some machines begin, so that
/// machines certified together do not come together.
const DUE_AT: f64 = 2.0 / 3.0;
const JITTER: f64 = 1.0 / 15.0;

/// Why a certificate is to be renewed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Two thirds of its life are over, as planned.
    Aged,
    /// It has expired: the machine was off or alone for too long, or the clock jumped ahead.
    Expired,
    /// It is not valid yet: the clock was ahead when it was issued.
    NotYetValid,
    /// It would live longer than certificates do now: the setting was lowered.
    TooLong,
    /// Another authority issues now.
    OtherAuthority,
    /// Controllers end every connection that is opened with it, though it should be good: its authority may have been
    /// retired while the machine was away.
    TurnedAway,
}

impl Due {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aged => "two thirds of its life are over",
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet by this machine's clock",
            Self::TooLong => "it lives longer than is set",
            Self::OtherAuthority => "another authority issues now",
            Self::TurnedAway => "controllers turn it away",
        }
    }
}

impl Peer {
    /// When the certificate is to be renewed, if nothing comes in between: at two thirds of its life, up to a
    /// fifteenth of its life earlier by a share that is the certificate's own.
    pub fn renew_at(&self) -> Timestamp {
        let issued = self.not_before.plus(lifetime::BACKDATE);
        let life = self.not_after.since(issued);
        let share = f64::from(Sha256::digest(&self.serial)[0]) / 255.0;
        issued.plus(life.mul_f64(DUE_AT - JITTER * share))
    }

    /// Whether the certificate is to be renewed by its times alone.
    pub fn due(&self, now: Timestamp) -> Option<Due> {
        if now >= self.not_after {
            Some(Due::Expired)
        } else if now < self.not_before {
            Some(Due::NotYetValid)
        } else if now >= self.renew_at() {
            Some(Due::Aged)
        } else {
            None
        }
    }

    /// Whether the certificate outlives what would be issued now, for so long as `lifetime`.
    pub fn outlives(&self, lifetime: Duration, now: Timestamp) -> bool {
        self.not_after > now.plus(lifetime + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterId, Identity, KeyFingerprint, SpiffeId};
    use npanel_model::NodeId;

    const LIFE: Duration = Duration::from_secs(900);

    /// So long after it was issued.
    fn after(life: Duration) -> Timestamp {
        Timestamp::from_millis(1_000_000).plus(lifetime::BACKDATE).plus(life)
    }

    fn peer(serial: u8) -> Peer {
        Peer {
            id: SpiffeId { cluster: ClusterId::generate(), identity: Identity::Node(NodeId::generate()) },
            key: KeyFingerprint::of_spki(b"key"),
            serial: vec![serial],
            not_before: Timestamp::from_millis(1_000_000),
            not_after: Timestamp::from_millis(1_000_000).plus(lifetime::BACKDATE).plus(LIFE),
        }
    }

    #[test]
    fn a_certificate_is_due_at_two_thirds_of_its_life_or_a_little_before() {
        for serial in 0..=255 {
            let peer = peer(serial);
            let at = peer.renew_at();
            assert!(after(LIFE.mul_f64(0.6)) <= at && at <= after(LIFE.mul_f64(0.667)), "{at}");
            assert_eq!(peer.due(Timestamp::from_millis(at.as_millis() - 1)), None);
            assert_eq!(peer.due(at), Some(Due::Aged));
        }
    }

    #[test]
    fn not_all_are_due_at_once() {
        let mut times: Vec<_> = (0..=255).map(|serial| peer(serial).renew_at().as_millis()).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 100, "{}", times.len());
    }

    #[test]
    fn a_clock_that_jumped_makes_it_due_either_way() {
        assert_eq!(peer(1).due(after(LIFE)), Some(Due::Expired));
        assert_eq!(peer(1).due(Timestamp::from_millis(999_999)), Some(Due::NotYetValid));
    }
}
