//! A state that goes on from what it was gives out nothing twice, and has nodes destroy nothing.

use std::collections::BTreeMap;

use npanel_model::{AccountId, NodeId, Timestamp};
use npanel_proto::command::{
    Certificate, DeleteAccount, EnrolController, RenewIdentity, RestoreCluster, RevokeNode,
    envelope::Command, principal::Who,
};
use npanel_state::{Page, RefusalCode, TokenFilter};

use crate::support::{HASH, NOW, Reseller, World, by, certificate};

const EPOCH: u64 = 1_800_000_100;

fn restoration(id: u64) -> RestoreCluster {
    RestoreCluster {
        epoch: EPOCH,
        controller: Some(EnrolController {
            controller_id: id,
            name: "c1".into(),
            fleet_address: "c1.example:1".into(),
            certificate: Some(certificate(900 + id)),
            ..EnrolController::default()
        }),
        from_index: 7,
        uids_passed_over: 1_000,
    }
}

async fn restore(world: &mut World) {
    world.index += 1_000_000;
    world.accept(Who::ControllerId(EPOCH), Command::RestoreCluster(restoration(EPOCH))).await;
}

async fn hosted(world: &mut World, name: &str) -> (Reseller, AccountId) {
    let reseller = world.reseller("acme", None).await;
    let account = world.new_account(&reseller, name, Some(&format!("{name}.example"))).await;
    world.observe_all("converged").await;
    (reseller, account)
}

fn delete(account: AccountId) -> Command {
    Command::DeleteAccount(DeleteAccount {
        account_id: account.to_bytes(),
        operation_id: npanel_model::OperationId::generate().to_bytes(),
        ..DeleteAccount::default()
    })
}

/// Generation and whether it is to go, by object.
async fn wanted(world: &World) -> BTreeMap<Vec<u8>, (u64, bool)> {
    let all = world.store.reader().wanted_on(world.node).await.expect("a list");
    all.into_iter().map(|one| (one.id, (one.generation.0, one.tombstone_seconds.is_some()))).collect()
}

#[tokio::test]
async fn what_lives_is_asked_for_beyond_all_that_nodes_have_and_what_goes_is_not() {
    let mut world = World::new().await;
    let (reseller, going) = hosted(&mut world, "going").await;
    world.accept(by(reseller.key), delete(going)).await;
    let staying = world.new_account(&reseller, "staying", Some("staying.example")).await;
    let before = wanted(&world).await;
    restore(&mut world).await;
    let after = wanted(&world).await;
    assert!(before.values().any(|(_, goes)| *goes) && before.len() == after.len());
    for (id, (generation, goes)) in &before {
        let expected = if *goes { *generation } else { EPOCH };
        assert_eq!(after[id], (expected, *goes));
    }
    world.observe_all("converged").await;
    world.accept(by(reseller.key), delete(staying)).await;
    assert_eq!(
        wanted(&world).await[&staying.to_bytes()],
        (EPOCH + 1, true),
        "a deletion since gets past, too"
    );
}

#[tokio::test]
async fn uids_and_ids_that_may_have_been_given_out_are_passed_over() {
    let mut world = World::new().await;
    let (reseller, first) = hosted(&mut world, "first").await;
    let uid = async |world: &World, id| {
        world.store.reader().account(world.root, id).await.expect("a query").expect("one").uid
    };
    let before = uid(&world, first).await.get();
    restore(&mut world).await;
    assert_eq!(world.store.reader().next_controller_id().await.expect("a query").0, EPOCH + 1);
    let second = world.new_account(&reseller, "second", None).await;
    assert_eq!(uid(&world, second).await.get(), before + 1_001);
}

#[tokio::test]
async fn of_the_controllers_only_the_one_that_begins_anew_is_left() {
    let mut world = World::new().await;
    let token = world.token("controller", 1).await;
    let second = EnrolController {
        controller_id: 2,
        name: "c2".into(),
        fleet_address: "c2.example:1".into(),
        certificate: Some(certificate(802)),
        token_id: token.to_bytes(),
        token_secret_hash: HASH.to_vec(),
    };
    world.accept(Who::TokenId(token.to_bytes()), Command::EnrolController(second)).await;
    world.token("node", 3).await;
    restore(&mut world).await;
    let reader = world.store.reader();
    let ids: Vec<u64> = reader.controllers().await.expect("a list").iter().map(|one| one.id.0).collect();
    assert_eq!(ids, [EPOCH]);
    let revoked = reader.revoked_controllers().await.expect("a list");
    assert!(revoked.contains(&certificate(802).serial), "{revoked:?}");
    assert_eq!(reader.cluster().await.expect("a query").expect("one").epoch, EPOCH);
    // A use of it may be lost, and would be had twice.
    let tokens = reader.tokens(TokenFilter::default(), &Page { limit: 10, ..Page::default() }).await;
    assert_eq!(tokens.expect("a list").len(), 0);
}

