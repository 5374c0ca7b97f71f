//! The keys of secrets are changed while everything goes on. What the keeper of a controller does with cluster keys is done by
//! the tests.

use std::sync::atomic::Ordering;

use npanel_model::{AccountId, DatabaseUserId, OperationId, Timestamp};
use npanel_pki::{AuditKey, ClusterKey, ClusterKeys, Field};
use npanel_proto::{
    command::{
        CreateAuditKey, CreateDatabaseUser, HoldClusterKey, OfferClusterKey, RotateSecrets,
        SetDatabasePassword, envelope::Command, outcome::Outcome,
    },
    node::{ObjectKind, object_intent::Intent},
};
use npanel_state::{ClusterKeyState, IntentSource, StoredDataKey};

use crate::{fleet::Fleet, played_node::PlayedNode};

const HASH: &[u8] = b"*0123456789ABCDEF0123456789ABCDEF01234567";

/// A database user whose password hash is sealed by the tenant's first key.
async fn user(fleet: &Fleet, account: AccountId, name: &str) -> DatabaseUserId {
    let user = DatabaseUserId::generate();
    let object = user.to_bytes();
    let sealed = fleet.data_key.seal(Field::database_password(fleet.root, &object), HASH).expect("sealed");
    let create = CreateDatabaseUser {
        database_user_id: user.to_bytes(),
        account_id: account.to_bytes(),
        name: name.into(),
        sealed_password_hash: sealed,
        grants: Vec::new(),
        operation_id: OperationId::generate().to_bytes(),
    };
    fleet.accept(Command::CreateDatabaseUser(create)).await;
    user
}

async fn rotate(fleet: &Fleet, cluster_key: bool, data_keys: bool) -> OperationId {
    let operation = OperationId::generate();
    let command =
        RotateSecrets { cluster_key, data_keys, tenant_id: Vec::new(), operation_id: operation.to_bytes() };
    fleet.accept(Command::RotateSecrets(command)).await;
    operation
}

/// A new cluster key is made, kept and told of.
async fn offer(fleet: &Fleet) -> ClusterKey {
    let key = ClusterKey::successor();
    fleet.accept(Command::OfferClusterKey(OfferClusterKey { name: key.name_bytes() })).await;
    let mut keys = (*fleet.keys.now()).clone();
    keys.add(key.clone());
    keys.make_current(key.name());
    fleet.keys.replace(keys);
    key
}

async fn hold(fleet: &Fleet, key: &ClusterKey) {
    fleet.accept(Command::HoldClusterKey(HoldClusterKey { name: key.name_bytes() })).await;
}

async fn sealed(fleet: &Fleet, user: DatabaseUserId) -> (StoredDataKey, Vec<u8>) {
    let found = fleet.state().intent(npanel_state::ObjectKind::DatabaseUser, &user.to_bytes()).await;
    match found.expect("a query") {
        Some(IntentSource::DatabaseUser { data_key, sealed_password_hash, .. }) => {
            (data_key, sealed_password_hash)
        }
        other => panic!("{other:?}"),
    }
}

/// What a holder of these keys makes of what the state has.
async fn opened(fleet: &Fleet, user: DatabaseUserId, by: &ClusterKeys) -> Option<Vec<u8>> {
    let (key, sealed) = sealed(fleet, user).await;
    let object = user.to_bytes();
    let key = by.unwrap(fleet.root, &key.name, &key.wrapped).ok()?;
    key.open(Field::database_password(fleet.root, &object), &sealed).ok().map(|plain| plain.to_vec())
}

async fn is_sealed_anew(fleet: &Fleet, user: DatabaseUserId) -> bool {
    !sealed(fleet, user).await.0.name.is_empty()
}

