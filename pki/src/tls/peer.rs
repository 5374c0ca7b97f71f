//! Who is on the other end of a connection.

use rustls::CommonState;

use crate::{CertificateError, Peer};

/// The peer of a connection whose handshake is over, or nothing if it showed no certificate. The handshake has
/// verified it already; this only reads it.
///
/// # Errors
/// If the certificate is not an identity, which the verifiers of this module do not let pass.
pub fn peer(connection: &CommonState) -> Result<Option<Peer>, CertificateError> {
    connection.peer_certificates().and_then(|chain| chain.first()).map(Peer::read).transpose()
}
