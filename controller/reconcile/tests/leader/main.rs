//! The leader's loops, with a cluster of one real controller and nodes that are played.

mod calling;
mod fleet;
mod following;
mod played_node;
mod replacing;
mod rotating;
mod vouching;

use std::{collections::BTreeSet, time::Duration};

use fleet::Fleet;
use npanel_consensus::{Prepare, Purpose};
use npanel_model::{AccountId, DatabaseUserId};
use npanel_pki::Field;
use npanel_proto::{
    command::{
        AccountSlots, CreateDatabaseUser, DeleteAccount, Envelope, PlanPlacementChange, RemoveController,
        UpdateNode, UpdatePlan, envelope::Command, outcome::Outcome,
    },
    node::{ObjectKind, ObjectRef, object_intent::Intent},
};
use npanel_reconcile::Presence;
use played_node::PlayedNode;

#[tokio::test]
async fn what_is_wanted_reaches_the_node_and_what_it_says_reaches_the_state() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    fleet
        .until("the node's facts are known", async || {
            let known = fleet.state().node(id).await.expect("a query").expect("a node");
            known.roles.len() == 3 && known.address == "10.0.0.9" && known.version == "9.9.9"
        })
        .await;
    assert!(
        matches!(fleet.liveness.presence(id), Presence::Online(seen) if seen.capacity.disk_free.0 == 50_000)
    );

    let account = fleet.create_account("alice", "alice.example").await;
    fleet.until("the operation is finished", async || fleet.is_finished(account.operation).await).await;
    let kinds: Vec<ObjectKind> = node.pushed().iter().map(|object| object.0).collect();
    assert_eq!(kinds, [ObjectKind::Account, ObjectKind::Site, ObjectKind::Zone]);
    assert_eq!(node.requests(), 1, "one push for one change");
    let Some(Intent::Zone(zone)) = node.intent(ObjectKind::Zone) else { panic!("no zone") };
    assert_eq!(zone.name_servers, ["n1.nodes.example"]);
}

#[tokio::test]
async fn nodes_are_told_which_controllers_there_are() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    fleet.until("the first is told", async || node.controllers() == [1, 2]).await;
    fleet.enrol_controller(2).await;
    fleet.until("the second is told", async || node.controllers() == [1, 2, 3]).await;
    fleet.accept(Command::RemoveController(RemoveController { controller_id: 2 })).await;
    fleet.until("it is told that it is gone", async || node.controllers() == [1, 3]).await;
}

#[tokio::test]
async fn a_push_that_was_missed_is_mended() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    fleet.until("the operation is finished", async || fleet.is_finished(account.operation).await).await;

    node.forget(ObjectKind::Site);
    fleet.until("the site is back", async || node.intent(ObjectKind::Site).is_some()).await;
}

#[tokio::test]
async fn what_only_the_node_knows_is_left_alone() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let stranger = ObjectRef { kind: ObjectKind::Zone.into(), id: vec![7; 16] };
    node.hold(&stranger, 4);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    fleet.until("the operation is finished", async || fleet.is_finished(account.operation).await).await;
    let beats = node.heartbeats();
    fleet.until("a comparison of what is now", async || node.heartbeats() >= beats + 2).await;
    let inventories = node.inventories();
    fleet.until("another heartbeat", async || node.heartbeats() >= beats + 3).await;
    assert_eq!(node.inventories(), inventories, "a difference that nothing mends is compared once");
    assert_eq!(node.generation(&stranger), Some(4));
}

#[tokio::test]
async fn what_is_deleted_goes_by_a_tombstone_and_is_then_forgotten() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    fleet.until("the operation is finished", async || fleet.is_finished(account.operation).await).await;
    let delete = DeleteAccount {
        account_id: account.id.to_bytes(),
        operation_id: npanel_model::OperationId::generate().to_bytes(),
        retention_seconds: Some(0),
    };
    fleet.accept(Command::DeleteAccount(delete)).await;
    fleet
        .until("the account is forgotten", async || {
            fleet.state().wanted_on(id).await.expect("a query").is_empty()
                && fleet.state().account(fleet.root, account.id).await.expect("a query").is_none()
        })
        .await;
    assert_eq!(node.tombstones(), 3);
    assert!(node.is_empty());
}

