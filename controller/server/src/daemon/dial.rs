//! Connections from this controller to others.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use npanel_consensus::Dial;
use npanel_model::ControllerId;
use npanel_pki::{Identity, LiveCredentials, tls};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// A peer on the same network that does not answer in this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How soon a silent cut is noticed: a ping after the interval, given up after the timeout.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Dials controllers with this controller's identity, as it is at each dial.
pub(super) struct FleetDial {
    tls: Arc<ClientConfig>,
}

impl FleetDial {
    pub(super) fn new(credentials: &LiveCredentials) -> Result<Self, tls::TlsSetupError> {
        Ok(Self { tls: tls::controller_client(credentials)? })
    }
}

impl Dial for FleetDial {
    fn channel(&self, controller: ControllerId, address: &str) -> Channel {
        lazy_channel(Arc::clone(&self.tls), address.to_owned(), Some(controller))
    }
}

/// A channel that connects when it is used. `expected`: the one controller that may answer.
pub(super) fn lazy_channel(
    tls: Arc<ClientConfig>,
    address: String,
    expected: Option<ControllerId>,
) -> Channel {
    let connector = service_fn(move |_| {
        let (tls, address) = (Arc::clone(&tls), address.clone());
        async move { connect(tls, &address, expected).await.map(TokioIo::new) }
    });
    // The address that tonic sees is only a name; the connector knows the real one.
    Endpoint::from_static("http://controller.invalid")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector)
}

async fn connect(
    tls: Arc<ClientConfig>,
    address: &str,
    expected: Option<ControllerId>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream = TlsConnector::from(tls).connect(tls::fleet_server_name(), stream).await?;
    if let Some(expected) = expected {
        let peer = tls::peer(stream.get_ref().1).map_err(io::Error::other)?;
        let identity = peer.map(|peer| peer.id.identity);
        if identity != Some(Identity::Controller(expected)) {
            return Err(io::Error::other(format!(
                "controller {expected} was expected at {address}, another answered"
            )));
        }
    }
    Ok(stream)
}
