//! What happened on nodes by itself, and what is wrong with them.

use npanel_model::{EventId, NodeConditionKind, NodeId, TenantId};
use npanel_proto::command::{
    EventDifference, NodeConditionState, NodeEvent, RecordEvents, RecordNodeConditions, envelope::Command,
    principal::Who,
};
use npanel_state::{Event, EventFilter, EventPage, RefusalCode};

use crate::support::World;

const LEADER: Who = Who::ControllerId(1);

fn event(node: NodeId, kind: &str, object: Vec<u8>) -> NodeEvent {
    NodeEvent {
        event_id: EventId::generate().to_bytes(),
        node_id: node.to_bytes(),
        kind: kind.into(),
        object_id: object,
        time_millis: 5,
        reason: "DriftRepaired".into(),
        message: "put right".into(),
        differences: vec![EventDifference {
            what: "/etc/userdb/alice.user".into(),
            expected: "a file".into(),
            found: "nothing".into(),
        }],
    }
}

fn record(events: Vec<NodeEvent>) -> Command {
    Command::RecordEvents(RecordEvents { events })
}

async fn seen(world: &World, scope: TenantId, filter: EventFilter) -> Vec<Event> {
    let page = EventPage { before: None, limit: 100 };
    world.store.reader().events(scope, &filter, page).await.expect("a query")
}

#[tokio::test]
async fn an_event_is_told_to_its_objects_tenant_and_those_above_it() {
    let mut world = World::new().await;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    let alice = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    let shop = world.new_database(&acme, alice, "alice_shop").await;
    let node = world.node;
    let events = vec![
        event(node, "account", alice.to_bytes()),
        event(node, "database", shop.to_bytes()),
        event(node, "", Vec::new()),
    ];
    world.accept(LEADER, record(events)).await;
    let kinds = |events: Vec<Event>| events.into_iter().map(|one| one.object_kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(seen(&world, world.root, EventFilter::default()).await),
        ["node", "database", "account"]
    );
    let own = seen(&world, acme.tenant, EventFilter::default()).await;
    assert!(own.iter().all(|one| one.account_id == Some(alice)), "the account of the database is known");
    assert_eq!(own[0].differences[0].found, "nothing");
    assert_eq!(kinds(own), ["database", "account"]);
    assert!(seen(&world, other.tenant, EventFilter::default()).await.is_empty());
    let of_alice = EventFilter { account_id: Some(alice), ..EventFilter::default() };
    assert!(seen(&world, other.tenant, of_alice).await.is_empty(), "also not by asking for it");
}

#[tokio::test]
async fn filters_and_pages_leave_out_the_rest() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let node = world.node;
    for number in 0..5 {
        let mut one = event(node, "account", alice.to_bytes());
        one.time_millis = number;
        one.reason = if number == 3 { "RepairFailed".into() } else { one.reason };
        world.accept(LEADER, record(vec![one])).await;
    }
    let failed = EventFilter { reason: Some("RepairFailed".into()), ..EventFilter::default() };
    assert_eq!(seen(&world, world.root, failed).await.len(), 1);
    let since =
        EventFilter { since: Some(npanel_model::Timestamp::from_millis(3)), ..EventFilter::default() };
    assert_eq!(seen(&world, world.root, since).await.len(), 2);
    let elsewhere = EventFilter { node_id: Some(NodeId::generate()), ..EventFilter::default() };
    assert!(seen(&world, world.root, elsewhere).await.is_empty());
    let all = seen(&world, world.root, EventFilter::default()).await;
    let page = EventPage { before: Some(all[2].position), limit: 10 };
    let rest = world.store.reader().events(world.root, &EventFilter::default(), page).await.expect("a query");
    assert_eq!(rest.iter().map(|one| one.id).collect::<Vec<_>>(), [all[3].id, all[4].id]);
}

#[tokio::test]
async fn an_event_that_is_told_twice_is_there_once_and_one_of_nobodys_not_at_all() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let one = event(world.node, "account", alice.to_bytes());
    world.accept(LEADER, record(vec![one.clone(), one.clone()])).await;
    world.accept(LEADER, record(vec![one])).await;
    let strangers = vec![
        event(world.node, "account", vec![9; 16]),
        event(NodeId::generate(), "account", alice.to_bytes()),
        event(NodeId::generate(), "", Vec::new()),
        event(world.node, "mailbox", alice.to_bytes()),
    ];
    world.accept(LEADER, record(strangers)).await;
    assert_eq!(seen(&world, world.root, EventFilter::default()).await.len(), 1);
}

#[tokio::test]
async fn events_go_after_thirty_days() {
    let mut world = World::new().await;
    let old = event(world.node, "", Vec::new());
    world.accept(LEADER, record(vec![old])).await;
    world.now += 31 * 86_400_000;
    let new = event(world.node, "", Vec::new());
    world.accept(LEADER, record(vec![new.clone()])).await;
    let left = seen(&world, world.root, EventFilter::default()).await;
    assert_eq!(left.iter().map(|one| one.id.to_bytes()).collect::<Vec<_>>(), [new.event_id]);
}

#[tokio::test]
async fn nobody_but_a_controller_says_what_happened() {
    let mut world = World::new().await;
    let node = world.node;
    let narrow = Who::NodeId(node.to_bytes());
    let refused = world.refuse(narrow, record(vec![event(node, "", Vec::new())])).await;
    assert_eq!(refused, RefusalCode::Forbidden);
    let conditions =
        Command::RecordNodeConditions(RecordNodeConditions { node_id: node.to_bytes(), conditions: vec![] });
    assert_eq!(world.refuse(Who::NodeId(node.to_bytes()), conditions).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn what_is_wrong_with_a_node_is_what_it_last_said() {
    let mut world = World::new().await;
    let node = world.node;
    let state = |kind: &str, subject: &str| NodeConditionState {
        kind: kind.into(),
        subject: subject.into(),
        reason: "SpaceLow".into(),
        message: "5 MB are free".into(),
        since_millis: 7,
    };
    let said = |conditions| {
        Command::RecordNodeConditions(RecordNodeConditions { node_id: node.to_bytes(), conditions })
    };
    let conditions =
        vec![state("DiskPressure", "homes"), state("DiskPressure", "ledger"), state("Haunted", "")];
    world.accept(LEADER, said(conditions)).await;
    let reader = world.store.reader().clone();
    let found = reader.node_conditions(Some(node)).await.expect("a query").remove(&node).expect("some");
    let subjects: Vec<&str> = found.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["homes", "ledger"], "a kind of a later version is left out");
    assert_eq!(found[0].kind, NodeConditionKind::DiskPressure);
    world.accept(LEADER, said(vec![])).await;
    assert!(reader.node_conditions(None).await.expect("a query").is_empty());
}
