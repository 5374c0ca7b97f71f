//! What is on disk besides the commands, as some version has written it, in `golden/`. A later version must read the same from it.
//! The files are never changed. (The commands' own are in `proto/golden`.)
//!
//! Whoever has something new written adds a sample of it, and its file by
//! `NPANEL_GOLDEN=add cargo test -p npanel-consensus --lib golden`.

use std::{collections::BTreeMap, fmt::Debug, fs, path::Path, sync::Arc};

use npanel_proto::command::{Blank, DeleteNode, Envelope, LogEntry, envelope::Command, log_entry};
use openraft::{BasicNode, CommittedLeaderId, EntryPayload, Membership};
use prost::Message;

use crate::{
    encoding::{decode_entry, encode_entry, from_bytes, to_bytes},
    log::sample,
    types::{Entry, LogId, SnapshotMeta, StoredMembership, Vote},
};

fn log_id() -> LogId {
    LogId::new(CommittedLeaderId::new(7, 3), 1_000_000)
}

/// While the members change: old voters, new voters, and a learner.
fn membership() -> Membership<u64, BasicNode> {
    let nodes: BTreeMap<u64, BasicNode> =
        (1..=4).map(|id| (id, BasicNode::new(format!("c{id}.example:8444")))).collect();
    Membership::new(vec![[1, 2].into(), [1, 2, 3].into()], nodes)
}

fn stored_membership() -> StoredMembership {
    StoredMembership::new(Some(log_id()), membership())
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low);
    digits.chunks(2).map(|pair| byte(pair).expect("pairs of digits")).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(50).map(line).collect()
}

/// The bytes of a sample, which must be what this version writes.
fn golden(name: &str, written_now: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.hex"));
    if std::env::var("NPANEL_GOLDEN").is_ok_and(|what| what == "add") && !path.exists() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, to_hex(written_now)).expect("written");
    }
    let bytes = from_hex(&fs::read_to_string(&path).expect("a sample (see the top of this file)"));
    assert_eq!(to_hex(&bytes), to_hex(written_now), "{name} is written otherwise");
    bytes
}

fn entry(payload: EntryPayload<crate::types::Types>) -> Entry {
    Entry { log_id: log_id(), payload }
}

fn is_read_back<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug>(
    name: &str,
    value: &T,
) {
    let read: T = from_bytes(&golden(name, &to_bytes(value))).expect("it is read");
    assert_eq!(&read, value, "{name} means something else");
}

#[test]
fn the_consensus_librarys_types_are_read_as_any_version_wrote_them() {
    is_read_back("vote", &Vote { leader_id: openraft::LeaderId::new(7, 3), committed: true });
    is_read_back("log_id", &log_id());
    is_read_back("membership", &membership());
    is_read_back("stored_membership", &stored_membership());
    let (last_membership, snapshot_id) = (stored_membership(), "7-1000000".to_owned());
    is_read_back(
        "snapshot_meta",
        &SnapshotMeta { last_log_id: Some(log_id()), last_membership, snapshot_id },
    );
}

#[test]
fn entries_are_read_as_any_version_wrote_them() {
    let command = Command::DeleteNode(DeleteNode { node_id: vec![9; 16], ..DeleteNode::default() });
    let envelope = Envelope { request_id: vec![8; 16], command: Some(command), ..Envelope::default() };
    let blank = log_entry::Payload::Blank(Blank {});
    let payloads = [
        ("entry_blank", EntryPayload::Blank, blank),
        (
            "entry_command",
            EntryPayload::Normal(Arc::new(envelope.clone()).into()),
            log_entry::Payload::Command(envelope.encode_to_vec()),
        ),
        (
            "entry_membership",
            EntryPayload::Membership(membership()),
            log_entry::Payload::Membership(to_bytes(&membership())),
        ),
    ];
    for (name, payload, meant) in payloads {
        let bytes = golden(name, &encode_entry(&entry(payload)));
        let read = LogEntry::decode(bytes.as_slice()).expect("an entry");
        assert_eq!(
            (read.term, read.leader_id, read.index, read.payload),
            (7, 3, 1_000_000, Some(meant)),
            "{name}"
        );
        assert_eq!(
            encode_entry(&decode_entry(&bytes).expect("an entry")),
            bytes,
            "{name} is passed on as it came"
        );
    }
}

#[test]
fn the_logs_files_are_read_as_any_version_wrote_them() {
    let kept = sample::kept(Vote::new(7, 3), log_id());
    assert_eq!(sample::read_kept(&golden("log_kept", &kept)), Some((Vote::new(7, 3), log_id(), 12)));
    let entries: [&[u8]; 3] = [b"one", b"", b"three"];
    let segment = golden("log_segment", &sample::segment(&entries));
    assert_eq!(sample::read_segment(&segment), entries.map(<[u8]>::to_vec));
}