#[tokio::test]
async fn who_knows_the_old_keys_opens_nothing_after_a_rotation() {
    let mut fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    let users = [user(&fleet, account.id, "alice_a").await, user(&fleet, account.id, "alice_b").await];
    let old = fleet.keys.now();
    let audit_key = AuditKey::generate();
    let sealed_key = old.wrap_audit_key(&audit_key).expect("sealed");
    // The leader makes one by itself, unless there is one.
    let own = Command::CreateAuditKey(CreateAuditKey { public_key: audit_key.public().to_vec(), sealed_key });
    drop(fleet.propose(own).await);

    let operation = rotate(&fleet, true, true).await;
    assert!(fleet.state().wants_cluster_key().await.expect("a query"));
    let new = offer(&fleet).await;
    assert!(fleet.state().wants_cluster_key().await.expect("a query"), "nobody has it yet");
    // The one who began it leads no longer.
    fleet.lose_leader();
    hold(&fleet, &new).await;
    fleet.lead_anew();
    for user in users {
        fleet.until("it is sealed anew", async || is_sealed_anew(&fleet, user).await).await;
    }
    let only_new = ClusterKeys::new(new);
    fleet
        .until("the audit's key is sealed anew", async || {
            let row = fleet.state().audit_key().await.expect("a query").expect("a key");
            only_new.unwrap_audit_key(&row.public_key, &row.sealed_key).is_ok()
        })
        .await;
    for user in users {
        assert_eq!(opened(&fleet, user, &only_new).await.as_deref(), Some(HASH));
        assert_eq!(opened(&fleet, user, &old).await, None);
    }
    let row = fleet.state().audit_key().await.expect("a query").expect("a key");
    assert!(old.unwrap_audit_key(&row.public_key, &row.sealed_key).is_err());
    // What seals by the old key may still be on its way.
    assert!(!fleet.is_finished(operation).await);
    let late = user(&fleet, account.id, "alice_c").await;
    fleet.until("it is sealed anew, too", async || is_sealed_anew(&fleet, late).await).await;

    fleet.days_ahead.store(1, Ordering::Relaxed);
    fleet.until("the rotation is done", async || fleet.is_finished(operation).await).await;
    let keys = fleet.state().cluster_keys().await.expect("a query");
    let states: Vec<ClusterKeyState> = keys.iter().map(|key| key.state).collect();
    assert_eq!(states, [ClusterKeyState::Current, ClusterKeyState::Destroyed]);
    let progress = fleet.state().secrets_rotation().await.expect("a query").expect("a rotation");
    assert!(progress.done == progress.total && progress.total > 0, "{progress:?}");

    // Nothing can be opened that is sealed by a key that is gone, so it is refused.
    let object = users[0].to_bytes();
    let gone = fleet.data_key.seal(Field::database_password(fleet.root, &object), HASH).expect("sealed");
    let set = SetDatabasePassword {
        database_user_id: users[0].to_bytes(),
        sealed_password_hash: gone,
        operation_id: OperationId::generate().to_bytes(),
    };
    match fleet.propose(Command::SetDatabasePassword(set)).await {
        Some(Outcome::Refused(refused)) => assert_eq!(refused.code, "key_replaced"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nodes_are_told_nothing_of_a_rotation_and_everything_afterwards() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    let first = user(&fleet, account.id, "alice_a").await;
    fleet.until("it is pushed", async || node.intent(ObjectKind::DatabaseUser).is_some()).await;
    let requests = node.requests();
    rotate(&fleet, false, true).await;
    fleet.until("it is sealed anew", async || is_sealed_anew(&fleet, first).await).await;
    assert_eq!(node.requests(), requests, "its content is what it was");
    node.forget(ObjectKind::DatabaseUser);
    fleet.until("it is told again", async || node.intent(ObjectKind::DatabaseUser).is_some()).await;
    let Some(Intent::DatabaseUser(pushed)) = node.intent(ObjectKind::DatabaseUser) else { panic!("no user") };
    assert!(pushed.password_hash.as_bytes() == HASH);
}

#[tokio::test]
async fn a_key_that_was_lost_before_a_majority_had_it_is_replaced_by_another() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    let first = user(&fleet, account.id, "alice_a").await;
    rotate(&fleet, true, true).await;
    let lost = ClusterKey::successor();
    fleet.accept(Command::OfferClusterKey(OfferClusterKey { name: lost.name_bytes() })).await;
    let new = offer(&fleet).await;
    hold(&fleet, &lost).await;
    assert!(fleet.state().wants_cluster_key().await.expect("a query"), "the lost one counts no more");
    hold(&fleet, &new).await;
    fleet.until("it is sealed anew", async || is_sealed_anew(&fleet, first).await).await;
    assert_eq!(opened(&fleet, first, &ClusterKeys::new(new)).await.as_deref(), Some(HASH));
    let ended = fleet.state().ended_cluster_keys().await.expect("a query");
    assert_eq!(ended.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [lost.name_bytes()]);
    assert!(ended.iter().all(|(_, at)| *at > Timestamp::from_millis(0)));
}
