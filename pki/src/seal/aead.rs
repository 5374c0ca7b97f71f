//! AES-256-GCM with a random nonce: `1 | nonce (12 bytes) | ciphertext and tag`. The first byte is the format.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const TAG_LEN: usize = 16;

/// Why something sealed cannot be opened, or sealed. Says no more, so that it tells nothing to an attacker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not the key, not the place it was sealed for, or changed on the way.
    #[error("the sealed value cannot be opened with this key in this place")]
    Open,
    /// Sealed by a later version.
    #[error("the sealed value has a format that this version does not know (got {0})")]
    Format(u8),
    /// Too short to be anything.
    #[error("the sealed value is cut short")]
    Short,
    /// The library refused.
    #[error("the value cannot be sealed")]
    Seal,
    /// A public key that is none.
    #[error("not an X25519 public key")]
    PublicKey,
}

/// What a sealed value is bound to. Each part is preceded by its length, so that no two lists read alike.
pub(super) fn associated_data(parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

pub(super) fn seal(key: &[u8; 32], place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Seal)?;
    // Sealing is in place: with room for the tag, the plain text is not left behind by a reallocation.
    let mut text = Vec::with_capacity(plain.len() + TAG_LEN);
    text.extend_from_slice(plain);
    let nonce = key
        .seal_in_place_append_tag(Aad::from(associated_data(place)), &mut text)
        .map_err(|_| SealError::Seal)?;
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
    sealed.push(FORMAT);
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

pub(super) fn open(key: &[u8; 32], place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (format, rest) = sealed.split_first().ok_or(SealError::Short)?;
    if *format != FORMAT {
        return Err(SealError::Format(*format));
    }
    let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Short)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Short)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Open)?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(associated_data(place)), &mut text)
        .map_err(|_| SealError::Open)?
        .len();
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_the_key_and_the_place_open_it(plain: Vec<u8>, key: [u8; 32], other: [u8; 32], at: usize, bit in 0u8..8) {
            prop_assume!(key != other);
            let mut sealed = seal(&key, &[b"a", b"b"], &plain).expect("sealed");
            let opened = open(&key, &[b"a", b"b"], &sealed).expect("opened");
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert!(open(&other, &[b"a", b"b"], &sealed).is_err());
            prop_assert!(open(&key, &[b"ab", b""], &sealed).is_err());
            prop_assert!(open(&key, &[b"a"], &sealed).is_err());
            let at = at % sealed.len();
            sealed[at] ^= 1u8 << bit;
            prop_assert!(open(&key, &[b"a", b"b"], &sealed).is_err());
            sealed.truncate(at);
            prop_assert!(open(&key, &[b"a", b"b"], &sealed).is_err());
        }
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let key = [7; 32];
        assert_ne!(seal(&key, &[], b"x").expect("sealed"), seal(&key, &[], b"x").expect("sealed"));
    }
}
