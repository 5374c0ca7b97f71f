//! A node that is revoked, as the fleet's port sees it: out at once, and back only by an operator's leave.

use std::time::{Duration, Instant};

use npanel_model::Timestamp;
use npanel_pki::{Credentials, Identity, Serial, tls};
use npanel_proto::{
    command::{RemoveController, RevokeNode, envelope::Command},
    controller::ReadIndexRequest,
    enrolment::Role,
};
use tonic::Code;

use crate::{
    controller::{self, Controller, enrol_with, joined},
    renewal::{id_of, renew, renewed},
};

async fn enrolled(controller: &Controller, name: &str) -> Credentials {
    let token = controller.token("node", 1).await;
    let (key, answer) = enrol_with(controller, &token, Role::Node, name).await;
    joined(key, answer.expect("enrolled"))
}

async fn revoke(controller: &Controller, credentials: &Credentials) {
    let node_id = id_of(credentials).to_bytes();
    controller.accept(Command::RevokeNode(RevokeNode { node_id, reason: String::new() })).await;
}

async fn is_turned_away(controller: &Controller, shown: &Credentials) {
    let refused = renew(controller, shown).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut again = controller.dial(tls::node_client(shown).expect("a configuration")).await;
    controller::until_closed(&mut again).await;
}

#[tokio::test]
async fn a_revoked_node_is_cut_off_within_a_second_and_stays_out_until_it_is_let_in_again() {
    let controller = Controller::start().await;
    let first = enrolled(&controller, "n1").await;
    let next = renewed(&controller, &first).await;
    let id = id_of(&first);
    let mut connection = controller.dial(tls::node_client(&next).expect("a configuration")).await;
    controller.until("the node is connected", || controller.connections.is_connected(id)).await;
    revoke(&controller, &first).await;
    let revoked = Instant::now();
    controller::until_closed(&mut connection).await;
    assert!(revoked.elapsed() < Duration::from_secs(1), "it took {:?}", revoked.elapsed());
    for shown in [&first, &next] {
        is_turned_away(&controller, shown).await;
    }

    let for_any = controller.token("node", 1).await;
    let (_, refused) = enrol_with(&controller, &for_any, Role::Node, "n1").await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("made for this name"), "{}", refused.message());

    let fresh = controller.token_for("node", 1, "n1").await;
    let (key, answer) = enrol_with(&controller, &fresh, Role::Node, "n1").await;
    let back = joined(key, answer.expect("let in again"));
    assert_eq!(back.id().identity, Identity::Node(id), "it is the same node");
    let connection = controller.dial(tls::node_client(&back).expect("a configuration")).await;
    controller.until("the node is back", || controller.connections.is_connected(id)).await;
    renewed(&controller, &back).await;
    for shown in [&first, &next] {
        is_turned_away(&controller, shown).await;
    }
    drop(connection);
}

#[tokio::test]
async fn renewals_that_race_with_the_revocation_leave_nothing_that_is_good() {
    let controller = Controller::start().await;
    for round in 0..5 {
        let node = enrolled(&controller, &format!("n{round}")).await;
        let renewals = (0..6).map(|_| renew(&controller, &node));
        let (renewed, ()) = tokio::join!(futures::future::join_all(renewals), revoke(&controller, &node));
        let won = renewed.into_iter().filter_map(Result::ok).map(|(key, answer)| {
            controller::credentials_of(key, answer.certificate_chain, answer.trusted_cas)
        });
        for shown in won.chain([node]) {
            is_turned_away(&controller, &shown).await;
            assert!(!controller.connections.is_connected(id_of(&shown)));
        }
    }
}

#[tokio::test]
async fn a_removed_controller_is_refused_whatever_certificate_it_makes_itself() {
    let controller = Controller::start().await;
    let token = controller.token("controller", 1).await;
    let (key, answer) = enrol_with(&controller, &token, Role::Controller, "c2").await;
    let second = joined(key, answer.expect("enrolled"));
    let id = match second.id().identity {
        Identity::Controller(id) => id,
        Identity::Node(_) => panic!("not a controller"),
    };
    let calls = |credentials: &Credentials| {
        controller.calls(tls::controller_client(credentials).expect("a configuration"))
    };
    // It leads nothing, which is not the same as being refused.
    calls(&second).read_index(ReadIndexRequest {}).await.expect("answered");
    controller.accept(Command::RemoveController(RemoveController { controller_id: id.0 })).await;
    let by_itself = controller.issue(Identity::Controller(id), Serial::generate(), Timestamp::now());
    for shown in [&second, &by_itself] {
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Ok(answer) = calls(shown).read_index(ReadIndexRequest {}).await {
            assert!(Instant::now() < deadline, "it is still answered: {answer:?}");
        }
        let refused = calls(shown).read_index(ReadIndexRequest {}).await.expect_err("refused");
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
}
