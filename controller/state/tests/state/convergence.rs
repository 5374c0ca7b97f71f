//! Intent, observation, and what becomes of the two.

use crate::support::{World, by};
use npanel_model::{AccountId, DatabaseId, OperationId};
use npanel_proto::command::{
    DeleteAccount, DeleteDatabase, Observation, RecordObservations, envelope::Command, principal::Who,
};
use npanel_state::{IntentSource, ObjectKind, ObjectStatus, OwnedFilter, Page, RefusalCode};

fn everything() -> Page {
    Page { limit: 100, ..Page::default() }
}

#[tokio::test]
async fn an_account_with_a_domain_is_wanted_whole_on_its_nodes() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    let wanted = world.store.reader().wanted_on(world.node).await.expect("a list");
    let kinds: Vec<_> = wanted.iter().map(|object| object.kind).collect();
    assert_eq!(kinds.len(), 3);
    for kind in [ObjectKind::Account, ObjectKind::Site, ObjectKind::Zone] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    let zone = wanted.iter().find(|object| object.kind == ObjectKind::Zone).expect("the zone");
    let intent = world.store.reader().intent(ObjectKind::Zone, &zone.id).await.expect("a query");
    let Some(IntentSource::Zone { name_servers, record_sets, .. }) = intent else { panic!("not a zone") };
    assert_eq!(name_servers[0].as_str(), "n1.ns.example");
    assert_eq!(
        (record_sets[0].name.as_str(), record_sets[0].records.as_slice()),
        ("@", &["192.0.2.11".into()][..])
    );

    let reader = world.store.reader().clone();
    let status = |id: AccountId| {
        let reader = reader.clone();
        async move { reader.account(acme.tenant, id).await.expect("a query").expect("alice").convergence.status }
    };
    assert_eq!(status(id).await, ObjectStatus::Converging);
    world.observe_all("converged").await;
    assert_eq!(status(id).await, ObjectStatus::Ready);
}

#[tokio::test]
async fn an_operation_ends_when_every_node_is_there() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (_, command) = world.account(&acme, "alice", Some("alice.example.com"));
    let operation = OperationId::from_bytes(&command.operation_id).expect("an id");
    world.accept(by(acme.key), Command::CreateAccount(command)).await;
    let reader = world.store.reader().clone();
    assert_eq!(reader.is_finished(operation).await.expect("a query"), Some(false));
    assert_eq!(
        reader.operation(acme.tenant, operation).await.expect("a query").expect("it").targets.len(),
        3
    );
    world.observe_all("failed").await;
    assert_eq!(reader.is_finished(operation).await.expect("a query"), Some(false));
    world.observe_all("converged").await;
    assert_eq!(reader.is_finished(operation).await.expect("a query"), Some(true));
}

#[tokio::test]
async fn an_observation_of_what_was_never_wanted_changes_nothing() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let observe = |generation, node: npanel_model::NodeId| {
        Command::RecordObservations(RecordObservations {
            observations: vec![Observation {
                node_id: node.to_bytes(),
                kind: "account".into(),
                object_id: id.to_bytes(),
                generation,
                state: "converged".into(),
                ..Observation::default()
            }],
        })
    };
    let stranger = npanel_model::NodeId::generate();
    world.accept(Who::ControllerId(1), observe(1, stranger)).await;
    world.accept(Who::ControllerId(1), observe(9, world.node)).await;
    let account = world.store.reader().account(world.root, id).await.expect("a query").expect("alice");
    assert_eq!(account.convergence.status, ObjectStatus::Converging);
    assert_eq!(account.convergence.observed_generation, None);
}

#[tokio::test]
async fn a_deleted_account_goes_by_tombstones_and_keeps_what_its_retention_says() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    world.new_database(&acme, id, "alice_shop").await;
    world.observe_all("converged").await;
    let delete = Command::DeleteAccount(DeleteAccount {
        account_id: id.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: None,
    });
    world.accept(by(acme.key), delete.clone()).await;
    assert_eq!(world.refuse(by(acme.key), delete).await, RefusalCode::Deleting);
    let wanted = world.store.reader().wanted_on(world.node).await.expect("a list");
    assert_eq!(wanted.len(), 4, "absence never deletes: every object is still there, as a tombstone");
    for object in &wanted {
        let keeps_data = matches!(object.kind, ObjectKind::Account | ObjectKind::Database);
        assert_eq!(object.tombstone_seconds, Some(if keeps_data { 3600 } else { 0 }), "{object:?}");
    }
    let (_, again) = world.account(&acme, "alice", None);
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(again)).await, RefusalCode::NameTaken);

    world.observe_all("retained").await;
    let (_, again) = world.account(&acme, "alice", None);
    let refused = world.refuse(by(acme.key), Command::CreateAccount(again)).await;
    assert_eq!(refused, RefusalCode::NameTaken, "a database of the old account is still kept");
    world.observe_all("removed").await;
    assert!(world.store.reader().wanted_on(world.node).await.expect("a list").is_empty());
    let domains = world.store.reader().domains(acme.tenant, OwnedFilter::default(), &everything()).await;
    assert!(domains.expect("a list").is_empty());
    world.new_account(&acme, "alice", Some("alice.example.com")).await;
}

