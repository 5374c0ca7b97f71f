//! Accepting connections and telling them apart.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use npanel_consensus::{ControllerService, Room, Shares, Standing};
use npanel_model::Timestamp;
use npanel_pki::{ChannelBinding, tls};
use npanel_proto::{ALPN_GRPC, ALPN_NODE, enrolment::enrolment_server::EnrolmentServer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{service::interceptor::InterceptedService, transport::Server};

use super::{
    FleetError, FleetParts, Shared,
    controllers::KnownControllers,
    enrolment::Enrolling,
    keys::Keys,
    node, revocation,
    stream::{Caller, FleetStream},
};
use crate::origin::origin;

/// Handshakes at once. One costs a P-256 signature, about 0.1 ms of a core; a peer that dawdles holds its place
/// for the deadline.
const HANDSHAKES: usize = 128;
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a machine that shows no certificate may stay: enrolling is one call.
const STRANGERS_STAY: Duration = Duration::from_secs(60);

/// Connections at one time of machines that show no certificate. A single address gets half of them.
const MOST_STRANGERS: usize = 512;

/// Connections of machines that show no certificate, by whom they come from.
pub type Strangers = Shares<IpAddr>;

/// Room for as many of them as a controller takes.
pub fn strangers() -> Strangers {
    Shares::new(Room { count: MOST_STRANGERS, bytes: 0 })
}

/// Calls at once on one connection, of a controller or a stranger.
const CALLS_PER_CONNECTION: u32 = 256;

/// The kernel is out of descriptors or the like; trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An enrolment request is a token, a key and two names.
const LARGEST_ENROLMENT: usize = 64 * 1024;

/// The fleet's port, open but not served yet.
pub struct FleetListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    revoking: watch::Sender<u64>,
}

impl FleetListener {
    /// Opens the port.
    ///
    /// # Errors
    /// If the address or this controller's credentials cannot be used.
    pub async fn bind(address: SocketAddr, parts: FleetParts) -> Result<Self, FleetError> {
        let acceptor = TlsAcceptor::from(tls::fleet_server(&parts.credentials)?);
        let listener =
            TcpListener::bind(address).await.map_err(|source| FleetError::Listen { address, source })?;
        let FleetParts { cluster, connections, credentials, authorities, strangers } = parts;
        let cluster_id = credentials.current().id().cluster;
        let (revoking, revocations) = watch::channel(0);
        let shared = Shared { cluster, connections, authorities, cluster_id, revocations, strangers };
        Ok(Self { listener, acceptor, shared: Arc::new(shared), revoking })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is dropped, which ends every connection.
    pub async fn serve(self) -> Infallible {
        let known = KnownControllers::shared();
        let (to_grpc, grpc_streams) = mpsc::channel(HANDSHAKES);
        let mut servers = JoinSet::new();
        servers.spawn(Arc::clone(&known).follow(self.shared.cluster.clone()));
        servers.spawn(serve_grpc(Arc::clone(&self.shared), known, grpc_streams));
        servers.spawn(revocation::follow(self.shared.cluster.clone(), self.revoking));

        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        let mut tasks = JoinSet::new();
        loop {
            let place = Arc::clone(&handshakes).acquire_owned().await.expect("the semaphore is never closed");
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        let (acceptor, shared) = (self.acceptor.clone(), Arc::clone(&self.shared));
                        let to_grpc = to_grpc.clone();
                        tasks.spawn(async move {
                            let Some(stream) = shake_hands(&acceptor, stream, address, place).await else { return };
                            dispatch(shared, stream, address, to_grpc).await;
                        });
                    }
                    Err(error) => {
                        tracing::error!(error = %error, "the fleet's port cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(error = %error, "a connection's task failed");
                    }
                }
            }
        }
    }
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    _place: OwnedSemaphorePermit,
) -> Option<TlsStream<TcpStream>> {
    // Small messages go back and forth: waiting to fill a packet would cost 40 ms each time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, error = %error, "a connection ended at once");
        return None;
    }
    match timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            let reason =
                tls::refusal(&error).map_or_else(|| error.to_string(), |refusal| refusal.to_string());
            tracing::info!(%address, reason, "a connection to the fleet's port was refused");
            None
        }
        Err(_) => {
            tracing::info!(%address, "a connection to the fleet's port took too long for its handshake");
            None
        }
    }
}

async fn dispatch(
    shared: Arc<Shared>,
    stream: TlsStream<TcpStream>,
    address: SocketAddr,
    to_grpc: mpsc::Sender<FleetStream>,
) {
    let connection = stream.get_ref().1;
    let protocol = connection.alpn_protocol().map(<[u8]>::to_vec);
    let peer = match tls::peer(connection) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%address, error = %error, "a certificate passed the handshake and cannot be read");
            return;
        }
    };
    let binding = ChannelBinding::of(connection).ok();
    let place = match &peer {
        Some(_) => None,
        None => match shared.strangers.enter(origin(address.ip()), 0, Standing::Ordinary) {
            Ok(place) => Some(place),
            Err(crowded) => {
                shared.strangers.refused(crowded);
                tracing::info!(%address, ?crowded, "there is no room for a connection without a certificate");
                return;
            }
        },
    };
    // A stranger only enrols or renews; a machine is known for as long as what it showed is valid.
    let stay = peer.as_ref().map_or(STRANGERS_STAY, |peer| peer.not_after.since(Timestamp::now()));
    let (stream, ended) = FleetStream::new(stream, Caller { peer, address, binding }, stay, place);
    match protocol.as_deref() {
        Some(ALPN_NODE) => node::serve(&shared, stream, ended).await,
        Some(ALPN_GRPC) => drop(to_grpc.send(stream).await),
        _ => tracing::info!(%address, "a connection to the fleet's port speaks none of its protocols"),
    }
}

async fn serve_grpc(shared: Arc<Shared>, known: Arc<KnownControllers>, streams: mpsc::Receiver<FleetStream>) {
    let keys = Arc::new(Keys::new(&shared));
    let controller = ControllerService::server(shared.cluster.clone(), keys);
    let controller = InterceptedService::new(controller, move |request| known.admit(request));
    let enrolment = EnrolmentServer::new(Enrolling::new(shared)).max_decoding_message_size(LARGEST_ENROLMENT);
    let served = Server::builder()
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_adaptive_window(Some(true))
        .add_service(controller)
        .add_service(enrolment)
        .serve_with_incoming(ReceiverStream::new(streams).map(Ok::<_, io::Error>))
        .await;
    if let Err(error) = served {
        tracing::error!(error = %error, "the fleet's gRPC server failed");
    }
}
