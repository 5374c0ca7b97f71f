//! Secrets that callers show: 256 random bits, kept by the other side as a hash only.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use npanel_model::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// 256 bits cannot be guessed, so a fast hash keeps them as well as a slow one would.
const SECRET_BYTES: usize = 32;

/// Text that is not a secret of this form. It is not repeated: it may be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 43 characters of base64url without padding")]
pub struct SecretFormError;

/// SHA-256 of a secret's text, as the state keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a secret's text.
    pub fn of(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.expose().as_bytes()).into())
    }

    /// Whether a stored hash is this one, in a time that does not depend on where they differ.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }

    /// The thirty-two bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([redacted])")
    }
}

/// Thirty-two bytes from the system's generator.
///
/// # Panics
/// If the generator fails, which aws-lc-rs documents as impossible after start; going on would be worse.
pub(crate) fn random_bytes() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).expect("the system's random generator works");
    bytes
}

/// 256 random bits as text, for what is good once: 43 characters of base64url.
pub fn random_text() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random_bytes().as_slice()))
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Secret);

        impl $name {
            /// A new secret.
            pub fn generate() -> Self {
                Self(random_text())
            }

            /// Its hash.
            pub fn hash(&self) -> SecretHash {
                SecretHash::of(&self.0)
            }

            pub(crate) fn expose(&self) -> &str {
                self.0.expose()
            }
        }

        impl FromStr for $name {
            type Err = SecretFormError;
            fn from_str(text: &str) -> Result<Self, SecretFormError> {
                let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| SecretFormError)?;
                if bytes.len() == SECRET_BYTES { Ok(Self(Secret::new(text))) } else { Err(SecretFormError) }
            }
        }
    )*};
}

secrets! {
    /// The secret half of a bootstrap token.
    TokenSecret;
    /// The secret half of an API key.
    ApiKeySecret;
    /// The secret half of a session.
    SessionSecret;
    /// The secret half of what a program asks by whose sign-in somebody confirms elsewhere.
    DeviceSecret;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let (one, other) = (TokenSecret::generate(), TokenSecret::generate());
        assert!(one.hash().matches(&one.hash().to_bytes()));
        assert!(!one.hash().matches(&other.hash().to_bytes()));
        assert!(!one.hash().matches(&one.hash().to_bytes()[..31]));
        assert!(!one.hash().matches(&[]));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = ApiKeySecret::generate();
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(secret.expose()));
    }

    #[test]
    fn only_32_bytes_in_base64url_are_a_secret() {
        let good = TokenSecret::generate().expose().to_owned();
        assert!(good.parse::<TokenSecret>().is_ok());
        for bad in
            [String::new(), format!("{good}="), good[1..].to_owned(), format!("{good}A"), "+".repeat(43)]
        {
            assert!(bad.parse::<TokenSecret>().is_err());
        }
    }
}
