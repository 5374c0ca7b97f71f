//! The key that checkpoints are checked by (C2SP `signed-note`, Ed25519).

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// Ed25519, as `signed-note` numbers its algorithms.
const ED25519_NOTE: u8 = 0x01;

/// Text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log's key is <name>+<eight hexadecimal digits>+<base64> and of Ed25519 (got {0:?})")]
pub struct KeyFormError(String);

/// The name of a cluster's log, in its checkpoints and its key.
pub fn origin(cluster_id: &str) -> String {
    format!("npanel/{cluster_id}")
}

/// A log's public key with its name. As text `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of the log with this name. `None` if there are not thirty-two bytes, or it cannot be a name.
    pub fn new(name: &str, public: &[u8]) -> Option<Self> {
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
        is_name.then(|| Some(Self { name: name.to_owned(), public: public.try_into().ok()? }))?
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a signature says of the key that made it.
    pub fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519_NOTE])
            .chain_update(self.public);
        *digest.finalize().first_chunk().expect("a SHA-256 digest has more than four bytes")
    }

    pub(crate) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_NOTE];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyFormError;
    fn from_str(text: &str) -> Result<Self, KeyFormError> {
        let parsed = || {
            // The key itself may hold a '+'.
            let mut parts = text.splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = STANDARD.decode(key).ok()?;
            let (&ED25519_NOTE, public) = key.split_first()? else { return None };
            let key = Self::new(name, public)?;
            (format!("{:08x}", u32::from_be_bytes(key.id())) == id).then_some(key)
        };
        parsed().ok_or_else(|| KeyFormError(text.chars().take(200).collect()))
    }
}
