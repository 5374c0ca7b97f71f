//! Whom the daemon serves, and what it does when a controller goes.

use std::time::Duration;

use npanel_model::{ControllerId, NodeId};
use npanel_pki::Identity;
use npanel_proto::node::{self, Controllers, HeartbeatRequest, InventoryRequest, WatchRequest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{
    controller::Controller,
    offers::{FENCE, account, push},
    place::{Daemon, authority, credentials, free_address, until},
};

#[tokio::test]
async fn every_controller_is_served_and_a_dead_one_disturbs_none() {
    let authority = authority();
    let (one, other) = (Controller::of(&authority).await, Controller::of(&authority).await);
    let dead = free_address().await;
    let _daemon = Daemon::start(&authority, &[dead, one.address(), other.address()]).await;
    for controller in [&one, &other] {
        let mut node = controller.node().await;
        node.heartbeat(HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() })
            .await
            .expect("a beat");
    }
}

#[tokio::test]
async fn a_controller_that_went_is_dialled_again() {
    let authority = authority();
    let controller = Controller::of(&authority).await;
    let _daemon = Daemon::start(&authority, &[controller.address()]).await;
    for _ in 0..3 {
        let mut node = controller.node().await;
        node.heartbeat(HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() })
            .await
            .expect("a beat");
    }
}

#[tokio::test]
async fn a_node_is_not_served_as_a_controller() {
    let authority = authority();
    let impostor = Controller::with(&credentials(&authority, Identity::Node(NodeId::generate()))).await;
    let _daemon = Daemon::start(&authority, &[impostor.address()]).await;
    assert!(impostor.accept().await.is_err());
}

#[tokio::test]
async fn a_controller_of_another_cluster_is_not_served() {
    let (ours, theirs) = (authority(), authority());
    let stranger = Controller::with(&credentials(&theirs, Identity::Controller(ControllerId(1)))).await;
    let _daemon = Daemon::start(&ours, &[stranger.address()]).await;
    assert!(stranger.accept().await.is_err());
}

