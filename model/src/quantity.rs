//! Amounts, limits and versions of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most that an amount or limit from outside may be: far more than a fleet has of anything, and well within
/// what a database column and every language's integers hold.
const MOST: u64 = 1 << 40;

/// A number beyond what an amount or limit may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at most {MOST} (got {0})")]
pub struct QuantityError(u64);

fn bounded(value: u64) -> Result<u64, QuantityError> {
    if value <= MOST { Ok(value) } else { Err(QuantityError(value)) }
}

/// An amount of 2^20 bytes. Deserialising refuses more than 2^40 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Megabytes(pub u64);

impl TryFrom<u64> for Megabytes {
    type Error = QuantityError;
    fn try_from(value: u64) -> Result<Self, QuantityError> {
        bounded(value).map(Self)
    }
}

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.0)
    }
}

/// The most of something: a number, or unlimited (`null` in JSON). Ordered, with unlimited last. Deserialising
/// refuses more than 2^40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "WireLimit", into = "Option<u64>")]
pub enum Limit {
    /// At most this many.
    AtMost(u64),
    /// No limit.
    Unlimited,
}

impl Limit {
    /// Whether `used` things and `more` on top of them stay within the limit.
    pub fn allows(self, used: u64, more: u64) -> bool {
        match self {
            Limit::AtMost(most) => used.saturating_add(more) <= most,
            Limit::Unlimited => true,
        }
    }
}

/// A limit as it comes from outside.
#[derive(Deserialize)]
#[serde(transparent)]
struct WireLimit(Option<u64>);

impl TryFrom<WireLimit> for Limit {
    type Error = QuantityError;
    fn try_from(wire: WireLimit) -> Result<Self, QuantityError> {
        wire.0.map_or(Ok(Limit::Unlimited), |most| bounded(most).map(Limit::AtMost))
    }
}

impl From<Option<u64>> for Limit {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Limit::Unlimited, Limit::AtMost)
    }
}

impl From<Limit> for Option<u64> {
    fn from(value: Limit) -> Self {
        match value {
            Limit::AtMost(most) => Some(most),
            Limit::Unlimited => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::AtMost(most) => most.fmt(f),
            Limit::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// The version of an object's intent: 1 when it is made, one more with each change. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a new object.
    pub const FIRST: Generation = Generation(1);

    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place in the log of an object's last change: what a caller says to change only what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_database_holds_is_refused() {
        for value in [MOST + 1, 1 << 63, u64::MAX] {
            let text = value.to_string();
            assert!(serde_json::from_str::<Megabytes>(&text).is_err());
            assert!(serde_json::from_str::<Limit>(&text).is_err());
        }
        assert_eq!(serde_json::from_str::<Limit>("null").expect("a limit"), Limit::Unlimited);
        let most = MOST.to_string();
        assert_eq!(serde_json::from_str::<Limit>(&most).expect("a limit"), Limit::AtMost(MOST));
    }

    #[test]
    fn a_limit_counts_what_is_there() {
        assert!(Limit::AtMost(2).allows(1, 1));
        assert!(!Limit::AtMost(2).allows(2, 1));
        assert!(!Limit::AtMost(2).allows(u64::MAX, 1));
        assert!(Limit::Unlimited.allows(u64::MAX, u64::MAX));
        assert!(Limit::AtMost(u64::MAX) < Limit::Unlimited);
    }
}
