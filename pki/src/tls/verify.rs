//! Judging the certificate that a peer shows.

use std::sync::Arc;

use rustls::{
    CertificateError as RustlsCertificateError, DigitallySignedStruct, DistinguishedName, Error,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Refusal, roots};
use crate::{ClusterId, Identity, KeyFingerprint, LiveCredentials, Peer, certificate};

/// Which authorities a client trusts.
#[derive(Debug)]
pub(super) enum Trust {
    /// The one with this key, whatever its cluster. Only for enrolment.
    Pin(KeyFingerprint),
    /// Those that the machine trusts at the moment, for its own cluster.
    Cluster(LiveCredentials),
}

/// Accepts controllers only, for their identity: the name or address dialled counts for nothing.
#[derive(Debug)]
pub(super) struct ControllerVerifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ControllerVerifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let (authorities, expected) = match &self.trust {
            Trust::Pin(pin) => (Arc::new(roots(&[pinned_authority(*pin, leaf, chain)?])?), None),
            Trust::Cluster(own) => {
                let own = own.current();
                (Arc::clone(own.roots()), Some(own.id().cluster))
            }
        };
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &authorities, chain, now, algorithms)?;
        let peer = Peer::read(leaf).map_err(Refusal::from)?;
        check_cluster(&peer, expected.unwrap_or(peer.id.cluster))?;
        match peer.id.identity {
            Identity::Controller(_) => Ok(()),
            other => Err(Refusal::NotController(other).into()),
        }
    }
}

fn check_cluster(peer: &Peer, have: ClusterId) -> Result<(), Refusal> {
    let got = peer.id.cluster;
    if got == have { Ok(()) } else { Err(Refusal::Cluster { got, have }) }
}

/// The certificate with the pinned key among those shown. It becomes the one trust anchor, so whoever does not
/// hold that key cannot show a chain that verifies.
fn pinned_authority<'a>(
    pin: KeyFingerprint,
    leaf: &CertificateDer<'a>,
    chain: &[CertificateDer<'a>],
) -> Result<CertificateDer<'a>, Error> {
    let mut got = certificate::fingerprint(leaf).map_err(Refusal::from)?;
    for shown in chain {
        got = certificate::fingerprint(shown).map_err(Refusal::from)?;
        if got.is(&pin) && certificate::authority_cluster(shown).is_ok() {
            return Ok(shown.clone());
        }
    }
    Err(Refusal::Pin { pin, got }.into())
}

impl ServerCertVerifier for ControllerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(leaf, chain, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts machines of the cluster, and callers without a certificate (who may only enrol). Which machine may
/// call what is decided per service.
#[derive(Debug)]
pub(super) struct MachineVerifier {
    /// Whose cluster, and which authorities.
    pub(super) trust: LiveCredentials,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for MachineVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let own = self.trust.current();
        // rustls's own verifier for the chain, made anew because the authorities may have changed.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(own.roots().clone(), self.provider.clone())
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        let verified = verifier.verify_client_cert(leaf, chain, now)?;
        check_cluster(&Peer::read(leaf).map_err(Refusal::from)?, own.id().cluster)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The fleet port speaks TLS 1.3 only.
        Err(Error::InvalidCertificate(RustlsCertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
