//! What a node can be promised to hold, and what it has been promised to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Limit, Megabytes};

/// How far promises may go beyond what is there, in percent of it: 100 promises exactly what there is, 150 half as
/// much again, 90 keeps a tenth back. 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Overcommit(u64);

/// A percentage that is no overcommit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an overcommit is 1 to 10000 percent (got {0})")]
pub struct OvercommitError(u64);

impl Overcommit {
    /// What is there is what is promised.
    pub const NONE: Overcommit = Overcommit(100);

    /// The percentage.
    pub fn percent(self) -> u64 {
        self.0
    }

    fn of(self, total: Megabytes) -> u64 {
        total.0.saturating_mul(self.0) / 100
    }
}

impl Default for Overcommit {
    fn default() -> Self {
        Self::NONE
    }
}

impl TryFrom<u64> for Overcommit {
    type Error = OvercommitError;
    fn try_from(percent: u64) -> Result<Self, OvercommitError> {
        if (1..=10_000).contains(&percent) { Ok(Self(percent)) } else { Err(OvercommitError(percent)) }
    }
}

impl From<Overcommit> for u64 {
    fn from(overcommit: Overcommit) -> u64 {
        overcommit.0
    }
}

/// What is promised to an account on a node, or to all of a node's accounts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Amounts {
    /// Accounts.
    pub accounts: u64,
    /// Disk space.
    pub disk: Megabytes,
    /// Memory.
    pub memory: Megabytes,
}

impl Amounts {
    /// One account with so much.
    pub fn account(disk: Megabytes, memory: Megabytes) -> Self {
        Self { accounts: 1, disk, memory }
    }
}

impl std::ops::AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        self.accounts = self.accounts.saturating_add(other.accounts);
        self.disk.0 = self.disk.0.saturating_add(other.disk.0);
        self.memory.0 = self.memory.0.saturating_add(other.memory.0);
    }
}

impl std::ops::SubAssign for Amounts {
    fn sub_assign(&mut self, other: Self) {
        self.accounts = self.accounts.saturating_sub(other.accounts);
        self.disk.0 = self.disk.0.saturating_sub(other.disk.0);
        self.memory.0 = self.memory.0.saturating_sub(other.memory.0);
    }
}

/// Whether promises may go beyond what is there, for the tenant whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overselling {
    /// Up to the node's overcommit.
    Allowed,
    /// Only what is there, whatever the node's overcommit.
    Forbidden,
}

/// What a node can be promised to hold. A total of 0 is one that the node has not told yet: nothing is known to
/// be exceeded, so nothing is refused for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeLimits {
    /// Accounts.
    pub accounts: Limit,
    /// Disk space that is there.
    pub disk: Megabytes,
    /// How far it may be promised.
    pub disk_overcommit: Overcommit,
    /// Memory that is there.
    pub memory: Megabytes,
    /// How far it may be promised.
    pub memory_overcommit: Overcommit,
}

/// What does not fit any more. Reads as what follows "the node".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// It has as many accounts as it may.
    Accounts {
        /// What it has.
        has: u64,
        /// What it may have.
        limit: Limit,
    },
    /// Its disk space is promised.
    Disk {
        /// What is asked for.
        needs: Megabytes,
        /// What is promised already.
        reserved: Megabytes,
        /// What can be promised.
        limit: Megabytes,
    },
    /// Its memory is promised.
    Memory {
        /// What is asked for.
        needs: Megabytes,
        /// What is promised already.
        reserved: Megabytes,
        /// What can be promised.
        limit: Megabytes,
    },
}

impl NodeLimits {
    /// How much disk space can be promised.
    pub fn disk_limit(&self, overselling: Overselling) -> Limit {
        limit(self.disk, self.disk_overcommit, overselling)
    }

    /// How much memory can be promised.
    pub fn memory_limit(&self, overselling: Overselling) -> Limit {
        limit(self.memory, self.memory_overcommit, overselling)
    }

    /// The first thing that there is too little of for `more` on top of what is reserved.
    pub fn shortage(&self, reserved: &Amounts, more: &Amounts, overselling: Overselling) -> Option<Shortage> {
        if more.accounts > 0 && !self.accounts.allows(reserved.accounts, more.accounts) {
            return Some(Shortage::Accounts { has: reserved.accounts, limit: self.accounts });
        }
        let over = |limit: Limit, reserved: Megabytes, needs: Megabytes| match limit {
            Limit::AtMost(most) if needs.0 > 0 && !limit.allows(reserved.0, needs.0) => Some(Megabytes(most)),
            _ => None,
        };
        if let Some(limit) = over(self.disk_limit(overselling), reserved.disk, more.disk) {
            return Some(Shortage::Disk { needs: more.disk, reserved: reserved.disk, limit });
        }
        over(self.memory_limit(overselling), reserved.memory, more.memory).map(|limit| Shortage::Memory {
            needs: more.memory,
            reserved: reserved.memory,
            limit,
        })
    }

