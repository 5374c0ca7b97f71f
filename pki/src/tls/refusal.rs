//! Why a peer was refused, in words for the operator.

use std::io;

use rustls::{CertificateError as RustlsCertificateError, OtherError};
use std::sync::Arc;

use crate::{CertificateError, ClusterId, Identity, KeyFingerprint};

/// Why a peer with a certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None of the certificates shown has the pinned key.
    #[error(
        "the controller's authority does not match the pin in the token (got {got}, have {pin}); a token that was made before the authority was rotated and the old one retired is of no use"
    )]
    Pin {
        /// The pin in the token.
        pin: KeyFingerprint,
        /// The key of the last certificate shown.
        got: KeyFingerprint,
    },
    /// A node where a controller is expected.
    #[error("the peer is not a controller (got {0})")]
    NotController(Identity),
    /// A machine of another cluster.
    #[error("the peer is of another cluster (got {got}, have {have})")]
    Cluster {
        /// The peer's.
        got: ClusterId,
        /// Ours.
        have: ClusterId,
    },
    /// The certificate names nobody.
    #[error("the peer's certificate is not an identity: {0}")]
    Certificate(CertificateError),
}

impl From<CertificateError> for Refusal {
    fn from(error: CertificateError) -> Self {
        Refusal::Certificate(error)
    }
}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        rustls::Error::InvalidCertificate(RustlsCertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// The reason within a failed handshake, if it was one of ours.
pub fn refusal(error: &io::Error) -> Option<Refusal> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match error {
        rustls::Error::InvalidCertificate(RustlsCertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref::<Refusal>().cloned()
        }
        _ => None,
    }
}
