//! Which leader may command.

use std::fmt;

use npanel_proto::node::Fence as WireFence;

/// Orders leaders: first by the epoch (raised when the cluster's state is restored), then by Raft's term, then by number: of two
/// that lead in one term, one after the other, the later one has the higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence {
    /// Raised by a restoration.
    pub epoch: u64,
    /// Raised by an election.
    pub term: u64,
    /// The leader's number; 0: it is of a version that does not tell.
    pub leader: u64,
}

/// A fence below the highest that was seen: its sender leads no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fence is out of date (got {got}, have {have})")]
pub struct StaleFence {
    /// What was offered.
    pub got: Fence,
    /// The highest seen.
    pub have: Fence,
}

impl Fence {
    /// Whether the fence may command where `have` is the highest seen.
    ///
    /// # Errors
    /// If it is lower.
    pub fn check(self, have: Fence) -> Result<(), StaleFence> {
        if self < have { Err(StaleFence { got: self, have }) } else { Ok(()) }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} term {} controller {}", self.epoch, self.term, self.leader)
    }
}

impl From<WireFence> for Fence {
    fn from(fence: WireFence) -> Self {
        Self { epoch: fence.epoch, term: fence.term, leader: fence.leader_id }
    }
}

impl From<Fence> for WireFence {
    fn from(fence: Fence) -> Self {
        Self { epoch: fence.epoch, term: fence.term, leader_id: fence.leader }
    }
}
