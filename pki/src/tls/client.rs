//! Configurations of those who dial a controller's fleet port.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, WantsVerifier,
    client::{Resumption, WantsClientCert},
    version::TLS13,
};
use rustls_pki_types::ServerName;

use super::{
    ALPN_GRPC, ALPN_NODE, TlsSetupError, provider,
    shown::Shown,
    verify::{ControllerVerifier, Trust},
};
use crate::{KeyFingerprint, LiveCredentials};

/// For a machine that has a bootstrap token and no identity: accepts a controller whose authority has the pinned
/// key, and fails with [`super::Refusal::Pin`] before anything is sent otherwise. ALPN `h2`.
///
/// # Errors
/// If the provider cannot do TLS 1.3.
pub fn enrolling_client(pin: KeyFingerprint) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let config = accepting(Trust::Pin(pin))?.with_no_client_auth();
    Ok(finish(config, ALPN_GRPC))
}

/// For a machine whose certificate may have expired, to renew it: accepts controllers of its cluster, and shows
/// no certificate. ALPN `h2`.
///
/// # Errors
/// If the provider cannot do TLS 1.3.
pub fn renewing_client(credentials: impl Into<LiveCredentials>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let config = accepting(Trust::Cluster(credentials.into()))?.with_no_client_auth();
    Ok(finish(config, ALPN_GRPC))
}

/// For a node that dials controllers, on which connection the controller calls. ALPN `npanel-node/1`.
///
/// # Errors
/// If the provider cannot do TLS 1.3.
pub fn node_client(credentials: impl Into<LiveCredentials>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    authenticated(credentials.into(), ALPN_NODE)
}

/// For a controller that calls another. ALPN `h2`.
///
/// # Errors
/// If the provider cannot do TLS 1.3.
pub fn controller_client(
    credentials: impl Into<LiveCredentials>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    authenticated(credentials.into(), ALPN_GRPC)
}

/// The name to give to the handshake. It is neither sent nor checked: a controller is accepted for its identity.
pub fn fleet_server_name() -> ServerName<'static> {
    ServerName::try_from("controller.invalid").expect("a valid DNS name")
}

fn authenticated(credentials: LiveCredentials, alpn: &[u8]) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let shown = Arc::new(Shown(credentials.clone()));
    let config = accepting(Trust::Cluster(credentials))?.with_client_cert_resolver(shown);
    Ok(finish(config, alpn))
}

fn accepting(trust: Trust) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsSetupError> {
    let provider = provider();
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(ControllerVerifier { trust, provider })))
}

fn finish(mut config: ClientConfig, alpn: &[u8]) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}