#[tokio::test]
async fn a_secret_is_opened_just_before_the_push() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let account = fleet.create_account("alice", "alice.example").await;
    let user = DatabaseUserId::generate();
    let hash = format!("*{}", "0123456789".repeat(4));
    let sealed = fleet
        .data_key
        .seal(Field::database_password(fleet.root, &user.to_bytes()), hash.as_bytes())
        .expect("sealed");
    fleet
        .accept(Command::CreateDatabaseUser(CreateDatabaseUser {
            database_user_id: user.to_bytes(),
            account_id: account.id.to_bytes(),
            name: "alice_wp".into(),
            sealed_password_hash: sealed,
            grants: Vec::new(),
            operation_id: npanel_model::OperationId::generate().to_bytes(),
        }))
        .await;
    fleet.until("the user is pushed", async || node.intent(ObjectKind::DatabaseUser).is_some()).await;
    let Some(Intent::DatabaseUser(pushed)) = node.intent(ObjectKind::DatabaseUser) else { panic!("no user") };
    assert_eq!((pushed.name.as_str(), pushed.password_hash == hash), ("alice_wp", true));
}

#[tokio::test]
async fn a_refused_intent_shows_as_a_failure() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    node.refuse(ObjectKind::Site);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    fleet.create_account("alice", "alice.example").await;
    fleet
        .until("the site has failed", async || {
            let wanted = fleet.state().wanted_on(id).await.expect("a query");
            wanted
                .iter()
                .any(|object| object.observed.state == "failed" && object.observed.reason == "IntentInvalid")
        })
        .await;
}

#[tokio::test]
async fn the_newest_connection_takes_over() {
    let fleet = Fleet::new().await;
    let (old, new) =
        (PlayedNode::new(&["web", "database", "dns"]), PlayedNode::new(&["web", "database", "dns"]));
    let id = fleet.enrol("n1").await;
    let _first = fleet.connect(id, &old).await;
    let _second = fleet.connect(id, &new).await;
    fleet.until("the new daemon is asked", async || new.heartbeats() > 0).await;
    fleet.create_account("alice", "alice.example").await;
    fleet.until("the new daemon has the site", async || new.intent(ObjectKind::Site).is_some()).await;
    assert!(old.intent(ObjectKind::Site).is_none());
}

#[tokio::test]
async fn parts_go_together_and_zones_to_two_nodes() {
    let fleet = Fleet::new().await;
    let mut connections = Vec::new();
    for (name, roles) in
        [("n1", &["web", "database", "dns"][..]), ("n2", &["web", "database"]), ("n3", &["dns"])]
    {
        let node = PlayedNode::new(roles);
        connections.push(fleet.connect(fleet.enrol(name).await, &node).await);
    }
    for (username, domain) in [("alice", "alice.example"), ("bobby", "bobby.example")] {
        fleet.create_account(username, domain).await;
    }
    let nodes = fleet.state().all_nodes().await.expect("a query");
    let loads: Vec<_> =
        nodes.iter().map(|node| (node.load.web, node.load.database, node.load.zones)).collect();
    assert_eq!(loads, [(1, 1, 2), (1, 1, 0), (0, 0, 2)]);
}

#[tokio::test]
async fn a_burst_is_spread() {
    let fleet = Fleet::new().await;
    let mut connections = Vec::new();
    for name in ["n1", "n2"] {
        let node = PlayedNode::new(&["web", "database", "dns"]);
        connections.push(fleet.connect(fleet.enrol(name).await, &node).await);
    }
    let creating = (0..10).map(|number| {
        let fleet = &fleet;
        async move { fleet.create_account(&format!("alice{number}"), &format!("a{number}.example")).await }
    });
    futures::future::join_all(creating).await;
    let nodes = fleet.state().all_nodes().await.expect("a query");
    let webs: Vec<u64> = nodes.iter().map(|node| node.load.web).collect();
    assert_eq!(webs.iter().sum::<u64>(), 10);
    assert!(webs.iter().all(|web| *web >= 3), "{webs:?}");
}

#[tokio::test]
async fn a_node_that_grows_is_as_large_with_its_next_heartbeat() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let id = fleet.enrol("n1").await;
    let _connection = fleet.connect(id, &node).await;
    let disk = async || fleet.state().node(id).await.expect("a query").expect("a node").limits.disk.0;
    fleet.until("its first size is known", async || disk().await == 90_000).await;
    node.grow(120_000);
    fleet.until("its new size is known", async || disk().await == 120_000).await;
}

#[tokio::test]
async fn two_placements_at_once_see_each_other_and_keep_apart() {
    let fleet = Fleet::new().await;
    let mut connections = Vec::new();
    for name in ["n1", "n2", "n3"] {
        let node = PlayedNode::new(&["web", "database", "dns"]);
        connections.push(fleet.connect(fleet.enrol(name).await, &node).await);
    }
    let apart = PlanPlacementChange { anti_affinity: Some("required".into()), ..Default::default() };
    let change = UpdatePlan { plan_id: fleet.plan.to_bytes(), placement: Some(apart), ..Default::default() };
    fleet.accept(Command::UpdatePlan(change)).await;
    let place = async |number: u8| {
        let name = format!("alice{number}");
        let command = fleet.account_command(AccountId::generate(), &name, &format!("{name}.example"));
        let mut envelope = Envelope { command: Some(command), ..Envelope::default() };
        fleet.placing.prepare(&mut envelope, Purpose::Propose, fleet.state()).await.expect("a place");
        let Some(Command::CreateAccount(account)) = envelope.command else { panic!("another command") };
        assert!(
            account.placement_report.contains("\"zone\":{\"chosen\":[\""),
            "{}",
            account.placement_report
        );
        account.assignments.into_iter().map(|assignment| assignment.node_id).collect::<Vec<_>>()
    };
    let placed = futures::future::join_all((0..3).map(place)).await;
    let webs: BTreeSet<_> = placed.iter().map(|nodes| nodes[0].clone()).collect();
    assert_eq!(webs.len(), 3, "each has a node of its own");
    assert!(placed.iter().all(|nodes| nodes[0] == nodes[1]), "an account is not apart from itself");
}