/// A peer that shakes hands, says so much, and then answers nothing any more, not even pings.
async fn is_given_up_after(said: &[u8]) {
    let authority = authority();
    let controller = Controller::of(&authority).await;
    let _daemon = Daemon::start(&authority, &[controller.address()]).await;
    let begun = Instant::now();
    let mut silent = controller.accept().await.expect("a handshake");
    silent.write_all(said).await.expect("sent");
    silent.flush().await.expect("sent");
    let mut received = Vec::new();
    // The connection's end is what counts, not its manner.
    let ended = timeout(Duration::from_secs(15), silent.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "never given up");
    assert!(begun.elapsed() < Duration::from_secs(10), "given up after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_was_cut_silently_is_given_up_within_ten_seconds() {
    // HTTP/2's preface and an empty SETTINGS frame.
    is_given_up_after(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
}

#[tokio::test]
async fn a_controller_that_never_says_anything_is_given_up_too() {
    is_given_up_after(b"").await;
}

#[tokio::test]
async fn the_daemon_stops_in_time_while_it_is_watched_and_keeps_what_it_was_asked() {
    let authority = authority();
    let controller = Controller::of(&authority).await;
    let daemon = Daemon::start(&authority, &[controller.address()]).await;
    let mut node = controller.node().await;
    let _watch = node.watch(WatchRequest {}).await.expect("a watch");
    node.apply(push(FENCE, vec![account(1, "8.2")])).await.expect("an answer");
    let (directory, config) = daemon.stop().await;
    let _daemon = Daemon::run(directory, config, None);
    let mut node = controller.node().await;
    let inventory = node.inventory(InventoryRequest {}).await.expect("an inventory").into_inner();
    assert_eq!(inventory.entries.len(), 1);
}

fn list(present: &[u64], next_id: u64) -> HeartbeatRequest {
    told(present.iter().map(|id| (*id, format!("c{id}.invalid:8444"))), next_id)
}

fn told(present: impl IntoIterator<Item = (u64, String)>, next_id: u64) -> HeartbeatRequest {
    let one = |(id, address)| node::Controller { id, address };
    let controllers = Controllers { present: present.into_iter().map(one).collect(), next_id };
    HeartbeatRequest { fence: Some(FENCE), controllers: Some(controllers), ..HeartbeatRequest::default() }
}

#[tokio::test]
async fn a_controller_that_the_leader_tells_of_is_dialled_for_as_long_as_it_tells_of_it() {
    let authority = authority();
    let of = |id| credentials(&authority, Identity::Controller(ControllerId(id)));
    let (leader, joined) = (Controller::with(&of(1)).await, Controller::with(&of(2)).await);
    let daemon = Daemon::start(&authority, &[leader.address()]).await;
    let both = [(1, leader.address().to_string()), (2, joined.address().to_string())];
    let mut by_leader = leader.node().await;
    by_leader.heartbeat(told(both.clone(), 3)).await.expect("a beat");
    joined.node().await.inventory(InventoryRequest {}).await.expect("it is served");

    let (directory, config) = daemon.stop().await;
    let _daemon = Daemon::run(directory, config, None);
    let mut by_leader = leader.node().await;
    let by_joined = joined.node().await;
    by_joined.clone().inventory(InventoryRequest {}).await.expect("served after a restart, and nobody leads");
    by_leader.heartbeat(told(both[..1].to_vec(), 2)).await.expect("a beat");
    let ended = || {
        let mut by_joined = by_joined.clone();
        async move { by_joined.inventory(InventoryRequest {}).await.err() }
    };
    until("it is left when it is not told of any more", ended).await;
}

#[tokio::test]
async fn a_controller_is_dialled_at_the_address_that_is_told_only_while_the_configured_one_leads_nowhere() {
    let authority = authority();
    let identity = credentials(&authority, Identity::Controller(ControllerId(1)));
    let (configured, told_of) = (Controller::with(&identity).await, Controller::with(&identity).await);
    let _daemon = Daemon::start(&authority, &[configured.address()]).await;
    let mut by_configured = configured.node().await;
    let list = told([(1, told_of.address().to_string())], 2);
    by_configured.heartbeat(list).await.expect("a beat");
    assert!(timeout(Duration::from_secs(5), told_of.accept()).await.is_err(), "one connection is enough");

    drop((configured, by_configured));
    told_of.node().await.inventory(InventoryRequest {}).await.expect("it is served where the leader said");
}

/// Waits until the daemon leaves every connection that it makes to this controller, as soon as it has seen whose it is.
async fn is_left(controller: &Controller) {
    until("it is left", || async {
        let mut stream = controller.accept().await.ok()?;
        let mut received = Vec::new();
        timeout(Duration::from_secs(2), stream.read_to_end(&mut received)).await.ok().map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_controller_that_was_removed_is_left_and_stays_so_through_a_restart() {
    let authority = authority();
    let of = |id| credentials(&authority, Identity::Controller(ControllerId(id)));
    let (leader, removed) = (Controller::with(&of(1)).await, Controller::with(&of(2)).await);
    let newest = Controller::with(&of(4)).await;
    let addresses = [leader.address(), removed.address(), newest.address()];
    let daemon = Daemon::start(&authority, &addresses).await;
    let (mut by_leader, by_removed) = (leader.node().await, removed.node().await);
    let mut by_newest = newest.node().await;
    by_leader.heartbeat(list(&[1, 2], 3)).await.expect("a beat");
    by_removed.clone().inventory(InventoryRequest {}).await.expect("it is listed");

    by_leader.heartbeat(list(&[1, 3], 4)).await.expect("a beat");
    let refused = || {
        let mut by_removed = by_removed.clone();
        async move { by_removed.inventory(InventoryRequest {}).await.err() }
    };
    until("the connection ends", refused).await;
    is_left(&removed).await;
    by_leader.inventory(InventoryRequest {}).await.expect("it is listed");
    by_newest.inventory(InventoryRequest {}).await.expect("it is too new to be listed");

    let (directory, config) = daemon.stop().await;
    let _daemon = Daemon::run(directory, config, None);
    let mut by_leader = leader.node().await;
    is_left(&removed).await;
    by_leader.inventory(InventoryRequest {}).await.expect("it is listed");
}

#[tokio::test]
async fn a_deposed_leader_removes_nobody() {
    let authority = authority();
    let of = |id| credentials(&authority, Identity::Controller(ControllerId(id)));
    let (deposed, other) = (Controller::with(&of(1)).await, Controller::with(&of(2)).await);
    let _daemon = Daemon::start(&authority, &[deposed.address(), other.address()]).await;
    let (mut by_deposed, mut by_other) = (deposed.node().await, other.node().await);
    let newer = node::Fence { term: FENCE.term + 1, ..FENCE };
    by_other.heartbeat(HeartbeatRequest { fence: Some(newer), ..list(&[1, 2], 3) }).await.expect("a beat");
    by_deposed.heartbeat(list(&[1], 3)).await.expect_err("its fence is old");
    by_other.inventory(InventoryRequest {}).await.expect("it is listed");
}
