//! What a backup says of itself.

use npanel_model::{ControllerId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The form that this version writes, and the newest that it reads.
///
/// 2: the authority signs it.
pub const FORMAT: u32 = 2;

/// The oldest form that is read: what nobody signed may be anybody's.
const OLDEST_FORMAT: u32 = 2;

/// What a backup is of. Later versions only add to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The archive's form.
    pub format: u32,
    /// The cluster whose state it is.
    pub cluster_id: String,
    /// How often, so to speak, the state was restored: higher after each time.
    pub epoch: u64,
    /// The term of the last log entry that is in it.
    pub term: u64,
    /// That entry's place.
    pub index: u64,
    /// The feature level of whoever wrote it. Reading it takes as much.
    pub feature_level: u32,
    /// The version of whoever wrote it, for people.
    pub version: String,
    /// The controller whose state it is a copy of.
    pub controller_id: ControllerId,
    /// When it was made, by that controller's clock.
    pub made_at: Timestamp,
    /// The length of the state.
    pub state_bytes: u64,
    /// SHA-256 of the state's file, in hexadecimal.
    pub state_sha256: String,
    /// The hash of the state's content, in hexadecimal: what `npanel-controller content-hash` prints of a controller at the
    /// same place.
    pub content_sha256: String,
    /// The recovery key that opens its secrets, by its public half.
    pub recovery_key: String,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not one.
    #[error("its manifest is not readable")]
    Form(#[from] serde_json::Error),
    /// It is a later version's.
    #[error("it is a backup of the form {got}, and this version reads up to {FORMAT}: use a newer version")]
    Newer {
        /// Its form.
        got: u32,
    },
    /// It is from before backups were signed.
    #[error(
        "it is a backup of the form {got}, which nobody signed, so it may be anybody's: use one of the form {OLDEST_FORMAT} or newer"
    )]
    Unsigned {
        /// Its form.
        got: u32,
    },
}

#[derive(Deserialize)]
struct OnlyFormat {
    format: u32,
}

impl Manifest {
    /// The bytes that are written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts and numbers are valid JSON");
        text.push(b'\n');
        text
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// If it is none, or of a later form, or of one that is not signed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let OnlyFormat { format } = serde_json::from_slice(bytes)?;
        if format > FORMAT {
            return Err(ManifestError::Newer { got: format });
        }
        if format < OLDEST_FORMAT {
            return Err(ManifestError::Unsigned { got: format });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// What the secrets beside it are bound to, and what the authority signs: the SHA-256 of its bytes as they are written.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}
