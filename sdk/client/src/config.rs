//! What a client needs to know.

use std::{sync::Arc, time::Duration};

use npanel_model::Secret;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::Error;

/// Where the controllers are and how to speak to them.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) api_urls: Vec<String>,
    pub(crate) api_key: Secret,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) request_timeout: Duration,
    pub(crate) patience: Duration,
}

impl Config {
    /// Controllers to try in this order (`https://host:port`), and the API key.
    pub fn new(api_urls: Vec<String>, api_key: Secret) -> Self {
        Self {
            api_urls,
            api_key,
            ca_pem: None,
            request_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(15),
        }
    }

    /// Trusts the certificate authorities in `pem`, and no others. Without it, the machine's are trusted.
    #[must_use]
    pub fn with_ca(mut self, pem: Vec<u8>) -> Self {
        self.ca_pem = Some(pem);
        self
    }

    /// How long to go on trying while no controller can take a request: an election takes a second or two.
    /// Zero: every controller is tried once.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn http(&self) -> Result<reqwest::Client, Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("npanel-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let builder = match &self.ca_pem {
            Some(pem) => builder.tls_backend_preconfigured(trusting(pem)?),
            None => {
                install_provider();
                builder.tls_backend_rustls()
            }
        };
        builder.build().map_err(|error| Error::Configuration(format!("the HTTP client: {error}")))
    }
}

fn install_provider() {
    // An error means that one is installed already, which serves as well.
    let _ = CryptoProvider::install_default(aws_lc_rs::default_provider());
}

fn trusting(pem: &[u8]) -> Result<ClientConfig, Error> {
    let refused = |what: String| Error::Configuration(format!("the CA file: {what}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("no certificate in it".to_owned()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(trusting(pem), Err(Error::Configuration(_))));
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let config = Config::new(vec![], Secret::new("npk_x.hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
