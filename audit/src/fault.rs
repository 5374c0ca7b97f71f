//! What can be wrong with a copy of a controller's database.

use std::fmt;

use crate::{CheckpointError, VerifierKey};

/// What is wrong with a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// What stands there is not what was entered.
    Edited {
        /// Which entry.
        position: u64,
        /// Its place in the controllers' log.
        log_index: u64,
    },
    /// It is not there any more, and others after it are.
    Deleted {
        /// Which entry.
        position: u64,
    },
    /// Another stands in its place.
    Reordered {
        /// Which entry.
        position: u64,
        /// The place in the controllers' log that stands there.
        log_index: u64,
    },
    /// It was never entered.
    Inserted {
        /// Its place in the controllers' log.
        log_index: u64,
    },
    /// One of these was changed together with its own hash, but not with the tree above it.
    Rehashed {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// One of these was changed together with the tree: a checkpoint says so.
    Rewritten {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// Whose checkpoint.
        source: String,
    },
    /// It and all after it are gone: a checkpoint says that they were there.
    Truncated {
        /// The first that is not there.
        position: u64,
        /// How many entries there were.
        size: u64,
        /// Whose checkpoint.
        source: String,
    },
    /// A checkpoint that is not the log's.
    Forged {
        /// Whose.
        source: String,
        /// Why it is not.
        error: CheckpointError,
    },
    /// The copy names another key than the one that was kept.
    OtherKey {
        /// What the copy names.
        got: Option<VerifierKey>,
        /// What was kept.
        expected: VerifierKey,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { position, log_index } => {
                write!(
                    f,
                    "entry {position} (log index {log_index}) was edited: it is not what its hash was made of"
                )
            }
            Self::Deleted { position } => {
                write!(f, "entry {position} was deleted: it is not there, and later ones are")
            }
            Self::Reordered { position, log_index } => write!(
                f,
                "entry {position} is not in its place: another one stands there (log index {log_index})"
            ),
            Self::Inserted { log_index } => {
                write!(f, "the entry with log index {log_index} was inserted: it is not in the tree")
            }
            Self::Rehashed { first, last } => write!(
                f,
                "entry {first} or one after it up to {last} was changed together with its hash: the tree above does not fit"
            ),
            Self::Rewritten { first, last, source } => write!(
                f,
                "entry {first} or one after it up to {last} was changed together with the tree: {source} has another root \
                 for the first {}",
                last + 1
            ),
            Self::Truncated { position, size, source } => write!(
                f,
                "entry {position} and all after it are missing: {source} was made of {size} entries"
            ),
            Self::Forged { source, error } => write!(f, "{source} is not to be believed: {error}"),
            Self::OtherKey { got, expected } => {
                let got = got.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
                write!(f, "the log's key was replaced (got {got}, kept {expected})")
            }
        }
    }
}