#[tokio::test]
async fn what_is_only_asked_for_tilts_no_balance() {
    let fleet = Fleet::new().await;
    let mut connections = Vec::new();
    for name in ["n1", "n2"] {
        let node = PlayedNode::new(&["web", "database", "dns"]);
        connections.push(fleet.connect(fleet.enrol(name).await, &node).await);
    }
    let choose = async |purpose| {
        let command = fleet.account_command(AccountId::generate(), "alice", "alice.example");
        let mut envelope = Envelope { command: Some(command), ..Envelope::default() };
        fleet.placing.prepare(&mut envelope, purpose, fleet.state()).await.expect("a place");
        let Some(Command::CreateAccount(account)) = envelope.command else { panic!("another command") };
        account.assignments[0].node_id.clone()
    };
    let first = choose(Purpose::Foresee).await;
    for _ in 0..4 {
        assert_eq!(choose(Purpose::Foresee).await, first, "what was asked before counts");
    }
    assert_eq!(choose(Purpose::Propose).await, first);
    assert_ne!(choose(Purpose::Propose).await, first, "what is about to be proposed does not count");
}

#[tokio::test]
async fn creations_that_race_for_a_nodes_last_slots_are_placed_anew_elsewhere() {
    let fleet = Fleet::new().await;
    let mut connections = Vec::new();
    let mut ids = Vec::new();
    for name in ["n1", "n2"] {
        let node = PlayedNode::new(&["web", "database", "dns"]);
        ids.push(fleet.enrol(name).await);
        connections.push(fleet.connect(ids[ids.len() - 1], &node).await);
    }
    // All nodes are chosen before the limit is there, and judged by the rules after it.
    fleet.gate.send_replace(false);
    let creating = (0..12).map(|number| {
        let fleet = &fleet;
        async move { fleet.create_account(&format!("racer{number}"), &format!("r{number}.example")).await }
    });
    let limiting = async {
        fleet.until("all are chosen", async || fleet.gate.receiver_count() == 13).await;
        fleet
            .accept(Command::UpdateNode(UpdateNode {
                node_id: ids[0].to_bytes(),
                account_slots: Some(AccountSlots { limit: Some(2) }),
                ..UpdateNode::default()
            }))
            .await;
        fleet.gate.send_replace(true);
    };
    tokio::join!(limiting, futures::future::join_all(creating));
    let nodes = fleet.state().all_nodes().await.expect("a query");
    let webs: Vec<u64> = nodes.iter().map(|node| node.load.web).collect();
    assert_eq!(webs, [2, 10]);
}

#[tokio::test]
async fn when_no_node_fits_every_reason_is_given() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["dns"]);
    let _connection = fleet.connect(fleet.enrol("n1").await, &node).await;
    fleet.enrol("n2").await;
    let account = AccountId::generate();
    let started = std::time::Instant::now();
    let outcome = fleet.propose(fleet.account_command(account, "alice", "alice.example")).await;
    let Some(Outcome::Refused(refused)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused.code, "no_node");
    assert!(refused.message.contains("n1 does not have the role web (has dns)"), "{}", refused.message);
    assert!(refused.message.contains("n2 does not have the role web (has none)"), "{}", refused.message);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(fleet.state().account(fleet.root, account).await.expect("a query").is_none());
}

#[tokio::test]
async fn old_operations_are_forgotten_by_the_time_of_commands() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    let _connection = fleet.connect(fleet.enrol("n1").await, &node).await;
    let old = fleet.create_account("alice", "alice.example").await;
    fleet.until("it is over", async || fleet.is_finished(old.operation).await).await;
    fleet.days_ahead.store(31, std::sync::atomic::Ordering::Relaxed);
    let new = fleet.create_account("bobby", "bobby.example").await;
    let is_kept = async |id| fleet.state().operation(fleet.root, id).await.expect("a query").is_some();
    fleet.until("the old one is forgotten", async || !is_kept(old.operation).await).await;
    assert!(is_kept(new.operation).await, "it is not old");
}
