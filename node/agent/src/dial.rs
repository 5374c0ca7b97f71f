//! Connections to the controllers: the node dials, and serves what it dialled.

use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use npanel_model::{ControllerId, NodeName};
use npanel_pki::{Credentials, CredentialsError, Identity, IdentityFiles, SpiffeId, tls};
use npanel_proto::{ALPN_NODE, node::node_server::NodeServer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, join, split},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Endpoint, owner, retry::Retry, roster::Roster, service::NodeService, telemetry::Metrics,
};

/// For each of connecting and shaking hands.
const DEADLINE: Duration = Duration::from_secs(5);

/// A silent cut is noticed after a ping's interval and its timeout: 8 s.
const PING_EVERY: Duration = Duration::from_secs(3);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The length of HTTP/2's connection preface (RFC 9113, 3.4).
const GREETING: usize = 24;

/// A connection that lasted this long was a good one.
const LASTED: Duration = Duration::from_secs(10);

/// After so many connections in a row that did not last, the controller is taken to turn the node away: in TLS 1.3 a client
/// learns only after the handshake that its certificate is refused.
const TURNED_AWAY: u32 = 3;

/// Calls at once on one connection.
const CALLS: u32 = 128;

/// The largest push: some thousands of objects.
const LARGEST_REQUEST: usize = 32 * 1024 * 1024;

/// How long a connection is kept beside the one that replaces it: the controller ends it before.
const HANDOVER: Duration = Duration::from_secs(10);

/// How long calls may take to end when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no connection to a controller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The node has no identity yet.
    #[error("this node is not enrolled (run: npanel-node enroll)")]
    NotEnrolled,
    /// The identity is of another node than the ledger: the daemon begins anew within seconds.
    #[error("this machine has become another node")]
    AnotherNode,
    /// The identity cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// TLS cannot be set up with it.
    #[error(transparent)]
    Tls(#[from] tls::TlsSetupError),
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The peer is none that the node may serve.
    #[error("the controller was refused: {0}")]
    Refused(tls::Refusal),
    /// The handshake failed otherwise.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The peer does not speak the protocol.
    #[error("the controller does not speak npanel-node/1")]
    Protocol,
    /// It may not be served any more.
    #[error("{0} was removed from the cluster; take its address out of the configuration")]
    Removed(SpiffeId),
    /// It took too long.
    #[error("no answer within {DEADLINE:?}")]
    Timeout,
    /// The peer's certificate cannot be read; the handshake should not have let it pass.
    #[error("the controller showed no identity")]
    NoPeer,
}

/// Why a connection broke.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("the controller says nothing")]
    Silent,
    #[error("the connection broke before the controller said anything")]
    Greeting(#[source] io::Error),
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
}

/// Who answers where now.
pub(crate) type Reached = watch::Sender<BTreeMap<Endpoint, ControllerId>>;

/// What is the same for every controller.
#[derive(Clone)]
pub(crate) struct Dial {
    /// Who dials.
    pub(crate) name: NodeName,
    /// As whom; read at each dial, so that a new identity needs no restart.
    pub(crate) identity: IdentityFiles,
    /// Where it is written down whose the ledger is.
    pub(crate) data_directory: PathBuf,
    /// What is served.
    pub(crate) service: NodeService,
    /// Who may be.
    pub(crate) roster: Arc<Roster>,
    /// Where connections are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Moves when the certificate is renewed: the connection is then made anew before the old one is given up.
    pub(crate) renewals: watch::Receiver<u64>,
    /// Moves when the controller ends connections as soon as they are there, again and again.
    pub(crate) turned_away: watch::Sender<u64>,
}

/// Dials one controller again and again, and serves it.
pub(crate) struct Dialler {
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// Who answers there.
    pub(crate) reached: Reached,
    /// How it is dialled.
    pub(crate) dial: Dial,
}

