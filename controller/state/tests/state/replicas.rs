//! Replicas are equal, and survive what happens to files.

use std::path::Path;

use crate::support::{World, by, content, open};
use npanel_model::TenantId;
use npanel_proto::command::{
    CreateAccount, CreateTenant, DeleteApiKey, Envelope, Principal, envelope::Command, outcome::Outcome,
};
use npanel_state::{
    ContentHash, FEATURE_LEVEL, LogPosition, LogRecord, RecordPayload, RefusalCode, Store, StoreError,
};

async fn some_history() -> World {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    world.new_database(&acme, id, "alice_shop").await;
    world.observe_all("converged").await;
    world
}

async fn copy(store: &Store, to: &Path) -> npanel_state::Applied {
    store.copy_to(to.to_owned()).await.expect("a copy").applied
}

async fn hash(store: &Store) -> ContentHash {
    store.content_hash().await.expect("a hash")
}

#[tokio::test]
async fn the_same_log_in_other_batches_gives_the_same_content() {
    let world = some_history().await;
    let directory = tempfile::tempdir().expect("a directory");
    let other = open(directory.path()).await;
    for batch in world.records.chunks(4) {
        other.apply(batch.to_vec()).await.expect("applied");
    }
    assert_eq!(content(&other).await, content(&world.store).await);
    assert_eq!(*other.applied().borrow(), *world.store.applied().borrow());
    assert_eq!(hash(&other).await, hash(&world.store).await);
}

#[tokio::test]
async fn what_is_refused_after_it_has_changed_something_leaves_nothing_in_its_batch() {
    let mut world = some_history().await;
    let late = world.reseller("late", None).await;
    let (_, nowhere) = world.account(&late, "nowhere", None);
    let nowhere = Command::CreateAccount(CreateAccount { assignments: Vec::new(), ..nowhere });
    assert_eq!(world.refuse(by(late.key), nowhere).await, RefusalCode::NoNode);
    let once = once(&world, "twice");
    for replayed in [false, true] {
        let outcome = world.apply_envelope(once.clone()).await.outcome;
        assert!(
            matches!(&outcome, Some(Outcome::Accepted(accepted)) if accepted.replayed == replayed),
            "{outcome:?}"
        );
    }
    world.new_account(&late, "bob", None).await;
    let directory = tempfile::tempdir().expect("a directory");
    let other = open(directory.path()).await;
    let outcomes = other.apply(world.records.clone()).await.expect("applied");
    assert_eq!(outcomes.len(), world.records.len());
    assert_eq!(content(&other).await, content(&world.store).await);
    assert_eq!(hash(&other).await, hash(&world.store).await);
}

/// A command under a key of a controller's own.
fn once(world: &World, name: &str) -> Envelope {
    let tenant = CreateTenant {
        tenant_id: TenantId::generate().to_bytes(),
        parent_id: world.root.to_bytes(),
        name: name.into(),
        wrapped_data_key: vec![3],
        ..CreateTenant::default()
    };
    Envelope {
        principal: Some(Principal { who: Some(world.by_admin()) }),
        idempotency_key: "once/1".into(),
        request_digest: vec![1],
        feature_level: FEATURE_LEVEL,
        time_millis: world.now,
        command: Some(Command::CreateTenant(tenant)),
        ..Envelope::default()
    }
}

#[tokio::test]
async fn a_key_that_is_deleted_counts_for_nothing_that_follows_in_its_batch() {
    let mut world = some_history().await;
    let gone = world.reseller("gone", None).await;
    let (_, before) = world.account(&gone, "before", None);
    let (_, after) = world.account(&gone, "after", None);
    world.accept(by(gone.key), Command::CreateAccount(before)).await;
    let delete = DeleteApiKey { api_key_id: gone.key.to_bytes() };
    world.accept(world.by_admin(), Command::DeleteApiKey(delete)).await;
    let refused = world.refuse(by(gone.key), Command::CreateAccount(after)).await;
    assert_eq!(refused, RefusalCode::Unauthenticated);
    let directory = tempfile::tempdir().expect("a directory");
    let other = open(directory.path()).await;
    other.apply(world.records.clone()).await.expect("applied");
    assert_eq!(hash(&other).await, hash(&world.store).await);
}

