//! Sealing what a backup holds to a key that is kept outside of the fleet: only whoever holds its private half makes a
//! controller of a backup. It does not say who sealed it: for that, the authority signs.

use std::{fmt, str::FromStr};

use aws_lc_rs::agreement::{PrivateKey, X25519};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use npanel_model::Secret;
use zeroize::Zeroizing;

use super::{ClusterSecrets, SealError, aead, join};
use crate::secret::random_bytes;

const PREFIX: &str = "npr_";
const PLACE: &[u8] = b"npanel backup";
const PUBLIC_LEN: usize = 32;

/// Text that is not a recovery key. It is not repeated: it may be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a recovery key is npr_ and 43 characters of base64url; its public half is the 43 characters alone")]
pub struct RecoveryKeyError;

/// The private half. People keep it; no machine does.
pub struct RecoveryKey {
    seed: Zeroizing<[u8; 32]>,
    private: PrivateKey,
    public: RecoveryPublicKey,
}

/// The public half, to which every controller can seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryPublicKey([u8; PUBLIC_LEN]);

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryKey({}, [redacted])", self.public)
    }
}

impl RecoveryKey {
    /// A new key.
    ///
    /// # Errors
    /// If the library cannot make one.
    pub fn generate() -> Result<Self, SealError> {
        Self::from_seed(random_bytes())
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, SealError> {
        let private = PrivateKey::from_private_key(&X25519, seed.as_slice()).map_err(|_| SealError::Seal)?;
        let public = private.compute_public_key().map_err(|_| SealError::Seal)?;
        let public = public.as_ref().try_into().map_err(|_| SealError::PublicKey)?;
        Ok(Self { seed, private, public: RecoveryPublicKey(public) })
    }

    /// The public half.
    pub fn public(&self) -> RecoveryPublicKey {
        self.public
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> Secret {
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.seed.as_slice()));
        Secret::new(format!("{PREFIX}{}", text.as_str()))
    }

    /// Opens what was sealed to this key beside the manifest with this digest.
    ///
    /// # Errors
    /// If it was sealed to another key, or either of them was changed.
    pub fn open(&self, manifest: &[u8; 32], sealed: &[u8]) -> Result<ClusterSecrets, SealError> {
        let (sender, sealed) = sealed.split_at_checked(PUBLIC_LEN).ok_or(SealError::Short)?;
        let key = join::shared_key(&self.private, sender, sender, &self.public.0)?;
        ClusterSecrets::decode(&aead::open(&key, &[PLACE, manifest], sealed)?)
    }
}

impl FromStr for RecoveryKey {
    type Err = RecoveryKeyError;
    fn from_str(text: &str) -> Result<Self, RecoveryKeyError> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(RecoveryKeyError)?;
        Self::from_seed(thirty_two(text)?).map_err(|_| RecoveryKeyError)
    }
}

impl RecoveryPublicKey {
    /// The thirty-two bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Of what [`RecoveryPublicKey::to_bytes`] gave.
    ///
    /// # Errors
    /// If there are not thirty-two.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecoveryKeyError> {
        bytes.try_into().map(Self).map_err(|_| RecoveryKeyError)
    }

    /// Seals the cluster's secrets beside the manifest with this digest.
    ///
    /// # Errors
    /// If it is not a usable public key.
    pub fn seal(self, secrets: &ClusterSecrets, manifest: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        join::seal_in(&[PLACE, manifest], &self.0, &secrets.encode())
    }
}

impl fmt::Display for RecoveryPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for RecoveryPublicKey {
    type Err = RecoveryKeyError;
    fn from_str(text: &str) -> Result<Self, RecoveryKeyError> {
        Ok(Self(*thirty_two(text.trim())?))
    }
}

fn thirty_two(text: &str) -> Result<Zeroizing<[u8; 32]>, RecoveryKeyError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| RecoveryKeyError)?);
    let bytes = bytes.as_slice().try_into().map_err(|_| RecoveryKeyError)?;
    Ok(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use npanel_model::Timestamp;

    use super::*;
    use crate::{CertificateAuthority, ClusterId, ClusterKey};

    fn secrets() -> ClusterSecrets {
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        ClusterSecrets::new(&authority, ClusterKey::generate())
    }

    #[test]
    fn only_the_key_opens_it_and_only_beside_its_manifest() {
        let (key, other) = (RecoveryKey::generate().expect("a key"), RecoveryKey::generate().expect("a key"));
        let secrets = secrets();
        let sealed = key.public().seal(&secrets, &[1; 32]).expect("sealed");
        assert_eq!(key.open(&[1; 32], &sealed).expect("opened"), secrets);
        assert!(key.open(&[2; 32], &sealed).is_err(), "another manifest");
        assert!(other.open(&[1; 32], &sealed).is_err(), "another key");
        for cut in [0, 31, 32, sealed.len() - 1] {
            assert!(key.open(&[1; 32], &sealed[..cut]).is_err(), "{cut}");
        }
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!text.contains("PRIVATE KEY") && !text.contains("cluster_key"));
    }

    #[test]
    fn what_is_written_down_is_the_key() {
        let key = RecoveryKey::generate().expect("a key");
        let again: RecoveryKey = format!("{}\n", key.reveal().expose()).parse().expect("its text");
        assert_eq!(again.public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert_eq!(RecoveryPublicKey::from_bytes(&key.public().to_bytes()), Ok(key.public()));
        let secrets = secrets();
        let sealed = key.public().seal(&secrets, &[0; 32]).expect("sealed");
        assert!(again.open(&[0; 32], &sealed).is_ok());
        let shown = format!("{key:?}");
        assert!(!shown.contains(&key.reveal().expose()[4..]), "{shown}");
    }

    #[test]
    fn other_text_is_none_and_the_halves_are_not_mistaken_for_each_other() {
        let key = RecoveryKey::generate().expect("a key");
        let public = key.public().to_string();
        for text in ["", "npr_", &public, "npk_x.y", &key.reveal().expose()[..46]] {
            assert!(text.parse::<RecoveryKey>().is_err(), "{text:?}");
        }
        assert!(key.reveal().expose().parse::<RecoveryPublicKey>().is_err());
        assert!(RecoveryPublicKey::from_bytes(&[0; 31]).is_err());
    }
}
