//! How long what is deleted is kept, and what of it is left then.

use npanel_model::{AccountId, ApiKeyId, DatabaseId, EventId, OperationId};
use npanel_proto::command::{
    CronJob, DeleteAccount, DeleteDatabase, NodeEvent, PurgeChanges, PurgeOperations, RecordEvents,
    SetCronJobs, UpdateAccount, UpdateCluster, envelope::Command, principal::Who,
};
use npanel_state::RefusalCode;

use crate::support::{NOW, Reseller, World, by, key};

const LEADER: Who = Who::ControllerId(1);
const DAY: i64 = 24 * 3600 * 1000;

fn delete(id: AccountId, retention_seconds: Option<u64>) -> Command {
    let operation_id = OperationId::generate().to_bytes();
    Command::DeleteAccount(DeleteAccount { account_id: id.to_bytes(), operation_id, retention_seconds })
}

async fn with_data(world: &mut World, of: &Reseller) -> (AccountId, DatabaseId) {
    let alice = world.new_account(of, "markedone", Some("marked-site.example")).await;
    let shop = world.new_database(of, alice, "markedone_shop").await;
    let contact = UpdateAccount {
        account_id: alice.to_bytes(),
        contact: Some("marked@contact.example".into()),
        operation_id: OperationId::generate().to_bytes(),
        ..UpdateAccount::default()
    };
    world.accept(by(of.key), Command::UpdateAccount(contact)).await;
    let jobs = SetCronJobs {
        account_id: alice.to_bytes(),
        jobs: vec![CronJob { schedule: "@daily".into(), command: "marked-command".into() }],
        operation_id: OperationId::generate().to_bytes(),
    };
    world.accept(by(of.key), Command::SetCronJobs(jobs)).await;
    let event = NodeEvent {
        event_id: EventId::generate().to_bytes(),
        node_id: world.node.to_bytes(),
        kind: "account".into(),
        object_id: alice.to_bytes(),
        time_millis: 5,
        reason: "DriftRepaired".into(),
        message: "/home/markedone was put right".into(),
        differences: Vec::new(),
    };
    world.accept(LEADER, Command::RecordEvents(RecordEvents { events: vec![event] })).await;
    (alice, shop)
}

/// The tables in which a text is, or the bytes of an id.
async fn tables_with(world: &World, wanted: &[u8]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("copy.db");
    world.store.copy_to(path.clone()).await.expect("a copy");
    let db = rusqlite::Connection::open(path).expect("it opens");
    let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("a query");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    let has = |name: &String| {
        let mut rows = db.prepare(&format!("SELECT * FROM {name}")).expect("a query");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                let value = row.get_ref(column).expect("a value");
                let bytes = value.as_bytes().unwrap_or_default();
                if bytes.windows(wanted.len()).any(|part| part == wanted) {
                    return true;
                }
            }
        }
        false
    };
    names.into_iter().filter(has).collect()
}

const MARKS: [&str; 4] = ["markedone", "marked-site", "marked@contact", "marked-command"];

async fn tables_with_marks(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for mark in MARKS {
        found.extend(tables_with(world, mark.as_bytes()).await);
    }
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn after_its_retention_nothing_of_an_account_is_left_but_ids_in_the_audit() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (alice, _) = with_data(&mut world, &acme).await;
    assert!(tables_with_marks(&world).await.contains(&"accounts".to_owned()));
    world.accept(by(acme.key), delete(alice, None)).await;
    world.observe_all("retained").await;
    let shown = world.store.reader().account(acme.tenant, alice).await.expect("a query").expect("it is kept");
    assert_eq!(shown.deleted_at.map(|at| at.as_millis()), Some(NOW));
    assert_eq!(shown.retained_until.map(|at| at.as_millis()), Some(NOW + 3_600_000));
    world.observe_all("removed").await;
    assert_eq!(tables_with_marks(&world).await, ["events"], "what nodes told ages");
    // Nothing new comes: time alone takes the rest.
    world.now += 31 * DAY;
    for _ in 0..3 {
        world.accept(LEADER, Command::PurgeOperations(PurgeOperations { most: 500 })).await;
        world.accept(LEADER, Command::PurgeChanges(PurgeChanges { most: 5000 })).await;
    }
    assert!(tables_with_marks(&world).await.is_empty());
    assert_eq!(tables_with(&world, &alice.to_bytes()).await, ["audit"]);
}

#[tokio::test]
async fn the_leader_is_told_of_events_that_are_too_old_though_no_operation_is() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    with_data(&mut world, &acme).await;
    let due = async |world: &World, days: i64| {
        let at = npanel_model::Timestamp::from_millis(NOW + days * DAY);
        world.store.reader().has_operations_to_purge(at).await.expect("a query")
    };
    assert!(!due(&world, 29).await);
    assert!(due(&world, 31).await);
    world.now += 31 * DAY;
    world.accept(LEADER, Command::PurgeOperations(PurgeOperations { most: 500 })).await;
    world.accept(LEADER, Command::PurgeOperations(PurgeOperations { most: 500 })).await;
    assert!(!due(&world, 31).await, "it would be done again and again");
}

