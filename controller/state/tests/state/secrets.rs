//! The keys of secrets: who may have them changed, when a cluster key counts, and when an old one goes.

use npanel_model::{OperationId, TenantId};
use npanel_proto::command::{
    CreateTenant, EnrolController, Envelope, HoldClusterKey, OfferClusterKey, Principal, RemoveController,
    ResealSecrets, Resealed, RotateSecrets, SettleSecrets, envelope::Command, outcome::Outcome,
    principal::Who,
};
use npanel_state::{ClusterKeyState, RefusalCode};
use sha2::{Digest, Sha256};

use crate::support::{HASH, World, by, certificate};

const LEADER: Who = Who::ControllerId(1);
const NEW: [u8; 8] = [8; 8];

fn rotation(cluster_key: bool, data_keys: bool, tenant_id: Vec<u8>) -> Command {
    let operation_id = OperationId::generate().to_bytes();
    Command::RotateSecrets(RotateSecrets { cluster_key, data_keys, tenant_id, operation_id })
}

fn offer(name: [u8; 8]) -> Command {
    Command::OfferClusterKey(OfferClusterKey { name: name.to_vec() })
}

fn hold(name: [u8; 8]) -> Command {
    Command::HoldClusterKey(HoldClusterKey { name: name.to_vec() })
}

const SETTLE: Command = Command::SettleSecrets(SettleSecrets { most: 100 });

/// Something sealed by the cluster key of that name.
fn by_key(name: [u8; 8], content: u8) -> Vec<u8> {
    [&[2], name.as_slice(), &[content; 60]].concat()
}

async fn states(world: &World) -> Vec<ClusterKeyState> {
    let keys = world.store.reader().cluster_keys().await.expect("a query");
    keys.iter().map(|key| key.state).collect()
}

async fn enrol_controller(world: &mut World, id: u64) {
    let token = world.token("controller", 1).await;
    let command = Command::EnrolController(EnrolController {
        controller_id: id,
        name: format!("c{id}"),
        fleet_address: format!("c{id}.example:1"),
        certificate: Some(certificate(1000 + id)),
        token_id: token.to_bytes(),
        token_secret_hash: HASH.to_vec(),
    });
    world.accept(Who::TokenId(token.to_bytes()), command).await;
}

/// The leader's work: what the first cluster key seals is sealed by the new one.
async fn rewrap_platform(world: &mut World, was: &[u8]) {
    let root = world.root.to_bytes();
    let resealed = Resealed {
        kind: "data_key".into(),
        object_id: root,
        name: Vec::new(),
        was: Sha256::digest(was).to_vec(),
        sealed: by_key(NEW, 1),
    };
    let batch = ResealSecrets { data_keys: Vec::new(), resealed: vec![resealed] };
    world.accept(LEADER, Command::ResealSecrets(batch)).await;
}

#[tokio::test]
async fn a_cluster_key_counts_with_a_majority_and_the_old_one_goes_when_every_controller_has_it() {
    let mut world = World::new().await;
    for id in [2, 3, 4] {
        enrol_controller(&mut world, id).await;
    }
    world.accept(world.by_admin(), rotation(true, false, Vec::new())).await;
    world.accept(LEADER, offer(NEW)).await;
    world.accept(LEADER, hold(NEW)).await;
    world.accept(Who::ControllerId(9), hold(NEW)).await;
    world.accept(Who::ControllerId(2), hold(NEW)).await;
    assert_eq!(
        states(&world).await,
        [ClusterKeyState::Offered, ClusterKeyState::Current],
        "2 of 4 is no majority"
    );
    world.accept(Who::ControllerId(3), hold(NEW)).await;
    assert_eq!(states(&world).await, [ClusterKeyState::Current, ClusterKeyState::Former]);

    world.now += 60_000;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Former, "the platform's data key is sealed by it");
    rewrap_platform(&mut world, &[1]).await;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Former, "controller 4 does not have the new one");
    world.accept(world.by_admin(), Command::RemoveController(RemoveController { controller_id: 4 })).await;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Destroyed);
    let rotation = world.store.reader().secrets_rotation().await.expect("a query").expect("a rotation");
    assert!(rotation.finished_at.is_some());
}

#[tokio::test]
async fn a_former_key_stays_while_what_it_sealed_may_be_on_its_way() {
    let mut world = World::new().await;
    world.accept(world.by_admin(), rotation(true, false, Vec::new())).await;
    world.accept(LEADER, offer(NEW)).await;
    world.accept(LEADER, hold(NEW)).await;
    rewrap_platform(&mut world, &[1]).await;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Former);
    // A tenant that was asked for before.
    let create = |name: &str| {
        Command::CreateTenant(CreateTenant {
            tenant_id: TenantId::generate().to_bytes(),
            parent_id: Vec::new(),
            name: name.into(),
            wrapped_data_key: vec![1; 61],
            account_limit: None,
            may_oversell: false,
            ..CreateTenant::default()
        })
    };
    let at = |command: Command, root: Vec<u8>| match command {
        Command::CreateTenant(body) => Command::CreateTenant(CreateTenant { parent_id: root, ..body }),
        other => other,
    };
    let root = world.root.to_bytes();
    world.accept(world.by_admin(), at(create("late"), root.clone())).await;
    world.now += 60_000;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Former, "the late tenant's key is sealed by it");
    let now = npanel_model::Timestamp::from_millis(world.now);
    let work = world.store.reader().secrets_work(now, 10).await.expect("a query");
    assert_eq!(work.reseal.len(), 1, "and is to be sealed anew");
    let resealed = Resealed {
        kind: "data_key".into(),
        object_id: work.reseal[0].object.clone(),
        name: Vec::new(),
        was: Sha256::digest(vec![1; 61]).to_vec(),
        sealed: by_key(NEW, 2),
    };
    let batch = ResealSecrets { data_keys: Vec::new(), resealed: vec![resealed] };
    world.accept(LEADER, Command::ResealSecrets(batch)).await;
    world.accept(LEADER, SETTLE).await;
    assert_eq!(states(&world).await[1], ClusterKeyState::Destroyed);
    let refused = world.refuse(world.by_admin(), at(create("too-late"), root)).await;
    assert_eq!(refused, RefusalCode::KeyReplaced);
}

