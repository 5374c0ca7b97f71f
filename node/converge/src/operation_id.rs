//! Ids of deliveries to the executor.

use npanel_ledger::ObjectKey;
use npanel_model::{Generation, NodeRole};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Of this run of the daemon, so that a restarted daemon's first attempt is not taken for the earlier one's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incarnation(Uuid);

impl Incarnation {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of one attempt of one operation. A repeated delivery of the same attempt has the same id, and is
    /// answered with the first delivery's outcome.
    pub(crate) fn operation(
        self,
        subject: &str,
        generation: Generation,
        operation: &str,
        attempt: u64,
    ) -> Uuid {
        let digest = Sha256::new()
            .chain_update(self.0.as_bytes())
            .chain_update(subject)
            .chain_update(generation.0.to_be_bytes())
            .chain_update(attempt.to_be_bytes())
            .chain_update(operation)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    /// The node's shared configuration of one role: each fails alone.
    Base(NodeRole),
    /// One object.
    Object(ObjectKey),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base(role) => write!(f, "base-{role}"),
            Self::Object(key) => key.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_makes_another_id_and_nothing_else_does() {
        let (one, other) = (Incarnation(Uuid::from_u128(1)), Incarnation(Uuid::from_u128(2)));
        let id = |incarnation: Incarnation, subject, generation, operation, attempt| {
            incarnation.operation(subject, Generation(generation), operation, attempt)
        };
        let first = id(one, "a", 1, "x", 1);
        assert_eq!(first, id(one, "a", 1, "x", 1));
        for different in [
            id(other, "a", 1, "x", 1),
            id(one, "b", 1, "x", 1),
            id(one, "a", 2, "x", 1),
            id(one, "a", 1, "y", 1),
            id(one, "a", 1, "x", 2),
        ] {
            assert_ne!(first, different);
        }
    }
}
