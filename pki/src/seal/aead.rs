//! AES-256-GCM with a random nonce. The first byte is the format:
//!
//! | format | by | then |
//! |---|---|---|
//! | 1 | a key that has no name: there was one such key only | `nonce (12 bytes) \| ciphertext and tag` |
//! | 2 | a key with a name | `name (8 bytes) \| nonce (12 bytes) \| ciphertext and tag` |
//!
//! The state reads the name, too (`npanel-state`'s `sealing`), to know what is still sealed by which key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::KeyName;

const NAMELESS: u8 = 1;
const NAMED: u8 = 2;
const TAG_LEN: usize = 16;

/// Why something sealed cannot be opened, or sealed. Says no more, so that it tells nothing to an attacker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not the key, not the place it was sealed for, or changed on the way.
    #[error("the sealed value cannot be opened with this key in this place")]
    Open,
    /// Sealed by a key that is not here (any more, or yet).
    #[error("the sealed value needs the key {0}, which is not here")]
    NoKey(String),
    /// A key's name that is not the key's.
    #[error("the key does not have the name that it goes by")]
    Name,
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

/// The name of the key that something is sealed by; `None`: the one that has none.
pub(super) fn sealer(sealed: &[u8]) -> Result<Option<KeyName>, SealError> {
    Ok(split(sealed)?.0)
}

/// The key's name and what is sealed.
fn split(sealed: &[u8]) -> Result<(Option<KeyName>, &[u8]), SealError> {
    match sealed.split_first().ok_or(SealError::Short)? {
        (&NAMELESS, rest) => Ok((None, rest)),
        (&NAMED, rest) => {
            let (name, rest) = rest.split_first_chunk().ok_or(SealError::Short)?;
            Ok((Some(KeyName(*name)), rest))
        }
        (format, _) => Err(SealError::Format(*format)),
    }
}

pub(super) fn seal(
    key: &[u8; 32],
    name: Option<KeyName>,
    place: &[&[u8]],
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Seal)?;
    // Sealing is in place: with room for the tag, the plain text is not left behind by a reallocation.
    let mut text = Vec::with_capacity(plain.len() + TAG_LEN);
    text.extend_from_slice(plain);
    let nonce = key
        .seal_in_place_append_tag(Aad::from(associated_data(place)), &mut text)
        .map_err(|_| SealError::Seal)?;
    let mut sealed = match name {
        None => vec![NAMELESS],
        Some(KeyName(name)) => [&[NAMED], name.as_slice()].concat(),
    };
    sealed.reserve_exact(NONCE_LEN + text.len());
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

/// Opens what was sealed by this key, which the name in it does not need to be compared for: another key does not open it.
pub(super) fn open(key: &[u8; 32], place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (_, rest) = split(sealed)?;
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
        fn only_the_key_and_the_place_open_it(plain: Vec<u8>, key: [u8; 32], other: [u8; 32], name: Option<[u8; 8]>, at: usize, bit in 0u8..8) {
            prop_assume!(key != other);
            let name = name.map(KeyName);
            let mut sealed = seal(&key, name, &[b"a", b"b"], &plain).expect("sealed");
            prop_assert_eq!(sealer(&sealed), Ok(name));
            let opened = open(&key, &[b"a", b"b"], &sealed).expect("opened");
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert!(open(&other, &[b"a", b"b"], &sealed).is_err());
            prop_assert!(open(&key, &[b"ab", b""], &sealed).is_err());
            prop_assert!(open(&key, &[b"a"], &sealed).is_err());
            let at = at % sealed.len();
            sealed[at] ^= 1u8 << bit;
            // Whoever opens it looks for the key of that name.
            prop_assert!(sealer(&sealed) != Ok(name) || open(&key, &[b"a", b"b"], &sealed).is_err());
            sealed.truncate(at);
            prop_assert!(open(&key, &[b"a", b"b"], &sealed).is_err());
        }
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let key = [7; 32];
        assert_ne!(
            seal(&key, None, &[], b"x").expect("sealed"),
            seal(&key, None, &[], b"x").expect("sealed")
        );
    }
}
