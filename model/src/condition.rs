//! What can be wrong with a node.

use crate::{Timestamp, role::named_enum};

named_enum! {
    /// A way in which a node is not well.
    NodeConditionKind, "node condition" {
        /// A file system has little room or few inodes left.
        DiskPressure = "DiskPressure",
        /// Little memory is left.
        MemoryPressure = "MemoryPressure",
        /// A managed service does not run.
        ServiceFailed = "ServiceFailed",
        /// The executor does not answer, so nothing can be changed.
        ExecutorUnreachable = "ExecutorUnreachable",
        /// Operations take far longer than they use to, or hang.
        Slow = "Slow",
        /// New intents cannot be written down, so they are not accepted.
        LedgerUnwritable = "LedgerUnwritable",
        /// An operator trusts it no longer. Said by the controllers, not by the node.
        Revoked = "Revoked",
        /// The node's clock is not the controllers'.
        ClockSkewed = "ClockSkewed",
        /// Many deletions at once wait for a person.
        DeletionsHeld = "DeletionsHeld",
        /// The shared configuration of a role cannot be put into place.
        ConfigurationFailed = "ConfigurationFailed",
        /// Something lies on the machine that belongs to no object of the node: of another node that it was.
        Leftovers = "Leftovers",
        /// It holds objects that the fleet's state does not know, as after the state was restored. They are left alone. Said by the
        /// controllers, not by the node.
        UnknownObjects = "UnknownObjects",
    }
}

/// Something that is wrong with a node. What is not wrong has no condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCondition {
    /// What is wrong.
    pub kind: NodeConditionKind,
    /// Which of several: a file system (`homes`), a unit, a role. Empty if there is one only.
    pub subject: String,
    /// A stable word in CamelCase.
    pub reason: String,
    /// For people; never holds a secret.
    pub message: String,
    /// Since when, by the node's clock.
    pub since: Timestamp,
}

impl NodeCondition {
    /// Whether both say the same, but for numbers that move all the time.
    pub fn is_the_same_as(&self, other: &Self) -> bool {
        (self.kind, &self.subject, &self.reason) == (other.kind, &other.subject, &other.reason)
    }
}
