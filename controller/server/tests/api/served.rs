//! The API over TLS.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use npanel_client::{Client, Config};
use npanel_model::{ControllerId, Secret, Timestamp};
use npanel_pki::{CertificateAuthority, ClusterId, Credentials, Identity, PrivateKey, Serial, tls};
use npanel_server::http::{IDLE, Services, connections, router, serve};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::Fleet;

/// A fleet whose API is served over TLS.
pub(crate) struct Served {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) address: SocketAddr,
    pub(crate) ca: Vec<u8>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(IDLE, |_| ()).await
    }

    /// One that closes idle connections after so long, and whose API is made of something else in part.
    pub(crate) async fn with(idle: Duration, change: impl FnOnce(&mut Services)) -> Self {
        Self::of(Fleet::with(change).await, idle).await
    }

    /// One of a fleet that is there already.
    pub(crate) async fn of(fleet: Fleet, idle: Duration) -> Self {
        tls::install_provider();
        let fleet = Arc::new(fleet);
        let authority =
            CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
        let credentials = credentials(&authority);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = tls::api_server(&credentials).expect("a configuration");
        let stopped = async move { stopped.await.unwrap_or_default() };
        let served = tokio::spawn(serve(
            router(fleet.services.clone()),
            connections(),
            listener,
            server,
            idle,
            stopped,
        ));
        let ca = authority.certificate_pem().into_bytes();
        Self { fleet, address, ca, stop, served }
    }

    pub(crate) fn config(&self, urls: &[&str]) -> Config {
        let urls = urls.iter().map(|url| (*url).to_owned()).chain([format!("https://{}", self.address)]);
        Config::new(urls.collect(), Secret::new(self.fleet.admin.as_str()))
            .with_ca(self.ca.clone())
            .with_patience(Duration::ZERO)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.config(&[])).expect("a client")
    }
}

fn credentials(authority: &CertificateAuthority) -> Credentials {
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let names = ["127.0.0.1".try_into().expect("a name")];
    let identity = Identity::Controller(ControllerId(1));
    let issued = authority.issue(&request, identity, &names, Serial::generate(), Timestamp::now());
    Credentials::new(key, issued.expect("issued").chain, vec![authority.certificate().clone()])
        .expect("credentials")
}

/// What sends on an HTTP/2 connection; it ends when the server ends it.
pub(crate) async fn http2<B>(
    served: &Served,
) -> (hyper::client::conn::http2::SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = connect(served, b"h2").await;
    let (send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
    (send, tokio::spawn(connection))
}

/// A connection whose handshake is done.
pub(crate) async fn connect(served: &Served, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&served.ca).expect("a certificate")).expect("a root");
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(served.address).await.expect("a connection");
    let name = "127.0.0.1".try_into().expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}
