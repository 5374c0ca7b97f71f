//! Configurations of a controller's two ports.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};

use super::{ALPN_GRPC, ALPN_NODE, TlsSetupError, provider, roots, verify::MachineVerifier};
use crate::Credentials;

/// The fleet port: machines of the cluster by their certificates, and machines that enrol without one. ALPN
/// `npanel-node/1` for a node's reversed connection, `h2` for gRPC.
///
/// # Errors
/// If the credentials cannot be used.
pub fn fleet_server(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let provider = provider();
    let chain = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots(credentials.authorities())?),
        provider.clone(),
    )
    .build()
    .map_err(|error| rustls::Error::General(error.to_string()))?;
    let verifier = MachineVerifier { cluster: credentials.id().cluster, chain };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(credentials.chain().to_vec(), credentials.key().to_der())?;
    config.alpn_protocols = vec![ALPN_NODE.to_vec(), ALPN_GRPC.to_vec()];
    // A resumed session would not show its certificate again, and outlive it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The API: no client certificates. ALPN `h2` and `http/1.1`.
///
/// # Errors
/// If the credentials cannot be used.
pub fn api_server(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(credentials.chain().to_vec(), credentials.key().to_der())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
