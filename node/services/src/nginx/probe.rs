//! What the web server really shows: a TLS handshake with a server name.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::ServiceError;

/// Between two looks. A site's own files are in effect at once; only a change of the base takes a moment.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until a handshake on this machine with the name (none: without one) shows this very certificate, and
/// proves that it has its key.
///
/// # Errors
/// If it does not within `deadline`.
pub(super) async fn shows(
    name: Option<&str>,
    certificate: &CertificateDer<'static>,
    deadline: Duration,
) -> Result<(), ServiceError> {
    let end = Instant::now() + deadline;
    let (connector, server) = client(name, certificate).map_err(|error| unverified(&error))?;
    loop {
        let error = match timeout_at(end, handshake(&connector, server.clone())).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + PAUSE >= end {
            return Err(unverified(&error));
        }
        sleep(PAUSE).await;
    }
}

async fn handshake(connector: &TlsConnector, server: ServerName<'static>) -> std::io::Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, 443)).await?;
    connector.connect(server, stream).await.map(|_| ())
}

fn client(
    name: Option<&str>,
    certificate: &CertificateDer<'static>,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Exactly { certificate: certificate.clone(), provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let server = match name {
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?,
        // An address is not sent as a server name.
        None => ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST))),
    };
    Ok((TlsConnector::from(Arc::new(config)), server))
}

fn unverified(error: &str) -> ServiceError {
    ServiceError::Unverified { service: "nginx", detail: format!("TLS handshake: {error}") }
}

/// Accepts one certificate, by its bytes.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if end_entity.as_ref() == self.certificate.as_ref() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another certificate is shown".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
