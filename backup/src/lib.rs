//! A backup of the fleet's state, as whoever writes, checks or reads it sees it.
//!
//! It is an ordinary tar archive of five files, in this order:
//!
//! | file | what it is |
//! |---|---|
//! | `manifest.json` | what the state is of ([`Manifest`]) |
//! | `secrets.sealed` | the authority's key and the cluster key, sealed to the recovery key and bound to the manifest |
//! | `authority.pem` | the certificate of the cluster's authority that issued at that time |
//! | `signature` | that authority's, over the hashes of the two before (ECDSA P-256, SHA-256) |
//! | `state.db` | the state, as a snapshot of it: an SQLite database |
//!
//! The manifest names the length and the hash of `state.db`, and the sealed secrets open only beside the manifest that they
//! were sealed for. So whoever does not hold the recovery key gets no secret, and part of a backup cannot be exchanged unnoticed.
//!
//! That a backup is the fleet's at all is what the signature says, to whoever knows the authority's pin from elsewhere: anybody
//! can make an authority, and seal to the public half of the recovery key, which stands in every manifest.
//!
//! Nothing runs here by itself. A backup is written as a stream: [`head`], the state's bytes, [`tail`].

mod manifest;
mod reading;
mod writing;

pub use manifest::{FORMAT, Manifest, ManifestError};
pub use reading::{Backup, Unusable};
pub use writing::{Vouched, head, tail};

/// The archive's files.
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SECRETS: &str = "secrets.sealed";
pub(crate) const AUTHORITY: &str = "authority.pem";
pub(crate) const SIGNATURE: &str = "signature";
pub(crate) const STATE: &str = "state.db";

/// What a file of a tar archive is filled up to.
pub(crate) const BLOCK: u64 = 512;
