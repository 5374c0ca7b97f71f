//! A backup of the fleet's state, as whoever writes, checks or reads it sees it.
//!
//! It is an ordinary tar archive of three files, in this order:
//!
//! | file | what it is |
//! |---|---|
//! | `manifest.json` | what the state is of ([`Manifest`]) |
//! | `secrets.sealed` | the authority's key and the cluster key, sealed to the recovery key and bound to the manifest |
//! | `state.db` | the state, as a snapshot of it: an SQLite database |
//!
//! The manifest names the length and the hash of `state.db`, and the sealed secrets open only beside the manifest that they
//! were sealed for. So whoever holds the recovery key notices any change, and whoever does not gets no secret.
//!
//! Nothing runs here by itself. A backup is written as a stream: [`head`], the state's bytes, [`tail`].

mod manifest;
mod reading;
mod writing;

pub use manifest::{FORMAT, Manifest, ManifestError};
pub use reading::{Backup, Unusable};
pub use writing::{head, tail};

/// The archive's files.
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SECRETS: &str = "secrets.sealed";
pub(crate) const STATE: &str = "state.db";

/// What a file of a tar archive is filled up to.
pub(crate) const BLOCK: u64 = 512;
