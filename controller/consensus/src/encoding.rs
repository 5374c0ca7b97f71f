//! Bytes on disk and on the wire: log entries in protobuf, the library's own types in MessagePack with field
//! names, so that a later version of it can still read them.

use npanel_proto::command::{Blank, LogEntry, log_entry};
use npanel_state::{LogPosition, LogRecord, RecordPayload};
use openraft::{CommittedLeaderId, EntryPayload, Membership};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

use crate::types::{Entry, LogId, Logged, StoredMembership};

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("not a log entry")]
    Entry(#[from] prost::DecodeError),
    #[error("a log entry without a payload")]
    NoPayload,
    #[error("not the consensus library's encoding")]
    Library(#[from] rmp_serde::decode::Error),
}

pub(crate) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("the consensus library's types always serialise")
}

pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let payload = match &entry.payload {
        EntryPayload::Blank => log_entry::Payload::Blank(Blank {}),
        EntryPayload::Normal(command) => log_entry::Payload::Command(command.0.clone()),
        EntryPayload::Membership(membership) => log_entry::Payload::Membership(to_bytes(membership)),
    };
    LogEntry {
        term: entry.log_id.leader_id.term,
        leader_id: entry.log_id.leader_id.node_id,
        index: entry.log_id.index,
        payload: Some(payload),
    }
    .encode_to_vec()
}

pub(crate) fn decode_entry(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let entry = LogEntry::decode(bytes)?;
    let payload = match entry.payload.ok_or(DecodeError::NoPayload)? {
        log_entry::Payload::Blank(_) => EntryPayload::Blank,
        log_entry::Payload::Command(command) => EntryPayload::Normal(Logged(command)),
        log_entry::Payload::Membership(bytes) => {
            EntryPayload::Membership(from_bytes::<Membership<u64, openraft::BasicNode>>(&bytes)?)
        }
    };
    let log_id = LogId::new(CommittedLeaderId::new(entry.term, entry.leader_id), entry.index);
    Ok(Entry { log_id, payload })
}

pub(crate) fn position(log_id: LogId) -> LogPosition {
    LogPosition { term: log_id.leader_id.term, leader: log_id.leader_id.node_id, index: log_id.index }
}

pub(crate) fn log_id(position: LogPosition) -> LogId {
    LogId::new(CommittedLeaderId::new(position.term, position.leader), position.index)
}

/// A committed entry as the state machine takes it.
pub(crate) fn record(entry: Entry) -> LogRecord {
    let payload = match entry.payload {
        EntryPayload::Blank => RecordPayload::Blank,
        EntryPayload::Normal(command) => RecordPayload::Command(Box::new(command.0)),
        EntryPayload::Membership(membership) => {
            RecordPayload::Membership(to_bytes(&StoredMembership::new(Some(entry.log_id), membership)))
        }
    };
    LogRecord { position: position(entry.log_id), payload }
}
