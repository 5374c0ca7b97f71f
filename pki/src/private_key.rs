//! A machine's own key. It never leaves the machine.

use std::fmt;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::{KeyFingerprint, pem};

/// A private key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateKeyError {
    /// The text is not PKCS #8 in PEM.
    #[error("not a private key in PEM (PKCS #8)")]
    Pem,
    /// The library refused it.
    #[error("the private key cannot be used")]
    Crypto(#[source] rcgen::Error),
}

/// An ECDSA P-256 key.
pub struct PrivateKey(KeyPair);

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// If the library cannot make one.
    pub fn generate() -> Result<Self, PrivateKeyError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(PrivateKeyError::Crypto)
    }

    /// Reads PKCS #8 in PEM.
    ///
    /// # Errors
    /// If it is not a P-256 key in that form.
    pub fn from_pem(text: &[u8]) -> Result<Self, PrivateKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|_| PrivateKeyError::Pem)?;
        KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(PrivateKeyError::Crypto)
    }

    /// PKCS #8 in PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::section("PRIVATE KEY", self.0.serialized_der()))
    }

    /// The request for a certificate (PKCS #10 in DER): the public key and the proof that the private one is
    /// held. It names nobody: the issuer decides.
    ///
    /// # Errors
    /// If the library cannot sign it.
    pub fn certificate_request(&self) -> Result<Vec<u8>, PrivateKeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&self.0).map_err(PrivateKeyError::Crypto)?;
        Ok(request.der().to_vec())
    }

    /// The name of the public key.
    pub fn fingerprint(&self) -> KeyFingerprint {
        KeyFingerprint::of_spki(&self.0.subject_public_key_info())
    }

    pub(crate) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }

    pub(crate) fn key_pair(&self) -> &KeyPair {
        &self.0
    }

    pub(crate) fn into_key_pair(self) -> KeyPair {
        self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey([redacted], {})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_text_and_back() {
        let key = PrivateKey::generate().expect("a key");
        let read = PrivateKey::from_pem(key.to_pem().as_bytes()).expect("the key");
        assert_eq!(read.fingerprint(), key.fingerprint());
        assert!(PrivateKey::from_pem(b"-----BEGIN CERTIFICATE-----\n").is_err());
    }
}
