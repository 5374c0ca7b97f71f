//! The key that vouches for the audit.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::secret::random_bytes;

/// Signs the audit's checkpoints, by Ed25519. Rests in the state, sealed by the cluster key.
pub struct AuditKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl AuditKey {
    /// A new key.
    pub fn generate() -> Self {
        Self::from_seed(random_bytes())
    }

    pub(crate) fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
            .expect("any thirty-two bytes are the seed of a key (RFC 8032, 5.1.5)");
        Self { seed, pair }
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has thirty-two bytes")
    }

    /// Signs a checkpoint's text.
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterKey;

    #[test]
    fn it_opens_as_itself_only() {
        let (cluster, key) = (ClusterKey::generate(), AuditKey::generate());
        let sealed = cluster.wrap_audit_key(&key).expect("sealed");
        assert!(!sealed.windows(32).any(|window| window == key.seed().as_slice()));
        let opened = cluster.unwrap_audit_key(&key.public(), &sealed).expect("opened");
        assert_eq!(opened.sign(b"text"), key.sign(b"text"));
        assert!(cluster.unwrap_audit_key(&AuditKey::generate().public(), &sealed).is_err());
        assert!(ClusterKey::generate().unwrap_audit_key(&key.public(), &sealed).is_err());
        assert_eq!(format!("{key:?}"), "AuditKey([redacted])");
    }
}
