//! Amounts, limits and versions of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of 2^20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Megabytes(pub u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.0)
    }
}

/// The most of something: a number, or unlimited (`null` in JSON). Ordered, with unlimited last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Option<u64>", into = "Option<u64>")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_what_is_there() {
        assert!(Limit::AtMost(2).allows(1, 1));
        assert!(!Limit::AtMost(2).allows(2, 1));
        assert!(!Limit::AtMost(2).allows(u64::MAX, 1));
        assert!(Limit::Unlimited.allows(u64::MAX, u64::MAX));
        assert!(Limit::AtMost(u64::MAX) < Limit::Unlimited);
    }
}
