//! Unix user ids of accounts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account's Unix user id (and the id of its own group), the same on every node for ever.
///
/// From 1,900,000,000 upward: above what distributions, systemd's dynamic users and foreign ids, and container
/// ranges (up to 1,879,048,191 in systemd's table) use, and below 2^31, where some file formats stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Uid(u32);

/// A number outside the fleet's range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an account's uid is between 1900000000 and 2147483647 (got {0})")]
pub struct UidError(u32);

impl Uid {
    /// The first uid that the fleet gives out.
    pub const FIRST: Uid = Uid(1_900_000_000);
    /// The last uid that the fleet may give out.
    pub const LAST: Uid = Uid(2_147_483_647);

    /// A uid of the fleet's range.
    ///
    /// # Errors
    /// If it is outside.
    pub fn new(value: u32) -> Result<Self, UidError> {
        if (Self::FIRST.0..=Self::LAST.0).contains(&value) { Ok(Self(value)) } else { Err(UidError(value)) }
    }

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Uid {
    type Error = UidError;
    fn try_from(value: u32) -> Result<Self, UidError> {
        Self::new(value)
    }
}

impl From<Uid> for u32 {
    fn from(value: Uid) -> u32 {
        value.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_uids_are_outside_the_range() {
        for uid in [0, 33, 1000, 65534, 524_288, 1_879_048_191, u32::MAX] {
            assert!(Uid::new(uid).is_err(), "{uid}");
        }
        assert!(Uid::new(1_900_000_000).is_ok());
    }
}