impl Dialler {
    /// Never ends before `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut retry = Retry::new(format!("{} {}", self.dial.name, self.endpoint));
        self.dial.metrics.connection(&self.endpoint, false);
        let mut told = false;
        let mut ended_at_once = 0_u32;
        let mut renewals = self.dial.renewals.clone();
        while !stop.is_cancelled() {
            // Before the identity is read: a renewal from here on makes the connection an old one.
            renewals.mark_unchanged();
            let dialled = tokio::select! {
                dialled = self.connect() => dialled,
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok((stream, peer)) => {
                    told = false;
                    if self.hold(stream, peer, &mut renewals, &stop).await >= LASTED {
                        retry.succeeded();
                        ended_at_once = 0;
                    } else {
                        ended_at_once += 1;
                    }
                    if ended_at_once >= TURNED_AWAY {
                        self.dial.turned_away.send_modify(|times| *times += 1);
                    }
                }
                Err(error) => {
                    self.tell(&error, told);
                    told = true;
                }
            }
            tokio::select! {
                () = sleep(retry.wait()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A controller that stays away is worth one warning.
    fn tell(&self, error: &DialError, told: bool) {
        let (controller, error) = (self.endpoint.as_str(), error as &dyn std::error::Error);
        if told {
            tracing::debug!(controller, error, "still no connection");
        } else {
            tracing::warn!(controller, error, "no connection; dialling on");
        }
    }

    /// Serves the connection, and those that replace it. Returns how long there was one.
    async fn hold(
        &self,
        stream: TlsStream<TcpStream>,
        peer: SpiffeId,
        renewals: &mut watch::Receiver<u64>,
        stop: &CancellationToken,
    ) -> Duration {
        let controller = self.endpoint.as_str();
        let begun = Instant::now();
        tracing::info!(controller, %peer, "connected");
        self.dial.metrics.connection(&self.endpoint, true);
        let _reached = Reaching::begin(self, peer);
        let mut serving = JoinSet::new();
        let all = stop.child_token();
        let mut newest = all.child_token();
        serving.spawn(serve(self.dial.service.clone(), stream, newest.clone()));
        let ended = loop {
            tokio::select! {
                Some(ended) = serving.join_next() => if serving.is_empty() { break ended },
                () = self.dial.roster.until_gone(peer), if !all.is_cancelled() => {
                    tracing::warn!(controller, %peer, "the controller was removed from the cluster; it is left");
                    all.cancel();
                }
                Ok(()) = renewals.changed() => match self.connect().await {
                    Ok((stream, _)) => {
                        tracing::debug!(controller, "connected with the new certificate");
                        let replaced = std::mem::replace(&mut newest, all.child_token());
                        serving.spawn(serve(self.dial.service.clone(), stream, newest.clone()));
                        tokio::spawn(async move {
                            sleep(HANDOVER).await;
                            replaced.cancel();
                        });
                    }
                    Err(error) => self.tell(&error, false),
                },
            }
        };
        self.dial.metrics.connection(&self.endpoint, false);
        match ended {
            Ok(Ok(())) => tracing::info!(controller, "the connection ended"),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(controller, error, "the connection broke");
            }
            Err(_) => tracing::error!(controller, "the connection's task has a fault"),
        }
        begun.elapsed()
    }

    async fn connect(&self) -> Result<(TlsStream<TcpStream>, SpiffeId), DialError> {
        let credentials: Credentials = self.dial.identity.load()?.ok_or(DialError::NotEnrolled)?;
        // What it would serve is the other node's ledger, and it would count as a node on which nothing lies.
        if owner::is_anothers(&self.dial.data_directory, &credentials) {
            return Err(DialError::AnotherNode);
        }
        let connector = TlsConnector::from(tls::node_client(&credentials)?);
        let stream = connect(&self.endpoint).await.map_err(DialError::Connect)?;
        let shaking = connector.connect(tls::fleet_server_name(), stream);
        let stream = timeout(DEADLINE, shaking)
            .await
            .map_err(|_| DialError::Timeout)?
            .map_err(|error| tls::refusal(&error).map_or(DialError::Handshake(error), DialError::Refused))?;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() != Some(ALPN_NODE) {
            return Err(DialError::Protocol);
        }
        let peer = tls::peer(connection).ok().flatten().ok_or(DialError::NoPeer)?;
        if self.dial.roster.is_gone(peer.id) {
            return Err(DialError::Removed(peer.id));
        }
        Ok((stream, peer.id))
    }
}

/// For as long as a controller answers at an endpoint.
struct Reaching<'a>(&'a Dialler);

impl<'a> Reaching<'a> {
    fn begin(dialler: &'a Dialler, peer: SpiffeId) -> Self {
        if let Identity::Controller(id) = peer.identity {
            dialler.reached.send_modify(|reached| _ = reached.insert(dialler.endpoint.clone(), id));
        }
        Self(dialler)
    }
}

impl Drop for Reaching<'_> {
    fn drop(&mut self) {
        self.0.reached.send_modify(|reached| _ = reached.remove(&self.0.endpoint));
    }
}

/// Until the controller ends the connection, it breaks, or it is given up.
async fn serve(
    service: NodeService,
    stream: TlsStream<TcpStream>,
    give_up: CancellationToken,
) -> Result<(), ServeError> {
    let stream = greeted(stream).await?;
    let service = NodeServer::new(service).max_decoding_message_size(LARGEST_REQUEST);
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(CALLS)
            .adaptive_window(true)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
    );
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = give_up.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    Ok(timeout(FAREWELL, connection).await.unwrap_or(Ok(()))?)
}

/// Waits for the controller's first bytes, which HTTP/2 has it send at once: until they are there, the server
/// sends no pings, and a silent cut would never be noticed.
async fn greeted(stream: TlsStream<TcpStream>) -> Result<impl AsyncRead + AsyncWrite + Unpin, ServeError> {
    let (mut reader, writer) = split(stream);
    let mut greeting = [0; GREETING];
    let received = timeout(DEADLINE, reader.read_exact(&mut greeting)).await;
    received.map_err(|_| ServeError::Silent)?.map_err(ServeError::Greeting)?;
    Ok(join(Cursor::new(greeting).chain(reader), writer))
}

/// A TCP connection to a controller, within the deadline.
pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let stream = timeout(DEADLINE, TcpStream::connect(endpoint.as_str())).await??;
    // Small messages go back and forth: none may wait to be joined by another.
    stream.set_nodelay(true)?;
    Ok(stream)
}