#[tokio::test]
async fn a_survivor_keeps_its_id_and_all_later_ones_are_new() {
    let mut world = World::new().await;
    world.index += 1_000_000;
    world.accept(Who::ControllerId(1), Command::RestoreCluster(restoration(1))).await;
    let reader = world.store.reader();
    let ids: Vec<u64> = reader.controllers().await.expect("a list").iter().map(|one| one.id.0).collect();
    assert_eq!(ids, [1]);
    assert_eq!(reader.next_controller_id().await.expect("a query").0, EPOCH + 1);
}

#[tokio::test]
async fn a_restoration_is_refused_that_would_give_something_out_twice() {
    let mut world = World::new().await;
    let own = Who::ControllerId(EPOCH);
    for wrong in [
        RestoreCluster { epoch: 1, ..restoration(EPOCH) },
        RestoreCluster { uids_passed_over: 400_000_000, ..restoration(EPOCH) },
        RestoreCluster { controller: None, ..restoration(EPOCH) },
        restoration(EPOCH + 5),
    ] {
        assert_eq!(world.refuse(own.clone(), Command::RestoreCluster(wrong)).await, RefusalCode::Invalid);
    }
    let asked = Command::RestoreCluster(restoration(EPOCH));
    assert_eq!(world.refuse(world.by_admin(), asked).await, RefusalCode::Forbidden);
    restore(&mut world).await;
    let again = Command::RestoreCluster(restoration(EPOCH));
    assert_eq!(world.refuse(own, again).await, RefusalCode::Invalid, "the same epoch again");
}

fn renewal(not_before: i64) -> Command {
    Command::RenewIdentity(RenewIdentity {
        current_serial: vec![66; 16],
        current_key_fingerprint: HASH.to_vec(),
        certificate: Some(Certificate { serial: vec![67; 16], ..certificate(0) }),
        current_not_before_millis: not_before,
    })
}

#[tokio::test]
async fn a_nodes_certificate_that_is_newer_than_the_backup_is_good_unless_it_was_revoked_since() {
    let mut world = World::new().await;
    let who = Who::NodeId(world.node.to_bytes());
    let is_good = async |world: &World, node: NodeId, not_before: i64| {
        let not_before = Timestamp::from_millis(not_before);
        world.store.reader().is_node_certificate_valid(node, &[66; 16], not_before).await.expect("a query")
    };
    assert!(!is_good(&world, world.node, NOW).await, "there was no restoration");
    assert_eq!(world.refuse(who.clone(), renewal(NOW)).await, RefusalCode::IdentityInvalid);
    world.now += 3_600_000;
    restore(&mut world).await;
    assert!(is_good(&world, world.node, NOW).await);
    assert!(
        !is_good(&world, world.node, world.now + 1).await,
        "issued since, and by nobody that the state knows"
    );
    assert!(!is_good(&world, NodeId::generate(), NOW).await, "a node that it does not have");
    assert_eq!(world.refuse(who.clone(), renewal(world.now + 1)).await, RefusalCode::IdentityInvalid);
    let revoke = RevokeNode { node_id: world.node.to_bytes(), reason: "stolen".into() };
    let mut revoked = World::new().await;
    restore(&mut revoked).await;
    let of_it = RevokeNode { node_id: revoked.node.to_bytes(), ..revoke };
    revoked.accept(revoked.by_admin(), Command::RevokeNode(of_it)).await;
    assert!(!is_good(&revoked, revoked.node, NOW - 1).await);
    world.accept(who, renewal(NOW)).await;
    let next = world.store.reader().is_identity_valid(&[67; 16], &format!("node/{}", world.node)).await;
    assert!(next.expect("a query"), "and it is known from then on");
}
