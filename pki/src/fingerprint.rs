//! The name of a public key.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// SHA-256 of a key's SubjectPublicKeyInfo in DER; as text in base64url without padding. As a pin it says
/// which authority to trust before anything else is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

/// Not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key's fingerprint is 32 bytes, or 43 characters of base64url without padding")]
pub struct FingerprintError;

impl KeyFingerprint {
    /// The fingerprint of a key given as SubjectPublicKeyInfo in DER.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads the thirty-two bytes.
    ///
    /// # Errors
    /// If there are not exactly thirty-two.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FingerprintError> {
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }

    /// The thirty-two bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFingerprint({self})")
    }
}

impl FromStr for KeyFingerprint {
    type Err = FingerprintError;
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).map_err(|_| FingerprintError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_goes_to_text_and_back() {
        let fingerprint = KeyFingerprint::of_spki(b"key");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_string().len(), 43);
        assert!("short".parse::<KeyFingerprint>().is_err());
    }
}
