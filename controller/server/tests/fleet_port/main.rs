//! The fleet's port over real sockets: who may speak to it, and about what.

mod controller;
mod renewal;
mod revocation;

use std::{sync::Arc, time::Duration};

use controller::{Controller, enrol_up_to, enrol_with, enrolment, joined, node_credentials, raft_message};
use npanel_consensus::Standing;
use npanel_model::{NodeId, Timestamp};
use npanel_pki::{BootstrapToken, Identity, JoinKey, KeyFingerprint, Serial, TokenSecret, tls};
use npanel_proto::{
    controller::JoinRequest,
    enrolment::{EnrolRequest, Role},
};
use npanel_state::FEATURE_LEVEL;
use tonic::Code;

#[tokio::test]
async fn a_machine_with_a_token_becomes_a_node_and_is_connected() {
    let controller = Controller::start().await;
    let token = controller.token("node", 1).await;
    let (key, answer) = enrol_with(&controller, &token, Role::Node, "n1").await;
    let credentials = joined(key, answer.expect("enrolled"));
    let Identity::Node(id) = credentials.id().identity else { panic!("not a node") };
    let node = controller.state().node(id).await.expect("a query").expect("a node");
    assert_eq!((node.name.as_str(), node.pool.as_str()), ("n1", "default"));

    let connection = controller.dial(tls::node_client(&credentials).expect("a configuration")).await;
    controller.until("the node is connected", || controller.connections.is_connected(id)).await;
    drop(connection);
    controller.until("its connection's end is seen", || !controller.connections.is_connected(id)).await;
}

#[tokio::test]
async fn every_useless_token_gets_the_same_answer() {
    let controller = Controller::start().await;
    let good = controller.token("node", 1).await;
    let (_, first) = enrol_with(&controller, &good, Role::Node, "n1").await;
    first.expect("the first use");

    let unused = controller.token("node", 1).await;
    let mut wrong_secret = unused.clone();
    wrong_secret.credential.secret = TokenSecret::generate();
    let unknown = BootstrapToken::generate(unused.pin);
    let for_controllers = controller.token("controller", 1).await;
    let api_key = BootstrapToken { credential: controller.api_key.clone(), pin: unused.pin };
    for (what, token) in [
        ("used", &good),
        ("wrong secret", &wrong_secret),
        ("unknown", &unknown),
        ("another role", &for_controllers),
        ("an API key", &api_key),
    ] {
        let (_, answer) = enrol_with(&controller, token, Role::Node, "n2").await;
        let status = answer.expect_err(what);
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "the token is not valid"),
            "{what}"
        );
    }
    let (_, answer) = enrol_with(&controller, &unused, Role::Node, "n2").await;
    answer.expect("a failed try with another secret uses nothing up");
}

#[tokio::test]
async fn a_token_is_used_once_whoever_is_first() {
    let controller = Controller::start().await;
    let token = controller.token("node", 1).await;
    let tries = (0..4).map(|number| {
        let (controller, token) = (&controller, &token);
        async move { enrol_with(controller, token, Role::Node, &format!("n{number}")).await.1.is_ok() }
    });
    let successes = futures::future::join_all(tries).await.into_iter().filter(|ok| *ok).count();
    assert_eq!(successes, 1);
}

#[tokio::test]
async fn a_taken_name_is_named_and_uses_nothing_up() {
    let controller = Controller::start().await;
    let token = controller.token("node", 2).await;
    enrol_with(&controller, &token, Role::Node, "n1").await.1.expect("enrolled");
    let refused = enrol_with(&controller, &token, Role::Node, "n1").await.1.expect_err("taken");
    assert_eq!(refused.code(), Code::AlreadyExists);
    enrol_with(&controller, &token, Role::Node, "n2").await.1.expect("still of use");
}

#[tokio::test]
async fn a_wrong_pin_is_named_and_the_token_is_not_sent() {
    let controller = Controller::start().await;
    let mut token = controller.token("node", 1).await;
    token.pin = KeyFingerprint::of_spki(b"another authority");
    let refused = enrol_with(&controller, &token, Role::Node, "n1").await.1.expect_err("refused");
    let shown = format!("{refused:?}");
    assert!(shown.contains("Pin"), "{shown}");
    token.pin = controller.pin();
    enrol_with(&controller, &token, Role::Node, "n1").await.1.expect("the token was never seen");
}

#[tokio::test]
async fn a_controller_that_enrols_gets_the_clusters_keys() {
    let controller = Controller::start().await;
    let token = controller.token("controller", 1).await;
    let (key, answer) = enrol_with(&controller, &token, Role::Controller, "c2").await;
    let credentials = joined(key, answer.expect("enrolled"));
    assert_eq!(credentials.id().identity.to_string(), "controller/2");
    let sealing = JoinKey::generate().expect("a key");
    let mut client = controller.calls(tls::controller_client(&credentials).expect("a configuration"));
    let request = JoinRequest { sealing_key: sealing.public().to_vec() };
    let answer = client.join(request).await.expect("the keys").into_inner();
    let secrets = sealing.open(credentials.id(), &answer.sealed_keys).expect("opened");
    assert_eq!(secrets.authority().expect("an authority").pin(), controller.pin());
}

