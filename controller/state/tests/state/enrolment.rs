//! Bootstrap tokens are used as often as they allow, and every failure looks the same.

use crate::support::{World, certificate};
use npanel_model::NodeId;
use npanel_proto::command::{EnrolController, EnrolNode, envelope::Command, principal::Who};
use npanel_state::RefusalCode;

#[tokio::test]
async fn a_token_for_one_use_is_used_once() {
    let mut world = World::new().await;
    let token = world.token("node", 1).await;
    let who = Who::TokenId(token.to_bytes());
    let first = world.enrolment("n2", NodeId::generate(), token);
    world.accept(who.clone(), first).await;
    let second = world.enrolment("n3", NodeId::generate(), token);
    assert_eq!(world.refuse(who, second).await, RefusalCode::TokenInvalid);
}

#[tokio::test]
async fn an_expired_wrong_or_foreign_token_is_not_valid() {
    let mut world = World::new().await;
    let token = world.token("node", 5).await;
    let who = Who::TokenId(token.to_bytes());
    let Command::EnrolNode(good) = world.enrolment("n2", NodeId::generate(), token) else { unreachable!() };
    let wrong = EnrolNode { token_secret_hash: vec![8; 32], ..good.clone() };
    assert_eq!(world.refuse(who.clone(), Command::EnrolNode(wrong)).await, RefusalCode::TokenInvalid);
    let as_controller = Command::EnrolController(EnrolController {
        controller_id: 2,
        name: "c2".into(),
        fleet_address: "c2.example:1".into(),
        certificate: Some(certificate(99)),
        token_id: token.to_bytes(),
        token_secret_hash: crate::support::HASH.to_vec(),
    });
    assert_eq!(world.refuse(who.clone(), as_controller).await, RefusalCode::TokenInvalid);
    world.now += 900_000;
    assert_eq!(world.refuse(who, Command::EnrolNode(good)).await, RefusalCode::TokenInvalid);
}

#[tokio::test]
async fn a_refused_name_does_not_use_the_token_up() {
    let mut world = World::new().await;
    let token = world.token("node", 1).await;
    let who = Who::TokenId(token.to_bytes());
    let taken = world.enrolment("n1", NodeId::generate(), token);
    assert_eq!(world.refuse(who.clone(), taken).await, RefusalCode::NameTaken);
    let free = world.enrolment("n2", NodeId::generate(), token);
    world.accept(who, free).await;
}

#[tokio::test]
async fn a_controllers_id_is_never_used_again() {
    let mut world = World::new().await;
    let token = world.token("controller", 2).await;
    let again = Command::EnrolController(EnrolController {
        controller_id: 1,
        name: "c9".into(),
        fleet_address: "c9.example:1".into(),
        certificate: Some(certificate(99)),
        token_id: token.to_bytes(),
        token_secret_hash: crate::support::HASH.to_vec(),
    });
    assert_eq!(world.refuse(Who::TokenId(token.to_bytes()), again).await, RefusalCode::NameTaken);
    assert_eq!(world.store.reader().next_controller_id().await.expect("an id").0, 2);
}