    /// How full it is, in percent of what can be promised at all: of whatever it has least of left.
    pub fn fill_percent(&self, reserved: &Amounts) -> u64 {
        let share = |used: u64, limit: Limit| match limit {
            Limit::AtMost(0) => 100,
            Limit::AtMost(most) => used.saturating_mul(100) / most,
            Limit::Unlimited => 0,
        };
        let of_accounts = share(reserved.accounts, self.accounts);
        let of_disk = share(reserved.disk.0, self.disk_limit(Overselling::Allowed));
        let of_memory = share(reserved.memory.0, self.memory_limit(Overselling::Allowed));
        of_accounts.max(of_disk).max(of_memory)
    }
}

/// An operator who keeps something back (an overcommit beneath 100) keeps it back from everyone.
fn limit(total: Megabytes, overcommit: Overcommit, overselling: Overselling) -> Limit {
    match (total, overselling) {
        (Megabytes(0), _) => Limit::Unlimited,
        (total, Overselling::Allowed) => Limit::AtMost(overcommit.of(total)),
        (total, Overselling::Forbidden) => Limit::AtMost(overcommit.of(total).min(total.0)),
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts { has, limit } => write!(f, "is full (has {has} of {limit} accounts)"),
            Self::Disk { needs, reserved, limit } => {
                write!(
                    f,
                    "has too little disk space left to promise (needs {needs}, {reserved} of {limit} reserved)"
                )
            }
            Self::Memory { needs, reserved, limit } => {
                write!(
                    f,
                    "has too little memory left to promise (needs {needs}, {reserved} of {limit} reserved)"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(accounts: Option<u64>, disk: u64, overcommit: u64) -> NodeLimits {
        NodeLimits {
            accounts: accounts.into(),
            disk: Megabytes(disk),
            disk_overcommit: overcommit.try_into().expect("a percentage"),
            memory: Megabytes(100),
            memory_overcommit: Overcommit::NONE,
        }
    }

    fn reserved(accounts: u64, disk: u64) -> Amounts {
        Amounts { accounts, disk: Megabytes(disk), memory: Megabytes(0) }
    }

    #[test]
    fn who_may_not_oversell_gets_what_is_there_and_no_more() {
        let node = limits(None, 1000, 200);
        let more = Amounts::account(Megabytes(100), Megabytes(0));
        assert_eq!(node.shortage(&reserved(0, 900), &more, Overselling::Forbidden), None);
        let refused = node.shortage(&reserved(0, 901), &more, Overselling::Forbidden).expect("too much");
        assert_eq!(
            refused.to_string(),
            "has too little disk space left to promise (needs 100 MB, 901 MB of 1000 MB reserved)"
        );
        assert_eq!(node.shortage(&reserved(0, 1900), &more, Overselling::Allowed), None);
        assert!(node.shortage(&reserved(0, 1901), &more, Overselling::Allowed).is_some());
    }

    #[test]
    fn what_an_operator_keeps_back_is_kept_from_everyone() {
        let node = limits(None, 1000, 90);
        let more = Amounts::account(Megabytes(1), Megabytes(0));
        for overselling in [Overselling::Allowed, Overselling::Forbidden] {
            assert!(node.shortage(&reserved(0, 900), &more, overselling).is_some());
        }
    }

    #[test]
    fn slots_and_memory_end_too() {
        let node = limits(Some(2), 0, 100);
        let more = Amounts::account(Megabytes(u64::MAX), Megabytes(101));
        let full = node.shortage(&reserved(2, 0), &more, Overselling::Allowed).expect("full");
        assert_eq!(full.to_string(), "is full (has 2 of 2 accounts)");
        assert!(matches!(
            node.shortage(&reserved(1, 0), &more, Overselling::Allowed),
            Some(Shortage::Memory { .. })
        ));
        let nothing_more = Amounts::default();
        assert_eq!(node.shortage(&reserved(9, 0), &nothing_more, Overselling::Forbidden), None);
    }

    #[test]
    fn a_node_is_as_full_as_what_it_has_least_of() {
        assert_eq!(limits(Some(4), 1000, 100).fill_percent(&reserved(3, 100)), 75);
        assert_eq!(limits(None, 0, 100).fill_percent(&reserved(3, 100)), 0);
    }
}
