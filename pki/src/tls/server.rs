//! Configurations of a controller's two ports.

use std::sync::Arc;

use rustls::{ServerConfig, server::NoServerSessionStorage, version::TLS13};

use super::{ALPN_GRPC, ALPN_NODE, TlsSetupError, provider, shown::Shown, verify::MachineVerifier};
use crate::LiveCredentials;

/// The fleet port: machines of the cluster by their certificates, and machines that enrol without one. ALPN
/// `npanel-node/1` for a node's reversed connection, `h2` for gRPC.
///
/// # Errors
/// If the provider cannot do TLS 1.3.
pub fn fleet_server(credentials: impl Into<LiveCredentials>) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let (credentials, provider) = (credentials.into(), provider());
    let verifier = MachineVerifier { trust: credentials.clone(), provider: provider.clone() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Shown(credentials)));
    config.alpn_protocols = vec![ALPN_NODE.to_vec(), ALPN_GRPC.to_vec()];
    // A resumed session would not show its certificate again, and outlive it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The API: no client certificates. ALPN `h2` and `http/1.1`.
///
/// # Errors
/// If the provider cannot do TLS.
pub fn api_server(credentials: impl Into<LiveCredentials>) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(credentials.into())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