#[tokio::test]
async fn a_controller_that_does_not_go_as_far_as_the_cluster_is_not_enrolled() {
    let controller = Controller::start().await;
    let token = controller.token("controller", 1).await;
    // One of a version that does not say how far it goes; one that is held.
    for level in [0, FEATURE_LEVEL - 1] {
        let (_, answer) = enrol_up_to(&controller, &token, Role::Controller, "c2", level).await;
        let refused = answer.expect_err("it could not go on with the state");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let said = format!("at feature level {FEATURE_LEVEL}, and this controller goes up to 3");
        assert!(refused.message().contains(&said), "{refused}");
    }
    let (_, answer) = enrol_with(&controller, &token, Role::Controller, "c2").await;
    answer.expect("the token is not used up");
}

#[tokio::test]
async fn only_controllers_reach_the_controllers_service() {
    let controller = Controller::start().await;
    let stranger = controller.calls(tls::enrolling_client(controller.pin()).expect("a configuration"));
    let node = node_credentials(&controller).await;
    // A node's key and certificate, on a connection that speaks what controllers speak.
    let posing = controller.calls(tls::controller_client(&node).expect("a configuration"));
    for (mut client, code) in [(stranger, Code::Unauthenticated), (posing, Code::PermissionDenied)] {
        let sealing_key = JoinKey::generate().expect("a key").public().to_vec();
        assert_eq!(client.join(JoinRequest { sealing_key }).await.expect_err("refused").code(), code);
        assert_eq!(client.vote(raft_message()).await.expect_err("refused").code(), code);
        assert_eq!(client.append_entries(raft_message()).await.expect_err("refused").code(), code);
        assert_eq!(
            client
                .propose(npanel_proto::controller::ProposeRequest::default())
                .await
                .expect_err("refused")
                .code(),
            code
        );
    }
}

#[tokio::test]
async fn a_node_that_the_state_does_not_know_is_turned_away() {
    let controller = Controller::start().await;
    let ghost = controller.issue(Identity::Node(NodeId::generate()), Serial::generate(), Timestamp::now());
    let Identity::Node(id) = ghost.id().identity else { panic!("not a node") };
    let mut connection = controller.dial(tls::node_client(&ghost).expect("a configuration")).await;
    controller::until_closed(&mut connection).await;
    assert!(!controller.connections.is_connected(id));
}

#[tokio::test]
async fn a_controller_is_not_taken_for_a_node() {
    let controller = Controller::start().await;
    let mut config = (*tls::controller_client(&controller.credentials()).expect("a configuration")).clone();
    config.alpn_protocols = vec![npanel_proto::ALPN_NODE.to_vec()];
    let mut connection = controller.dial(Arc::new(config)).await;
    controller::until_closed(&mut connection).await;
}

#[tokio::test]
async fn a_peer_that_dawdles_with_its_handshake_is_cut_off() {
    let controller = Controller::start().await;
    let mut silent = tokio::net::TcpStream::connect(controller.address).await.expect("a connection");
    let closed = tokio::time::timeout(Duration::from_secs(15), controller::until_closed(&mut silent)).await;
    assert!(closed.is_ok());
    let mut client = enrolment(&controller, controller.pin());
    let status = client.enrol(EnrolRequest::default()).await.expect_err("nothing asked");
    assert_eq!(status.code(), Code::InvalidArgument, "others are served meanwhile");
}

#[tokio::test]
async fn machines_without_a_certificate_leave_room_and_keep_nobody_out_who_has_one() {
    let controller = Controller::start().await;
    let places: Vec<_> =
        std::iter::from_fn(|| controller.strangers.enter([127, 0, 0, 1].into(), 0, Standing::Ordinary).ok())
            .collect();
    let mut client = enrolment(&controller, controller.pin());
    let status = client.enrol(EnrolRequest::default()).await.expect_err("there is no room");
    assert_ne!(status.code(), Code::InvalidArgument, "it was answered");
    assert_eq!(controller.strangers.usage().refused_share, 1);
    let config = tls::controller_client(&controller.credentials()).expect("a configuration");
    controller.try_dial(config).await.expect("one with a certificate is let in");
    drop(places);
    let mut client = enrolment(&controller, controller.pin());
    let status = client.enrol(EnrolRequest::default()).await.expect_err("nothing asked");
    assert_eq!(status.code(), Code::InvalidArgument, "there is room again: {status:?}");
}
