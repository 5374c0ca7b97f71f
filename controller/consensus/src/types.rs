//! The consensus library's type parameters.

use std::sync::Arc;

use npanel_proto::command::{Envelope, Outcome};
use npanel_state::Pending;
use prost::{DecodeError, Message};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A command in the log. Serialises as its protobuf bytes. Cheap to clone: the library does so for each follower, and to apply it.
#[derive(Debug, Clone)]
pub(crate) enum Logged {
    /// A command all of which this version knows, and its bytes, which are made once.
    Known { envelope: Arc<Envelope>, bytes: Arc<[u8]> },
    /// One of a newer version, as it came. Whatever this version left out of it would be lost for all later ones, too.
    Newer(Arc<[u8]>),
}

impl From<Arc<Envelope>> for Logged {
    fn from(envelope: Arc<Envelope>) -> Self {
        Self::Known { bytes: envelope.encode_to_vec().into(), envelope }
    }
}

impl Logged {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope = Envelope::decode(bytes)?;
        // What is not known is left out when it is decoded: a command, or any field of one.
        let is_known = envelope.command.is_some() && envelope.encoded_len() == bytes.len();
        let bytes = Arc::from(bytes);
        Ok(if is_known { Self::Known { envelope: Arc::new(envelope), bytes } } else { Self::Newer(bytes) })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Known { bytes, .. } | Self::Newer(bytes) => bytes,
        }
    }
}

impl Serialize for Logged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.bytes())
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

/// What applying an entry comes to. The library has it as soon as the entry's turn is certain, and whoever asked for it waits for
/// the rest. Never leaves the process in this form.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    #[serde(skip)]
    pending: Option<Pending>,
}

impl From<Pending> for Applied {
    fn from(pending: Pending) -> Self {
        Self { pending: Some(pending) }
    }
}

impl Applied {
    /// Returns once it is applied. `None`: this replica has stopped before.
    pub(crate) async fn outcome(self) -> Option<Outcome> {
        self.pending?.await.ok()
    }
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
