//! Accepting HTTPS connections.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use npanel_consensus::{Place, Room, Shares, Standing};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::{
    client_address::Peer,
    idle::{Activity, Attended},
};
use crate::origin::origin;

/// Connections at one time: each costs a file descriptor and some buffers. A single address gets half of them.
const MOST_CONNECTIONS: usize = 4096;
/// What a client may send on a connection before it is read: with all connections, a quarter of a GiB.
const UNREAD_BYTES: u32 = 64 * 1024;
/// The lines of a request's head together.
const LONGEST_HEAD: u32 = 32 * 1024;
/// Streams at one time on an HTTP/2 connection.
const MOST_STREAMS: u32 = 128;
/// How long a client may take for the TLS handshake, and for a request's header.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may leave what it was sent unread.
const UNREAD_MILLIS: u32 = 30_000;
/// How long requests at work may go on after the stop.
const GRACE: Duration = Duration::from_secs(10);

/// Becomes `true` when the controller stops: answers without an end are to end then.
#[derive(Debug, Clone)]
pub(super) struct Stopping(pub(super) watch::Receiver<bool>);

/// Open connections, by whom they come from.
pub type Connections = Shares<IpAddr>;

/// Room for as many connections as a controller takes.
pub fn connections() -> Connections {
    Shares::new(Room { count: MOST_CONNECTIONS, bytes: 0 })
}

/// Serves the API on a listener until `stop` ends; then lets requests at work finish, for ten seconds. A connection on which nothing was
/// asked for as long as `idle` is closed.
///
/// # Errors
/// Never for a single connection; if the listener itself is broken.
pub async fn serve(
    router: Router,
    connections: Connections,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    idle: Duration,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    // Ends when the last connection has.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let (stop_answers, stopping) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Of one connection, or for want of file descriptors: others may fare better.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let place = match connections.enter(origin(peer.ip()), 0, Standing::Ordinary) {
            Ok(place) => place,
            Err(crowded) => {
                // It is closed: nothing was read of it, not even a handshake.
                connections.refused(crowded);
                tracing::debug!(%peer, ?crowded, "there is no room for a connection");
                continue;
            }
        };
        let connection = Connection {
            stream,
            peer,
            place,
            router: router.clone(),
            acceptor: acceptor.clone(),
            stopping: Stopping(stopping.clone()),
            idle,
            _open: open.clone(),
        };
        tokio::spawn(connection.run());
    }
    drop((listener, open));
    stop_answers.send_replace(true);
    if timeout(GRACE, all_closed.recv()).await.is_err() {
        tracing::warn!("requests were cut off at the stop");
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    place: Place<IpAddr>,
    router: Router,
    acceptor: TlsAcceptor,
    stopping: Stopping,
    idle: Duration,
    _open: mpsc::Sender<Infallible>,
}

impl Connection {
    async fn run(self) {
        let peer = self.peer;
        // A small answer must not wait for the acknowledgement of the one before.
        if let Err(error) = self.stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
        }
        // Whoever takes nothing of an answer for so long is not waited for any longer.
        if let Err(error) = setsockopt(&self.stream, TcpUserTimeout, &UNREAD_MILLIS) {
            tracing::debug!(%peer, %error, "TCP_USER_TIMEOUT could not be set");
        }
        let stream = match timeout(PATIENCE, self.acceptor.accept(self.stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "the TLS handshake took too long"),
        };
        let (router, stopping, activity) = (self.router, self.stopping, Activity::begin());
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(stopping.clone());
            let (answer, at_work) = (router.clone().oneshot(request.map(Body::new)), activity.enter());
            async move { answer.await.map(|answer| answer.map(|body| Attended { body, _at_work: at_work })) }
        });
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut told = stopping.0.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            // An error means that it stops, too.
            () = async { drop(told.wait_for(|stopping| *stopping).await) } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = activity.end(self.idle) => {
                connection.as_mut().graceful_shutdown();
                timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
        drop(self.place);
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LONGEST_HEAD as usize * 2);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LONGEST_HEAD)
        .initial_connection_window_size(UNREAD_BYTES)
        .initial_stream_window_size(UNREAD_BYTES)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(PATIENCE);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_connections_to_others() {
        let connections = connections();
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let all: Vec<_> = std::iter::from_fn(|| connections.enter(one, 0, Standing::Ordinary).ok()).collect();
        assert_eq!(all.len(), MOST_CONNECTIONS / 2);
        assert!(connections.enter(other, 0, Standing::Ordinary).is_ok());
    }
}
