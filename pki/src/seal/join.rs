//! Sealing to a machine that joins: X25519 with a key made for this one message, HKDF-SHA256, AES-256-GCM.

use std::fmt;

use aws_lc_rs::{
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::Zeroizing;

use super::{ClusterSecrets, SealError, aead};
use crate::SpiffeId;

const PUBLIC_LEN: usize = 32;

/// A joining controller's key, made for one call.
pub struct JoinKey {
    private: PrivateKey,
    public: [u8; PUBLIC_LEN],
}

impl fmt::Debug for JoinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinKey([redacted])")
    }
}

impl JoinKey {
    /// A new key.
    ///
    /// # Errors
    /// If the library cannot make one.
    pub fn generate() -> Result<Self, SealError> {
        let private = PrivateKey::generate(&X25519).map_err(|_| SealError::Seal)?;
        let public = private.compute_public_key().map_err(|_| SealError::Seal)?;
        let public = public.as_ref().try_into().map_err(|_| SealError::PublicKey)?;
        Ok(Self { private, public })
    }

    /// The public half, for the sender.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Opens what was sealed to this key for the machine `joiner`.
    ///
    /// # Errors
    /// If it was sealed to another key or machine.
    pub fn open(&self, joiner: SpiffeId, sealed: &[u8]) -> Result<ClusterSecrets, SealError> {
        let (sender, sealed) = sealed.split_at_checked(PUBLIC_LEN).ok_or(SealError::Short)?;
        let key = shared_key(&self.private, sender, sender, &self.public)?;
        ClusterSecrets::decode(&aead::open(&key, &place(&joiner.to_string()), sealed)?)
    }
}

pub(super) fn seal_to(public: &[u8], joiner: SpiffeId, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    seal_in(&place(&joiner.to_string()), public, plain)
}

/// The sender's public key, then the sealed value. It opens in this place only.
pub(super) fn seal_in(place: &[&[u8]], public: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let once = JoinKey::generate()?;
    let key = shared_key(&once.private, public, &once.public, public)?;
    let mut message = once.public.to_vec();
    message.extend(aead::seal(&key, None, place, plain)?);
    Ok(message)
}

fn place(joiner: &str) -> [&[u8]; 2] {
    [b"npanel join", joiner.as_bytes()]
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

/// Bound to both public keys, so that neither can be exchanged for an equivalent one.
pub(super) fn shared_key(
    own: &PrivateKey,
    peer: &[u8],
    sender: &[u8],
    receiver: &[u8],
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    agree(own, UnparsedPublicKey::new(&X25519, peer), SealError::PublicKey, |shared| {
        let mut key = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, b"npanel join 1")
            .extract(shared)
            .expand(&[sender, receiver], KeyLength)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .map_err(|_| SealError::Seal)?;
        Ok(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CertificateAuthority, ClusterId, ClusterKey, Identity};
    use npanel_model::{ControllerId, Timestamp};

    fn secrets() -> ClusterSecrets {
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        ClusterSecrets::new(&authority, ClusterKey::generate())
    }

    fn controller(id: u64) -> SpiffeId {
        let cluster = "0190163d-8694-739b-aea5-966c26f8ad91".parse().expect("a cluster id");
        SpiffeId { cluster, identity: Identity::Controller(ControllerId(id)) }
    }

    #[test]
    fn only_the_joiner_opens_what_was_sealed_to_it() {
        let (secrets, key) = (secrets(), JoinKey::generate().expect("a key"));
        let sealed = secrets.seal_to(key.public(), controller(2)).expect("sealed");
        let opened = key.open(controller(2), &sealed).expect("opened");
        let pin = |secrets: &ClusterSecrets| secrets.authority().expect("an authority").pin();
        assert_eq!(pin(&opened), pin(&secrets));
        assert!(key.open(controller(3), &sealed).is_err());
        assert!(JoinKey::generate().expect("a key").open(controller(2), &sealed).is_err());
        assert!(key.open(controller(2), &sealed[..40]).is_err());
    }

    #[test]
    fn a_public_key_that_gives_the_secret_away_is_refused() {
        let secrets = secrets();
        // The all-zero point is of small order: whoever sends it knows the shared secret.
        assert_eq!(secrets.seal_to(&[0; 32], controller(2)), Err(SealError::PublicKey));
        assert_eq!(secrets.seal_to(&[1; 31], controller(2)), Err(SealError::PublicKey));
    }
}