#[tokio::test]
async fn a_deleted_database_takes_its_users_rights_along() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let database: DatabaseId = world.new_database(&acme, id, "alice_shop").await;
    let user = npanel_model::DatabaseUserId::generate();
    let create = Command::CreateDatabaseUser(npanel_proto::command::CreateDatabaseUser {
        database_user_id: user.to_bytes(),
        account_id: id.to_bytes(),
        name: "alice_app".into(),
        sealed_password_hash: vec![1],
        grants: vec![npanel_proto::command::DatabaseGrant {
            database_id: database.to_bytes(),
            privileges: "all".into(),
        }],
        operation_id: OperationId::generate().to_bytes(),
    });
    world.accept(by(acme.key), create).await;
    let delete = Command::DeleteDatabase(DeleteDatabase {
        database_id: database.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: Some(0),
    });
    world.accept(by(acme.key), delete).await;
    let user =
        world.store.reader().database_user(acme.tenant, user).await.expect("a query").expect("the user");
    assert!(user.grants.is_empty());
    assert_eq!(user.convergence.generation.0, 2);
}

async fn zone_names(world: &World) -> Vec<String> {
    let zones =
        world.store.reader().zones(world.root, OwnedFilter::default(), &everything()).await.expect("a list");
    zones.into_iter().map(|zone| zone.name.to_string()).collect()
}

fn delete_domain(domain: &[u8]) -> Command {
    Command::DeleteDomain(npanel_proto::command::DeleteDomain {
        domain_id: domain.to_vec(),
        operation_id: OperationId::generate().to_bytes(),
    })
}

#[tokio::test]
async fn a_zone_goes_with_the_domain_it_was_made_for_and_no_other() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    // Made by hand, before the domain.
    let by_hand = world.domain(alice, "kept.example.com");
    let zone = by_hand.zone.clone().expect("a zone");
    world.accept(by(acme.key), Command::CreateZone(zone)).await;
    let mut domain = world.domain(alice, "kept.example.com");
    domain.zone.as_mut().expect("a zone").zone_id = npanel_model::ZoneId::generate().to_bytes();
    world.accept(by(acme.key), Command::CreateDomain(domain.clone())).await;
    // Made with its domain; another domain came to live in it.
    let upper = world.domain(alice, "upper.example.org");
    world.accept(by(acme.key), Command::CreateDomain(upper.clone())).await;
    let lower = world.domain(alice, "lower.upper.example.org");
    world.accept(by(acme.key), Command::CreateDomain(lower.clone())).await;
    // Made with its domain, and nobody else's.
    let alone = world.domain(alice, "alone.example.net");
    world.accept(by(acme.key), Command::CreateDomain(alone.clone())).await;
    world.observe_all("converged").await;

    for domain in [&domain, &upper, &alone] {
        world.accept(by(acme.key), delete_domain(&domain.domain_id)).await;
    }
    observe_tombstones(&mut world).await;
    let mut names = zone_names(&world).await;
    names.sort();
    assert_eq!(names, ["kept.example.com", "upper.example.org"]);
}

async fn observe_tombstones(world: &mut World) {
    let wanted = world.store.reader().wanted_on(world.node).await.expect("a list");
    let observations = wanted
        .into_iter()
        .filter(|object| object.tombstone_seconds.is_some())
        .map(|object| Observation {
            node_id: world.node.to_bytes(),
            kind: object.kind.as_str().into(),
            object_id: object.id,
            generation: object.generation.0,
            state: "removed".into(),
            ..Observation::default()
        })
        .collect();
    let command = Command::RecordObservations(RecordObservations { observations });
    world.accept(Who::ControllerId(1), command).await;
}