#[tokio::test]
async fn what_waits_for_the_writer_is_applied_in_order_and_readable_once_it_is_told() {
    let world = some_history().await;
    let directory = tempfile::tempdir().expect("a directory");
    let other = open(directory.path()).await;
    let mut pending = Vec::new();
    for batch in world.records.chunks(3) {
        pending.extend(other.submit(batch.to_vec()).await.expect("submitted"));
    }
    for (pending, record) in pending.into_iter().zip(&world.records) {
        let outcome = pending.await.expect("applied");
        assert_eq!(outcome.index, record.position.index);
        let applied = other.applied().borrow().position.expect("a position").index;
        assert!(applied >= outcome.index, "told of {} at {applied}", outcome.index);
    }
    assert_eq!(hash(&other).await, hash(&world.store).await);
}

/// Changes one row of a copy, behind the rules' back, and hashes that.
async fn hash_with(store: &Store, change: &str) -> [u8; 32] {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("changed.db");
    copy(store, &file).await;
    let changed = rusqlite::Connection::open(&file).expect("it opens").execute_batch(change);
    changed.expect("changed");
    let other = open(&directory.path().join("other")).await;
    other.replace_by(&file).await.expect("installed");
    hash(&other).await.hash
}

#[tokio::test]
async fn any_difference_of_content_is_one_of_the_hash_and_none_of_the_file_is() {
    let world = some_history().await;
    let same = hash(&world.store).await.hash;
    for change in ["VACUUM", "PRAGMA page_size = 8192; VACUUM", "CREATE INDEX another ON accounts (username)"]
    {
        assert_eq!(hash_with(&world.store, change).await, same, "{change}");
    }
    let changes = [
        "UPDATE accounts SET username = username || 'x'",
        "UPDATE raft SET applied_index = applied_index + 1",
        "DELETE FROM changes WHERE log_index = (SELECT max(log_index) FROM changes)",
        "UPDATE audit SET time_millis = time_millis + 1 WHERE log_index = (SELECT min(log_index) FROM audit)",
        "UPDATE nodes SET name = cast('' AS TEXT)",
    ];
    for change in changes {
        assert_ne!(hash_with(&world.store, change).await, same, "{change}");
    }
}

#[tokio::test]
async fn a_snapshot_carries_everything_and_its_place_in_the_log() {
    let world = some_history().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("snapshot.db");
    let at = copy(&world.store, &file).await;
    assert_eq!(at.position.expect("a position").index, world.index);

    let other = open(&directory.path().join("other")).await;
    let reader = other.reader().clone();
    let installed = other.replace_by(&file).await.expect("installed");
    assert_eq!(installed, at);
    assert_eq!(content(&other).await, content(&world.store).await);
    assert!(reader.cluster().await.expect("a query").is_some(), "readers move over");

    assert_eq!(hash(&other).await, hash(&world.store).await);

    drop(other);
    let reopened = open(&directory.path().join("other")).await;
    assert_eq!(content(&reopened).await, content(&world.store).await);
}

#[tokio::test]
async fn a_file_that_is_no_state_is_not_installed() {
    let world = some_history().await;
    let before = content(&world.store).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("snapshot.db");
    std::fs::write(
        &file,
        b"this is not a database, and longer than a header would be ......................",
    )
    .expect("written");
    assert!(world.store.replace_by(&file).await.is_err());
    assert_eq!(content(&world.store).await, before);
}

#[tokio::test]
async fn a_replica_stops_before_what_is_newer_than_it_knows() {
    let unknown = Envelope { feature_level: FEATURE_LEVEL, ..Envelope::default() };
    for newer in [RecordPayload::Command(unknown.into()), RecordPayload::Newer] {
        let world = some_history().await;
        let before = world.store.applied().borrow().clone();
        let index = world.index + 1;
        let record =
            |payload, index| LogRecord { position: LogPosition { term: 1, leader: 1, index }, payload };
        let stopped = world.store.apply(vec![record(newer.clone(), index)]).await;
        assert!(
            matches!(stopped, Err(StoreError::Newer { index: at }) if at == index),
            "{newer:?} was passed over: {stopped:?}"
        );
        assert!(
            world.store.apply(vec![record(RecordPayload::Blank, index + 1)]).await.is_err(),
            "it went on"
        );
        assert_eq!(*world.store.applied().borrow(), before);
    }
}