#[tokio::test]
async fn sooner_than_usual_is_for_who_may_erase() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (alice, _) = with_data(&mut world, &acme).await;
    let (deletes, erases) = (ApiKeyId::generate(), ApiKeyId::generate());
    let actions: [(ApiKeyId, &[&str]); 2] =
        [(deletes, &["account.delete"]), (erases, &["account.delete", "account.erase"])];
    for (id, actions) in actions {
        world.accept(by(acme.key), Command::CreateApiKey(key(id, acme.tenant, actions))).await;
    }
    assert_eq!(world.refuse(by(deletes), delete(alice, Some(3599))).await, RefusalCode::Forbidden);
    let longer = 365 * 24 * 3600 + 1;
    assert_eq!(world.refuse(by(erases), delete(alice, Some(longer))).await, RefusalCode::Invalid);
    world.accept(by(deletes), delete(alice, Some(7200))).await;
    // Also of one that is going.
    assert_eq!(world.refuse(by(deletes), delete(alice, Some(0))).await, RefusalCode::Forbidden);
    assert_eq!(world.refuse(by(erases), delete(alice, None)).await, RefusalCode::Deleting);
    world.accept(by(erases), delete(alice, Some(0))).await;
}

#[tokio::test]
async fn an_erasure_reaches_what_is_kept_already() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (alice, _) = with_data(&mut world, &acme).await;
    let early = world.new_database(&acme, alice, "markedone_early").await;
    let operation_id = OperationId::generate().to_bytes();
    let command = DeleteDatabase { database_id: early.to_bytes(), operation_id, retention_seconds: None };
    world.accept(by(acme.key), Command::DeleteDatabase(command)).await;
    world.accept(by(acme.key), delete(alice, None)).await;
    world.observe_all("retained").await;
    let kept = "SELECT kind, tombstone_seconds, settled FROM node_objects WHERE kind IN ('account', 'database') ORDER BY kind";
    assert_eq!(world.rows(&[kept]).await.len(), 3);
    let accepted = world.accept(by(acme.key), delete(alice, Some(0))).await;
    for row in world.rows(&[kept]).await {
        assert!(row.ends_with("Integer(0), Integer(0)"), "a node was not told: {row}");
    }
    assert!(!world.is_finished(&accepted.operation_id).await);
    world.observe_all("removed").await;
    assert!(world.is_finished(&accepted.operation_id).await);
    assert_eq!(tables_with_marks(&world).await, ["events"]);
}

#[tokio::test]
async fn an_account_that_is_erased_takes_its_deleted_databases_along() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (alice, shop) = with_data(&mut world, &acme).await;
    let operation_id = OperationId::generate().to_bytes();
    let command = DeleteDatabase { database_id: shop.to_bytes(), operation_id, retention_seconds: None };
    world.accept(by(acme.key), Command::DeleteDatabase(command)).await;
    world.accept(by(acme.key), delete(alice, Some(0))).await;
    let kept = "SELECT tombstone_seconds FROM node_objects WHERE tombstone_seconds > 0";
    assert!(world.rows(&[kept]).await.is_empty());
}

#[tokio::test]
async fn how_long_is_a_setting_with_bounds() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let set = |seconds| {
        let change =
            UpdateCluster { deleted_data_retention_seconds: Some(seconds), ..UpdateCluster::default() };
        Command::UpdateCluster(change)
    };
    let too_long = set(365 * 24 * 3600 + 1);
    assert_eq!(world.refuse(world.by_admin(), too_long).await, RefusalCode::Invalid);
    world.accept(world.by_admin(), set(7 * 24 * 3600)).await;
    let (alice, _) = with_data(&mut world, &acme).await;
    world.accept(by(acme.key), delete(alice, None)).await;
    let shown = world.store.reader().account(acme.tenant, alice).await.expect("a query").expect("it is kept");
    assert_eq!(shown.retained_until.map(|at| at.as_millis()), Some(NOW + 7 * DAY));
}

#[tokio::test]
async fn an_earlier_level_has_it_as_it_was() {
    let mut world = World::at_level(3).await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let deletes = ApiKeyId::generate();
    world.accept(by(acme.key), Command::CreateApiKey(key(deletes, acme.tenant, &["account.delete"]))).await;
    world.accept(by(deletes), delete(alice, Some(5))).await;
    assert_eq!(world.refuse(by(deletes), delete(alice, Some(0))).await, RefusalCode::Deleting);
    let until = world
        .rows(&["SELECT retained_until_millis, (SELECT count(account_id) FROM audit) FROM accounts"])
        .await;
    assert_eq!(until, ["Null, Integer(0)"]);
}
