//! The audit as whoever checks it sees it: what an entry is, the tree that the entries are the leaves of, signed
//! checkpoints of that tree, and the verification of a copy of a controller's database.
//!
//! Nothing runs inside. Only [`verify_copy`] touches files, and only to read them.
//!
//! The tree and its proofs are those of RFC 9162 (section 2.1); checkpoints are those of C2SP (`tlog-checkpoint`,
//! `signed-note`), so that other tools read them.

mod checkpoint;
mod copy;
mod entry;
mod fault;
mod hash;
mod key;
mod proof;
mod row;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use copy::{CopyError, Kept, Verified, verify_copy};
pub use entry::{Entry, ObjectTextError, object_from_text, object_text};
pub use fault::Fault;
pub use hash::{Hash, HashFormError};
pub use key::{KeyFormError, VerifierKey, origin};
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use row::StoredEntry;
pub use tree::{Frontier, Nodes, consistency_proof, inclusion_proof, place_of, root_of};
