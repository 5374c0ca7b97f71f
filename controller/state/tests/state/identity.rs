//! Certificates are renewed by those who have one, revoked at once, and authorities are rotated without a gap.

use npanel_model::{NodeId, TokenId};
use npanel_proto::command::{
    Authority, Certificate, DeleteNode, Envelope, Principal, RenewIdentity, RetireAuthority, RotateAuthority,
    envelope::Command, outcome, principal::Who,
};
use npanel_state::RefusalCode;

use crate::support::{World, certificate};

const NEW_KEY: [u8; 32] = [9; 32];

fn renewal(current: &Certificate, next: u64) -> Command {
    Command::RenewIdentity(RenewIdentity {
        current_serial: current.serial.clone(),
        current_key_fingerprint: current.key_fingerprint.clone(),
        certificate: Some(Certificate { key_fingerprint: NEW_KEY.to_vec(), ..certificate(next) }),
        ..RenewIdentity::default()
    })
}

/// The certificate that the world's node enrolled with.
fn enrolled(world: &World) -> Certificate {
    let enrolment = world.records.iter().find_map(|record| match &record.payload {
        npanel_state::RecordPayload::Command(envelope) => match &envelope.command {
            Some(Command::EnrolNode(body)) => body.certificate.clone(),
            _ => None,
        },
        _ => None,
    });
    enrolment.expect("a node has enrolled")
}

fn node(world: &World) -> Who {
    Who::NodeId(world.node.to_bytes())
}

#[tokio::test]
async fn a_certificate_long_expired_is_renewed_and_both_stay_good() {
    let mut world = World::new().await;
    let first = enrolled(&world);
    world.now += 90 * 86_400_000;
    world.accept(node(&world), renewal(&first, 100)).await;
    let subject = format!("node/{}", world.node);
    for serial in [first.serial, certificate(100).serial] {
        assert!(world.store.reader().is_identity_valid(&serial, &subject).await.expect("a query"));
    }
}

#[tokio::test]
async fn who_shows_no_good_certificate_gets_none() {
    let mut world = World::new().await;
    let first = enrolled(&world);
    let unknown = Certificate { serial: vec![77; 16], ..first.clone() };
    let other_key = Certificate { key_fingerprint: vec![8; 32], ..first.clone() };
    for shown in [unknown, other_key] {
        assert_eq!(world.refuse(node(&world), renewal(&shown, 100)).await, RefusalCode::IdentityInvalid);
    }
    let stranger = NodeId::generate();
    world.enrol_node("n2", stranger).await;
    let other = Who::NodeId(stranger.to_bytes());
    assert_eq!(world.refuse(other, renewal(&first, 100)).await, RefusalCode::IdentityInvalid);
    assert_eq!(world.refuse(world.by_admin(), renewal(&first, 100)).await, RefusalCode::IdentityInvalid);
    assert_eq!(world.refuse(Who::ControllerId(9), renewal(&first, 100)).await, RefusalCode::IdentityInvalid);
}

#[tokio::test]
async fn a_deleted_node_renews_nothing() {
    let mut world = World::new().await;
    let first = enrolled(&world);
    world.accept(node(&world), renewal(&first, 100)).await;
    let before = world.store.reader().last_revocation().await.expect("a query");
    let delete = Command::DeleteNode(DeleteNode { node_id: world.node.to_bytes(), ..DeleteNode::default() });
    world.accept(world.by_admin(), delete).await;
    assert!(world.store.reader().last_revocation().await.expect("a query") > before);
    for shown in [first, Certificate { key_fingerprint: NEW_KEY.to_vec(), ..certificate(100) }] {
        assert_eq!(world.refuse(node(&world), renewal(&shown, 101)).await, RefusalCode::IdentityInvalid);
    }
}

#[tokio::test]
async fn answers_that_are_lost_again_and_again_do_not_strand_a_node() {
    let mut world = World::new().await;
    let first = enrolled(&world);
    for next in 100..120 {
        world.accept(node(&world), renewal(&first, next)).await;
    }
    // Of those that were lost, only the newest few are remembered.
    let subject = format!("node/{}", world.node);
    let good = async |serial: u64| {
        world.store.reader().is_identity_valid(&certificate(serial).serial, &subject).await.expect("a query")
    };
    assert!(good(119).await && good(116).await && !good(115).await);
}

fn authority(number: u8) -> Authority {
    Authority {
        key_fingerprint: vec![number; 32],
        certificate: vec![number],
        cross_certificate: vec![number, 0],
        sealed_key: vec![1, number],
        not_after_millis: i64::from(number),
    }
}

fn rotation(from: u8, to: u8) -> Command {
    Command::RotateAuthority(RotateAuthority { authority: Some(authority(to)), replaces: vec![from; 32] })
}

