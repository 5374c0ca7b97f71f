//! What the cluster's keys and the data keys are made of: thirty-two bytes, and a name that comes from them.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SealError, aead};
use crate::secret::random_bytes;

/// The name of a key, made of the key itself, so that two keys never share one. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(pub(super) [u8; 8]);

impl KeyName {
    /// The name as the state has it.
    ///
    /// # Errors
    /// If it is no name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        bytes.try_into().map(Self).map_err(|_| SealError::Name)
    }

    /// The eight bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key. The first that there is has no name, and what it seals has the first format, which every version reads.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(super) struct Key {
    bytes: [u8; 32],
    is_named: bool,
}

impl Key {
    pub(super) fn generate(is_named: bool) -> Self {
        Self { bytes: *random_bytes(), is_named }
    }

    pub(super) fn from_bytes(bytes: &[u8], is_named: bool) -> Result<Self, SealError> {
        Ok(Self { bytes: bytes.try_into().map_err(|_| SealError::Short)?, is_named })
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    pub(super) fn name(&self) -> Option<KeyName> {
        self.is_named.then(|| {
            let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.bytes), b"npanel key name");
            let name = digest.as_ref().first_chunk().expect("a digest of SHA-256 has thirty-two bytes");
            KeyName(*name)
        })
    }

    /// The name as the state has it: eight bytes, or none.
    pub(super) fn name_bytes(&self) -> Vec<u8> {
        self.name().map(|name| name.0.to_vec()).unwrap_or_default()
    }

    pub(super) fn seal(&self, place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        aead::seal(&self.bytes, self.name(), place, plain)
    }

    pub(super) fn open(&self, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        aead::open(&self.bytes, place, sealed)
    }
}