#[tokio::test]
async fn what_has_changed_meanwhile_is_not_sealed_anew() {
    let mut world = World::new().await;
    world.accept(world.by_admin(), rotation(true, false, Vec::new())).await;
    world.accept(LEADER, offer(NEW)).await;
    world.accept(LEADER, hold(NEW)).await;
    rewrap_platform(&mut world, b"something else").await;
    let key = world.store.reader().data_key(world.root).await.expect("a query").expect("a key");
    assert_eq!(key.wrapped, [1]);
    rewrap_platform(&mut world, &[1]).await;
    let key = world.store.reader().data_key(world.root).await.expect("a query").expect("a key");
    assert_eq!(key.wrapped, by_key(NEW, 1));
}

#[tokio::test]
async fn only_the_platform_changes_keys_and_one_rotation_at_a_time() {
    let mut world = World::new().await;
    let reseller = world.reseller("reseller", None).await;
    let forbidden = world.refuse(by(reseller.key), rotation(false, true, Vec::new())).await;
    assert_eq!(forbidden, RefusalCode::Forbidden);
    let tenant = reseller.tenant.to_bytes();
    for (command, code) in [
        (rotation(false, false, Vec::new()), RefusalCode::Invalid),
        (rotation(true, true, tenant.clone()), RefusalCode::Invalid),
        (rotation(false, true, vec![9; 16]), RefusalCode::NotFound),
    ] {
        assert_eq!(world.refuse(world.by_admin(), command).await, code);
    }
    assert_eq!(world.refuse(LEADER, offer(NEW)).await, RefusalCode::Invalid, "nobody wants one");
    for command in [offer(NEW), hold(NEW), SETTLE, Command::ResealSecrets(ResealSecrets::default())] {
        assert_eq!(world.refuse(world.by_admin(), command).await, RefusalCode::Forbidden);
    }
    world.accept(world.by_admin(), rotation(false, true, tenant)).await;
    assert_eq!(world.refuse(world.by_admin(), rotation(true, true, Vec::new())).await, RefusalCode::InUse);
    let now = npanel_model::Timestamp::from_millis(world.now);
    let work = world.store.reader().secrets_work(now, 10).await.expect("a query");
    assert_eq!(work.new_data_keys, [(reseller.tenant, Vec::new())], "that tenant's only");
}

#[tokio::test]
async fn a_repetition_is_known_by_the_digest_of_whichever_key_it_was_kept_by() {
    let mut world = World::new().await;
    let (plain, named) = (vec![5; 32], [&NEW[..], &[6; 32]].concat());
    let asked = |world: &World, digest: &[u8], others: &[&[u8]]| Envelope {
        principal: Some(Principal { who: Some(world.by_admin()) }),
        idempotency_key: "caller/tenant.create/one".into(),
        request_digest: digest.to_vec(),
        other_request_digests: others.iter().map(|other| other.to_vec()).collect(),
        time_millis: world.now,
        feature_level: npanel_state::FEATURE_LEVEL,
        command: Some(Command::CreateTenant(CreateTenant {
            tenant_id: TenantId::generate().to_bytes(),
            parent_id: world.root.to_bytes(),
            name: "one".into(),
            wrapped_data_key: vec![1],
            account_limit: None,
            may_oversell: false,
            ..CreateTenant::default()
        })),
        ..Envelope::default()
    };
    let first = asked(&world, &plain, &[]);
    assert!(matches!(world.apply_envelope(first).await.outcome, Some(Outcome::Accepted(_))));
    let again = asked(&world, &named, &[&plain]);
    match world.apply_envelope(again).await.outcome {
        Some(Outcome::Accepted(accepted)) => assert!(accepted.replayed),
        other => panic!("{other:?}"),
    }
    for (digest, others, code) in [
        (&named, &[&[4; 32][..]][..], "idempotency_key_reused"),
        (&vec![4; 32], &[][..], "idempotency_key_reused"),
        (&named, &[][..], "key_replaced"),
    ] {
        let envelope = asked(&world, digest, others);
        match world.apply_envelope(envelope).await.outcome {
            Some(Outcome::Refused(refused)) => assert_eq!(refused.code, code, "{}", refused.message),
            other => panic!("{other:?}"),
        }
    }
}
