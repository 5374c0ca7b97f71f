//! The authority vouches for a backup, so that whoever restores it knows whose it is. The recovery key does not say that: anybody
//! can seal to its public half.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::SigningKey;
use sha2::{Digest, Sha256};

use crate::{AuthorityError, CertificateAuthority, CertificateError, KeyFingerprint, certificate, pem};

const STATEMENT: &[u8] = b"npanel backup 1";

/// Why nobody is known to vouch for a backup.
#[derive(Debug, thiserror::Error)]
pub enum VouchingError {
    /// The certificate.
    #[error("the backup's authority cannot be read")]
    Certificate(#[from] CertificateError),
    /// No certificate in PEM.
    #[error("there is no certificate of the authority that made the backup")]
    Pem,
    /// The signature.
    #[error("the backup is not what its authority signed: it was changed")]
    Signature,
}

/// Each part has one length or is hashed, so that no two statements read alike.
fn statement(manifest: &[u8; 32], secrets: &[u8]) -> Vec<u8> {
    [STATEMENT, manifest, &Sha256::digest(secrets)].concat()
}

impl CertificateAuthority {
    /// Signs that a backup is this authority's: the one with the manifest of this digest, and these sealed secrets.
    ///
    /// # Errors
    /// If the library cannot sign.
    pub fn vouch_for_backup(&self, manifest: &[u8; 32], secrets: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        self.key().sign(&statement(manifest, secrets)).map_err(AuthorityError::Crypto)
    }
}

/// The pin of the authority, given by its certificate in PEM, that has signed a backup. Whether it is the right one is for
/// somebody to say who knows the pin from elsewhere.
///
/// # Errors
/// If it has not signed it.
pub fn backup_vouched_by(
    authority_pem: &[u8],
    manifest: &[u8; 32],
    secrets: &[u8],
    signature: &[u8],
) -> Result<KeyFingerprint, VouchingError> {
    let certificate = pem::read_certificates(authority_pem)
        .and_then(|chain| chain.into_iter().next())
        .ok_or(VouchingError::Pem)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, certificate::public_key(&certificate)?)
        .verify(&statement(manifest, secrets), signature)
        .map_err(|_| VouchingError::Signature)?;
    Ok(certificate::fingerprint(&certificate)?)
}

#[cfg(test)]
mod tests {
    use npanel_model::Timestamp;

    use super::*;
    use crate::ClusterId;

    #[test]
    fn only_the_authority_vouches_and_only_for_the_very_backup() {
        let authority =
            || CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let (own, other) = (authority(), authority());
        let signature = own.vouch_for_backup(&[1; 32], b"secrets").expect("signed");
        let by = |authority: &CertificateAuthority, manifest: &[u8; 32], secrets: &[u8]| {
            backup_vouched_by(authority.certificate_pem().as_bytes(), manifest, secrets, &signature)
        };
        assert_eq!(by(&own, &[1; 32], b"secrets").expect("good"), own.pin());
        assert!(matches!(by(&own, &[2; 32], b"secrets"), Err(VouchingError::Signature)), "another manifest");
        assert!(matches!(by(&own, &[1; 32], b"secrett"), Err(VouchingError::Signature)), "other secrets");
        assert!(
            matches!(by(&other, &[1; 32], b"secrets"), Err(VouchingError::Signature)),
            "another authority"
        );
        let without = backup_vouched_by(b"", &[1; 32], b"secrets", &signature);
        assert!(matches!(without, Err(VouchingError::Pem)));
    }
}
