//! The consensus library's type parameters.

use npanel_proto::command::{Envelope, Outcome};
use prost::{DecodeError, Message};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A command in the log. Serialises as its protobuf bytes.
#[derive(Debug, Clone)]
pub(crate) enum Logged {
    /// A command all of which this version knows.
    Known(Box<Envelope>),
    /// One of a newer version, as it came. Whatever this version left out of it would be lost for all later ones, too.
    Newer(Vec<u8>),
}

impl Logged {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope = Envelope::decode(bytes)?;
        // What is not known is left out when it is decoded: a command, or any field of one.
        let is_known = envelope.command.is_some() && envelope.encoded_len() == bytes.len();
        Ok(if is_known { Self::Known(Box::new(envelope)) } else { Self::Newer(bytes.to_vec()) })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(envelope) => envelope.encode_to_vec(),
            Self::Newer(bytes) => bytes.clone(),
        }
    }
}

impl Serialize for Logged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Logged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Logged;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a command's protobuf bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Logged, E> {
                Logged::decode(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// What applying an entry came to. Never leaves the process in this form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    #[serde(skip)]
    pub(crate) outcome: Outcome,
}

openraft::declare_raft_types!(
    pub(crate) Types:
        D = Logged,
        R = Applied,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = tokio::fs::File,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type StorageIoError = openraft::StorageIOError<u64>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, openraft::BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, openraft::BasicNode>;
