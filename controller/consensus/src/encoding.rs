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
        EntryPayload::Normal(command) => log_entry::Payload::Command(command.bytes().to_vec()),
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
        log_entry::Payload::Command(command) => EntryPayload::Normal(Logged::decode(&command)?),
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
        EntryPayload::Normal(Logged::Known { envelope, .. }) => RecordPayload::Command(envelope),
        EntryPayload::Normal(Logged::Newer(_)) => RecordPayload::Newer,
        EntryPayload::Membership(membership) => {
            RecordPayload::Membership(to_bytes(&StoredMembership::new(Some(entry.log_id), membership)))
        }
    };
    LogRecord { position: position(entry.log_id), payload }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npanel_proto::command::{DeleteNode, Envelope, envelope::Command};

    /// A field that no version has yet: number 9999, a varint.
    const FIELD: [u8; 4] = [0xf8, 0xf0, 0x04, 0x01];

    fn envelope(command: Option<Command>) -> Vec<u8> {
        Envelope { request_id: vec![7; 16], feature_level: 3, command, ..Envelope::default() }.encode_to_vec()
    }

    fn delete() -> DeleteNode {
        DeleteNode { node_id: vec![1; 16], ..DeleteNode::default() }
    }

    fn through_the_log_and_the_wire(command: &[u8]) -> Entry {
        let stored = LogEntry {
            term: 2,
            leader_id: 1,
            index: 9,
            payload: Some(log_entry::Payload::Command(command.to_vec())),
        }
        .encode_to_vec();
        let read = decode_entry(&stored).expect("an entry");
        let received: Entry = from_bytes(&to_bytes(&read)).expect("an entry");
        assert_eq!(encode_entry(&received), stored, "it is passed on as it came");
        received
    }

    #[test]
    fn what_this_version_knows_is_applied() {
        let known = envelope(Some(Command::DeleteNode(delete())));
        let record = record(through_the_log_and_the_wire(&known));
        assert!(matches!(record.payload, RecordPayload::Command(_)));
    }

    #[test]
    fn a_command_or_a_field_of_a_newer_version_is_kept_whole_and_not_passed_over() {
        let mut with_field = envelope(Some(Command::DeleteNode(delete())));
        with_field.extend(FIELD);
        // The command's length stands before it, so its field is put in by a longer command.
        let mut command = delete().encode_to_vec();
        command.extend(FIELD);
        let mut within_command = envelope(None);
        prost::encoding::encode_key(42, prost::encoding::WireType::LengthDelimited, &mut within_command);
        within_command.push(u8::try_from(command.len()).expect("a short command"));
        within_command.extend(&command);
        let mut unknown_command = envelope(None);
        unknown_command.extend(FIELD);
        for newer in [with_field, within_command, unknown_command] {
            let record = record(through_the_log_and_the_wire(&newer));
            assert!(matches!(record.payload, RecordPayload::Newer), "{:?}", record.payload);
        }
    }
}
