//! A node's connection, with the roles of HTTP/2 turned round.

use std::{io, time::Duration};

use hyper_util::rt::TokioIo;
use npanel_model::NodeId;
use npanel_pki::{Identity, Peer};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::{
    Shared,
    stream::{Ended, FleetStream},
};
use tonic::transport::server::Connected;

/// How soon a silent cut is noticed: a ping after the interval, given up after the timeout.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// HTTP/2's greeting is sent with the first bytes; a peer that does not take them is none.
const GREETING_DEADLINE: Duration = Duration::from_secs(5);

/// How soon a connection that a newer one has replaced is ended. A revocation is told at once.
const RECHECK: Duration = Duration::from_secs(5);

/// Keeps the connection in the registry until it ends, a newer one takes its place, or the node's identity is no
/// longer good.
pub(super) async fn serve(shared: &Shared, stream: FleetStream, mut ended: Ended) {
    let caller = stream.connect_info();
    let Some((node, peer)) = node_of(caller.peer) else {
        tracing::info!(address = %caller.address, "a peer that is not a node wants to be called as one");
        return;
    };
    if !is_good(shared, node, &peer).await {
        tracing::info!(%node, address = %caller.address, "a node that is not in the fleet was turned away");
        return;
    }
    let channel = match timeout(GREETING_DEADLINE, channel(stream)).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => {
            tracing::info!(%node, error = %error, "a node's connection failed at once");
            return;
        }
        Err(_) => return,
    };
    tracing::info!(%node, address = %caller.address, "a node is connected");
    let registration = shared.connections.register(node, channel);
    let mut recheck = interval(RECHECK);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revocations = shared.revocations.clone();
    loop {
        tokio::select! {
            _ = &mut ended => break,
            _ = recheck.tick() => {}
            Ok(()) = revocations.changed() => {}
        }
        if !registration.is_current() {
            break;
        }
        if !is_good(shared, node, &peer).await {
            tracing::info!(%node, "a node is no longer in the fleet; its connection ends");
            break;
        }
    }
    tracing::info!(%node, "a node's connection has ended");
}

fn node_of(peer: Option<Peer>) -> Option<(NodeId, Peer)> {
    let peer = peer?;
    match peer.id.identity {
        Identity::Node(node) => Some((node, peer)),
        Identity::Controller(_) => None,
    }
}

/// Whether this very certificate, which the handshake has found to be an authority's, was issued to the node and not revoked.
/// When the state cannot say, it is not.
async fn is_good(shared: &Shared, node: NodeId, peer: &Peer) -> bool {
    match shared.cluster.state().is_node_certificate_valid(node, &peer.serial, peer.not_before).await {
        Ok(valid) => valid,
        Err(error) => {
            tracing::error!(error = %error, "an identity cannot be looked up");
            false
        }
    }
}

/// A channel over the accepted connection. It cannot connect again: the node dials anew.
async fn channel(stream: FleetStream) -> Result<Channel, tonic::transport::Error> {
    let mut once = Some(TokioIo::new(stream));
    let connector = service_fn(move |_| {
        let stream = once.take().ok_or_else(|| io::Error::other("the node's connection has ended"));
        std::future::ready(stream)
    });
    Endpoint::from_static("http://node.invalid")
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_adaptive_window(true)
        .connect_with_connector(connector)
        .await
}
