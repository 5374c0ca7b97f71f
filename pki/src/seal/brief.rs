//! What a controller gives out to have it shown again within minutes, to itself or to another: a sign-in that was begun, and one
//! that is to be confirmed. Whoever carries it can neither read nor change it. By a key of its own that comes from the cluster key, so
//! that what strangers have sealed is no use of the key that seals the fleet's secrets.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{ClusterKey, ClusterKeys, SealError, aead};

impl ClusterKeys {
    /// Seals it for this purpose. Until when it counts has to be in it.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn seal_brief(&self, purpose: &'static str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.current();
        aead::seal(&key_of(key), key.name(), &place(purpose), plain)
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// If it was not, or by a key that is not here.
    pub fn open_brief(&self, purpose: &'static str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        aead::open(&key_of(self.of_sealed(sealed)?), &place(purpose), sealed)
    }
}

fn place(purpose: &'static str) -> [&'static [u8]; 2] {
    [b"npanel brief", purpose.as_bytes()]
}

fn key_of(key: &ClusterKey) -> Zeroizing<[u8; 32]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.0.bytes());
    let digest = hmac::sign(&key, b"npanel brief seals");
    Zeroizing::new(digest.as_ref().try_into().expect("a digest of SHA-256 has thirty-two bytes"))
}

#[cfg(test)]
mod tests {
    use npanel_model::Timestamp;

    use super::*;

    #[test]
    fn what_one_controller_seals_another_opens_for_the_same_purpose_only() {
        let (one, other) =
            (ClusterKeys::new(ClusterKey::generate()), ClusterKeys::new(ClusterKey::generate()));
        let sealed = one.seal_brief("a", b"plain").expect("sealed");
        assert_eq!(one.clone().open_brief("a", &sealed).expect("opened").as_slice(), b"plain");
        assert!(one.open_brief("b", &sealed).is_err() && other.open_brief("a", &sealed).is_err());
        let mut changed = sealed.clone();
        *changed.last_mut().expect("bytes") ^= 1;
        assert!(one.open_brief("a", &changed).is_err() && one.open_brief("a", &[]).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"plain"));
    }

    #[test]
    fn what_was_sealed_is_opened_while_the_cluster_key_is_changed() {
        let (first, next) = (ClusterKey::generate(), ClusterKey::successor());
        let mut keys = ClusterKeys::new(first.clone());
        let sealed = keys.seal_brief("a", b"plain").expect("sealed");
        keys.add(next.clone());
        assert!(keys.make_current(next.name()));
        assert!(keys.open_brief("a", &sealed).is_ok());
        keys.drop_key(first.name(), Timestamp::now());
        assert!(matches!(keys.open_brief("a", &sealed), Err(SealError::NoKey(_))));
    }
}
