//! Nodes that are trusted no longer, and how they come back.

use npanel_model::{NodeId, TokenId};
use npanel_proto::command::{
    Certificate, CreateAccount, RenewIdentity, RevokeNode, UpdateNode, envelope::Command, principal::Who,
};
use npanel_state::{Node, RefusalCode};

use crate::support::{HASH, World, by, certificate};

fn revocation(node: NodeId) -> Command {
    Command::RevokeNode(RevokeNode { node_id: node.to_bytes(), reason: "stolen".into() })
}

async fn read(world: &World) -> Node {
    world.store.reader().node(world.node).await.expect("a query").expect("the node")
}

fn renewal(shown: &Certificate, next: u64) -> Command {
    Command::RenewIdentity(RenewIdentity {
        current_serial: shown.serial.clone(),
        current_key_fingerprint: HASH.to_vec(),
        certificate: Some(certificate(next)),
        ..RenewIdentity::default()
    })
}

impl World {
    async fn enrol_again(&mut self, name: &str, token: TokenId) {
        let command = self.enrolment(name, self.node, token);
        self.accept(Who::TokenId(token.to_bytes()), command).await;
    }
}

#[tokio::test]
async fn a_revoked_node_keeps_what_it_carries_and_gets_nothing_new() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", Some("alice.example")).await;
    world.observe_all("converged").await;
    let before = world.store.reader().last_revocation().await.expect("a query");
    world.accept(world.by_admin(), revocation(world.node)).await;
    assert!(world.store.reader().last_revocation().await.expect("a query") > before, "nobody hears of it");

    let node = read(&world).await;
    let revoked = node.revocation.expect("it is revoked");
    assert_eq!((revoked.reason.as_str(), revoked.at.as_millis()), ("stolen", world.now));
    assert_eq!((node.load.web, node.schedulable, node.certificate_expires_at), (1, false, None));
    let account =
        &world.store.reader().accounts(world.root, Default::default(), &page()).await.expect("a list")[0];
    assert!(account.convergence.conditions.iter().all(|condition| condition.is_of_revoked_node));

    let (_, more) = world.account(&acme, "bobby", None);
    let refused = world.refuse(by(acme.key), Command::CreateAccount(CreateAccount { ..more })).await;
    assert_eq!(refused, RefusalCode::NoNode);
    let uncordon =
        UpdateNode { node_id: world.node.to_bytes(), schedulable: Some(true), ..UpdateNode::default() };
    assert_eq!(world.refuse(world.by_admin(), Command::UpdateNode(uncordon)).await, RefusalCode::InUse);
    // Once more changes nothing: the first time counts.
    let revision = node.revision;
    world.now += 1000;
    world.accept(world.by_admin(), revocation(world.node)).await;
    assert_eq!(read(&world).await.revision, revision);
}

fn page() -> npanel_state::Page {
    npanel_state::Page { limit: 100, ..npanel_state::Page::default() }
}

#[tokio::test]
async fn whichever_comes_first_a_renewal_and_a_revocation_leave_no_good_certificate() {
    for renews_first in [true, false] {
        let mut world = World::new().await;
        let enrolment = world.records.iter().find_map(|record| match &record.payload {
            npanel_state::RecordPayload::Command(envelope) => match &envelope.command {
                Some(Command::EnrolNode(body)) => body.certificate.clone(),
                _ => None,
            },
            _ => None,
        });
        let first = enrolment.expect("it enrolled");
        let node = Who::NodeId(world.node.to_bytes());
        if renews_first {
            world.accept(node.clone(), renewal(&first, 100)).await;
            world.accept(world.by_admin(), revocation(world.node)).await;
        } else {
            world.accept(world.by_admin(), revocation(world.node)).await;
            assert_eq!(world.refuse(node.clone(), renewal(&first, 100)).await, RefusalCode::IdentityInvalid);
        }
        let subject = format!("node/{}", world.node);
        for shown in [first, certificate(100)] {
            let valid = world.store.reader().is_identity_valid(&shown.serial, &subject).await;
            assert!(!valid.expect("a query"), "renews first: {renews_first}");
            let refused = world.refuse(node.clone(), renewal(&shown, 101)).await;
            assert_eq!(refused, RefusalCode::IdentityInvalid);
        }
    }
}

#[tokio::test]
async fn a_revoked_node_comes_back_only_with_a_token_made_for_its_name_since() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", None).await;
    world.observe_all("converged").await;
    let of_before = world.bound_token("n1", &[]).await;
    world.accept(world.by_admin(), revocation(world.node)).await;
    let for_any = world.token("node", 1).await;
    for token in [of_before, for_any] {
        let command = world.enrolment("n1", world.node, token);
        let refused = world.refuse(Who::TokenId(token.to_bytes()), command).await;
        assert_eq!(refused, RefusalCode::NameTaken);
    }
    let fresh = world.bound_token("n1", &[]).await;
    let stranger = world.enrolment("n1", NodeId::generate(), fresh);
    assert_eq!(world.refuse(Who::TokenId(fresh.to_bytes()), stranger).await, RefusalCode::NameTaken);
    let serial = world.index.to_be_bytes();
    world.enrol_again("n1", fresh).await;

    let node = read(&world).await;
    assert!(node.revocation.is_none() && node.certificate_expires_at.is_some());
    assert!(!node.schedulable, "an operator looks at it first");
    assert_eq!((node.load.web, node.pool.as_str()), (1, "default"), "it is the same node");
    let subject = format!("node/{}", world.node);
    assert!(world.store.reader().is_identity_valid(&serial, &subject).await.expect("a query"));
    // What it said before is forgotten, and everything is told anew.
    let wanted = world.store.reader().wanted_on(world.node).await.expect("a list");
    assert!(wanted.iter().all(|object| object.observed.generation.0 == 0));
    assert_eq!(world.store.reader().unsettled_on(world.node).await.expect("a count").pending, 1);
}

#[tokio::test]
async fn a_name_of_a_node_that_is_trusted_is_nobody_elses() {
    let mut world = World::new().await;
    let token = world.bound_token("n1", &[]).await;
    for id in [world.node, NodeId::generate()] {
        let command = world.enrolment("n1", id, token);
        assert_eq!(world.refuse(Who::TokenId(token.to_bytes()), command).await, RefusalCode::NameTaken);
    }
}

#[tokio::test]
async fn only_the_platform_revokes() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    assert_eq!(world.refuse(by(acme.key), revocation(world.node)).await, RefusalCode::Forbidden);
    let stranger = revocation(NodeId::generate());
    assert_eq!(world.refuse(world.by_admin(), stranger).await, RefusalCode::NotFound);
    let itself = Who::NodeId(world.node.to_bytes());
    assert_eq!(world.refuse(itself, revocation(world.node)).await, RefusalCode::Forbidden);
}
