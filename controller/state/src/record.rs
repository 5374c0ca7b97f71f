//! Log records as the state machine takes them.

use std::sync::Arc;

use npanel_proto::command::Envelope;

/// A place in the Raft log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The term in which the record was proposed.
    pub term: u64,
    /// The controller that led that term.
    pub leader: u64,
    /// The record's index.
    pub index: u64,
}

/// One committed record.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Where it is in the log.
    pub position: LogPosition,
    /// What it holds.
    pub payload: RecordPayload,
}

/// What a record holds.
#[derive(Debug, Clone)]
pub enum RecordPayload {
    /// Nothing: a new leader's first record.
    Blank,
    /// A command.
    Command(Arc<Envelope>),
    /// A command of which this version does not know all.
    Newer,
    /// The cluster's membership from here on, in the consensus library's encoding.
    Membership(Vec<u8>),
}
