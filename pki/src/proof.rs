//! How a machine shows that it holds the key of a certificate which may have expired.
//!
//! The handshake cannot show it: it refuses an expired certificate. So the machine signs a statement about the one
//! connection that it is on (a value that TLS 1.3 derives for each connection and that only its two ends know:
//! RFC 8446, 7.5; RFC 9266), the certificate and the request for the next one. Heard on another connection, the
//! signature is of no use; so nothing has to be remembered against a replay.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::SigningKey;
use rustls::ConnectionCommon;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::{CertificateError, Peer, PrivateKey, PrivateKeyError, certificate};

const LABEL: &[u8] = b"EXPORTER-npanel-renewal-1";
const STATEMENT: &[u8] = b"npanel renewal 1";

/// What tells one TLS connection from every other, known to its two ends only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChannelBinding([u8; 32]);

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelBinding([redacted])")
    }
}

impl ChannelBinding {
    /// That of a connection whose handshake is over.
    ///
    /// # Errors
    /// If the handshake is not over.
    pub fn of<Side>(connection: &ConnectionCommon<Side>) -> Result<Self, rustls::Error> {
        connection.export_keying_material([0; 32], LABEL, None).map(Self)
    }

    /// Each part has one length or is hashed, so that no two statements read alike.
    fn statement(&self, certificate: &[u8], request: &[u8]) -> Vec<u8> {
        let mut statement = STATEMENT.to_vec();
        statement.extend(self.0);
        statement.extend(Sha256::digest(certificate));
        statement.extend(Sha256::digest(request));
        statement
    }

    /// Signs, with the key of `certificate`, that on this connection its holder asks for what is in `request`.
    ///
    /// # Errors
    /// If the library cannot sign.
    pub fn prove(
        &self,
        key: &PrivateKey,
        certificate: &CertificateDer<'_>,
        request: &[u8],
    ) -> Result<Vec<u8>, PrivateKeyError> {
        key.sign(&self.statement(certificate, request))
    }

    /// Whom the certificate names, once the proof is found good. Neither the certificate's issuer nor its expiry
    /// is judged: the caller asks the state whether it was issued and is not revoked.
    ///
    /// # Errors
    /// If the certificate is not an identity, or the proof is not by its key, about this connection and request.
    pub fn check(
        &self,
        certificate: &CertificateDer<'_>,
        request: &[u8],
        proof: &[u8],
    ) -> Result<Peer, ProofError> {
        let peer = Peer::read(certificate)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, certificate::public_key(certificate)?)
            .verify(&self.statement(certificate, request), proof)
            .map_err(|_| ProofError::Signature)?;
        Ok(peer)
    }
}

/// Why a proof is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The certificate.
    #[error("the certificate shown is not an identity")]
    Certificate(#[from] CertificateError),
    /// The signature.
    #[error("the proof is not by the certificate's key, or of another connection or request")]
    Signature,
}

impl PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrivateKeyError> {
        self.key_pair().sign(message).map_err(PrivateKeyError::Crypto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CertificateAuthority, ClusterId, Identity, Serial};
    use npanel_model::{NodeId, Timestamp};

    fn certified() -> (PrivateKey, CertificateDer<'static>) {
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let key = PrivateKey::generate().expect("a key");
        let request = key.certificate_request().expect("a request");
        // Long expired: that is what the proof is for.
        let then = Timestamp::from_millis(0);
        let issued = authority
            .issue(&request, Identity::Node(NodeId::generate()), &[], Serial::generate(), then)
            .expect("a certificate");
        (key, issued.chain[0].clone())
    }

    #[test]
    fn the_holder_of_an_expired_certificate_proves_its_key() {
        let (key, certificate) = certified();
        let here = ChannelBinding([1; 32]);
        let proof = here.prove(&key, &certificate, b"request").expect("a proof");
        let peer = here.check(&certificate, b"request", &proof).expect("good");
        assert_eq!(peer.key, key.fingerprint());
    }

    #[test]
    fn a_proof_is_of_no_use_on_another_connection_or_for_another_request_or_certificate() {
        let (key, certificate) = certified();
        let (here, elsewhere) = (ChannelBinding([1; 32]), ChannelBinding([2; 32]));
        let proof = here.prove(&key, &certificate, b"request").expect("a proof");
        assert_eq!(elsewhere.check(&certificate, b"request", &proof), Err(ProofError::Signature));
        assert_eq!(here.check(&certificate, b"another", &proof), Err(ProofError::Signature));
        let (other_key, other) = certified();
        assert_eq!(here.check(&other, b"request", &proof), Err(ProofError::Signature));
        let stolen = here.prove(&other_key, &certificate, b"request").expect("a proof");
        assert_eq!(here.check(&certificate, b"request", &stolen), Err(ProofError::Signature));
    }
}
