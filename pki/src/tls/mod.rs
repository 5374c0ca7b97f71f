//! The mutual-TLS rules: one configuration for each relation between machines.
//!
//! | who | towards | shows | accepts |
//! |---|---|---|---|
//! | [`enrolling_client`] | a controller's fleet port | nothing | a controller under the pinned authority |
//! | [`renewing_client`] | a controller's fleet port | nothing | controllers of its cluster |
//! | [`node_client`] | a controller's fleet port | its node identity | controllers of its cluster |
//! | [`controller_client`] | a controller's fleet port | its controller identity | controllers of its cluster |
//! | [`fleet_server`] | whoever dials | its controller identity | no certificate (enrolment), or an identity of its cluster |
//! | [`api_server`] | clients of the API | its certificate, with its DNS names | anyone (an API key decides) |
//!
//! What is shown and whom to trust is looked up in [`crate::LiveCredentials`] at each handshake.
//!
//! The fleet port speaks TLS 1.3 only, and no session is resumed: each connection shows its certificate anew.

mod client;
mod issued;
mod peer;
mod refusal;
mod server;
mod shown;
mod verify;

pub use client::{controller_client, enrolling_client, fleet_server_name, node_client, renewing_client};
pub use issued::was_issued;
pub use peer::peer;
pub use refusal::{Refusal, refusal};
pub use server::{api_server, fleet_server};

use std::sync::Arc;

use rustls::{RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::CertificateDer;

/// ALPN of a connection that a node opened and on which the controller calls (`npanel_proto::ALPN_NODE`).
const ALPN_NODE: &[u8] = b"npanel-node/1";

/// ALPN of ordinary gRPC (`npanel_proto::ALPN_GRPC`).
const ALPN_GRPC: &[u8] = b"h2";

/// A configuration that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up with these credentials")]
pub struct TlsSetupError(#[from] rustls::Error);

/// Makes aws-lc-rs the process's provider of cryptography. To be called first in every binary and test; later
/// calls change nothing.
pub fn install_provider() {
    // An error means that one is installed already, which can only be this one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    install_provider();
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

pub(crate) fn roots(authorities: &[CertificateDer<'_>]) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone().into_owned())?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_protocols_are_those_of_the_contracts() {
        assert_eq!(super::ALPN_NODE, npanel_proto::ALPN_NODE);
        assert_eq!(super::ALPN_GRPC, npanel_proto::ALPN_GRPC);
    }
}
