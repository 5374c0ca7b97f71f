//! A stand-in for a controller: its fleet port.

use std::{io, net::SocketAddr};

use hyper_util::rt::TokioIo;
use npanel_model::ControllerId;
use npanel_pki::{CertificateAuthority, Credentials, Identity, tls};
use npanel_proto::{ALPN_NODE, node::node_client::NodeClient};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::{Channel, Endpoint};

use crate::place::{PATIENCE, credentials};

pub(crate) struct Controller {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Controller {
    pub(crate) async fn of(authority: &CertificateAuthority) -> Self {
        Self::with(&credentials(authority, Identity::Controller(ControllerId(1)))).await
    }

    pub(crate) async fn with(credentials: &Credentials) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let acceptor = TlsAcceptor::from(tls::fleet_server(credentials).expect("TLS"));
        Self { listener, acceptor }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// The next connection, or why there is none.
    pub(crate) async fn accept(&self) -> io::Result<TlsStream<TcpStream>> {
        let accepted = timeout(PATIENCE, self.listener.accept()).await.expect("a dial in time");
        self.acceptor.accept(accepted?.0).await
    }

    /// The next connection, with the roles turned round.
    pub(crate) async fn node(&self) -> NodeClient<Channel> {
        let stream = self.accept().await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN_NODE));
        let mut once = Some(TokioIo::new(stream));
        let connect = tower::service_fn(move |_| {
            std::future::ready(once.take().ok_or_else(|| io::Error::other("the connection has ended")))
        });
        let endpoint = Endpoint::from_static("http://node.invalid");
        NodeClient::new(endpoint.connect_with_connector(connect).await.expect("a channel"))
    }
}