fn retirement(number: u8, force: bool) -> Command {
    Command::RetireAuthority(RetireAuthority { key_fingerprint: vec![number; 32], force })
}

fn of(authority: u8, certificate: Certificate) -> Certificate {
    Certificate { authority_fingerprint: vec![authority; 32], ..certificate }
}

#[tokio::test]
async fn an_authority_goes_when_no_machine_needs_it_and_not_before() {
    let mut world = World::with_authority(authority(1)).await;
    world.accept(world.by_admin(), rotation(1, 2)).await;
    let rows = world.store.reader().authorities().await.expect("a query");
    let shown: Vec<_> =
        rows.iter().map(|row| (row.key_fingerprint[0], row.issuing, row.sealed_key.len())).collect();
    assert_eq!(shown, [(2, true, 2), (1, false, 0)], "the old key is forgotten");

    // The first controller and the node still have theirs from the old one.
    assert_eq!(world.refuse(world.by_admin(), retirement(1, false)).await, RefusalCode::InUse);
    assert_eq!(world.refuse(world.by_admin(), retirement(2, true)).await, RefusalCode::InUse);
    let first = enrolled(&world);
    let Command::RenewIdentity(body) = renewal(&first, 100) else { unreachable!() };
    let moved = |number| Some(of(2, certificate(number)));
    let by_node = RenewIdentity { certificate: moved(100), ..body };
    world.accept(node(&world), Command::RenewIdentity(by_node)).await;
    assert_eq!(world.refuse(world.by_admin(), retirement(1, false)).await, RefusalCode::InUse);
    let by_controller = RenewIdentity { certificate: moved(101), ..RenewIdentity::default() };
    world.accept(Who::ControllerId(1), Command::RenewIdentity(by_controller)).await;
    assert_eq!(world.store.reader().machines_of(&[1; 32]).await.expect("a query"), 0);
    world.accept(world.by_admin(), retirement(1, false)).await;
    assert_eq!(world.store.reader().authorities().await.expect("a query").len(), 1);
}

#[tokio::test]
async fn of_two_rotations_at_once_one_wins_and_a_third_waits_for_the_retirement() {
    let mut world = World::with_authority(authority(1)).await;
    world.accept(world.by_admin(), rotation(1, 2)).await;
    assert_eq!(world.refuse(world.by_admin(), rotation(1, 3)).await, RefusalCode::InUse);
    assert_eq!(world.refuse(world.by_admin(), rotation(2, 3)).await, RefusalCode::InUse);
    world.accept(world.by_admin(), retirement(1, true)).await;
    world.accept(world.by_admin(), rotation(2, 3)).await;
}

#[tokio::test]
async fn only_the_platform_rotates() {
    let mut world = World::with_authority(authority(1)).await;
    let acme = world.reseller("acme", None).await;
    assert_eq!(world.refuse(crate::support::by(acme.key), rotation(1, 2)).await, RefusalCode::Forbidden);
    assert_eq!(world.refuse(node(&world), rotation(1, 2)).await, RefusalCode::Forbidden);
}

/// What becomes of a token's use under a name from an address.
async fn used(world: &mut World, token: TokenId, name: &str, address: &str) -> Result<(), (String, String)> {
    let command = world.enrolment(name, NodeId::generate(), token);
    let envelope = Envelope {
        principal: Some(Principal { who: Some(Who::TokenId(token.to_bytes())) }),
        source_address: address.to_owned(),
        feature_level: npanel_state::FEATURE_LEVEL,
        time_millis: world.now,
        command: Some(command),
        ..Envelope::default()
    };
    match world.apply_envelope(envelope).await.outcome.expect("an outcome") {
        outcome::Outcome::Accepted(_) => Ok(()),
        outcome::Outcome::Refused(refused) => Err((refused.code, refused.message)),
    }
}

#[tokio::test]
async fn a_token_bound_to_a_name_and_networks_is_of_use_only_there() {
    let mut world = World::new().await;
    let token = world.bound_token("n7", &["192.0.2.0/24", "2001:db8::/32"]).await;
    for (name, address, why) in [
        ("n8", "192.0.2.7", "another name"),
        ("n7", "198.51.100.7", "another network"),
        ("n7", "", "another network"),
    ] {
        let (code, message) = used(&mut world, token, name, address).await.expect_err(why);
        assert_eq!(code, RefusalCode::TokenInvalid.as_str(), "{why}");
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(used(&mut world, token, "n7", "::ffff:192.0.2.9").await, Ok(()));
    assert_eq!(
        world.store.reader().token(token).await.expect("a query").expect("a token").pool.as_str(),
        "p"
    );
    let node = world.store.reader().all_nodes().await.expect("a query");
    assert!(node.iter().any(|node| node.name.as_str() == "n7" && node.pool.as_str() == "p"));
}
