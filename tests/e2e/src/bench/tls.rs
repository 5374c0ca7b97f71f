//! Connections over TLS, the same to the controllers and to what they are held against.

use std::{io, sync::Arc};

use anyhow::Result;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Which speaks this protocol (`h2`, `http/1.1`).
    pub(crate) fn trusting(
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
        protocol: &str,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority)?;
        }
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// Connects to `ADDRESS:PORT`, which must prove to be that address.
    pub(crate) async fn connect(&self, address: &str) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await.map(TokioIo::new)
    }
}
