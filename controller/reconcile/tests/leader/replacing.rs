//! What a lost node carried is placed anew, as each account needs it.

use npanel_model::{AccountId, NodeId, OperationId};
use npanel_proto::{
    command::{DeleteNode, PlacementWish, RevokeNode, UpdateAccount, envelope::Command, outcome::Outcome},
    node::ObjectKind,
};
use npanel_reconcile::Registration;

use crate::{fleet::Fleet, played_node::PlayedNode};

const ALL: &[&str] = &["web", "database", "dns"];

impl Fleet {
    /// The node is gone for good.
    async fn lose(&self, node: NodeId, connection: Registration) {
        drop(connection);
        let node_id = node.to_bytes();
        self.accept(Command::RevokeNode(RevokeNode { node_id: node_id.clone(), reason: String::new() }))
            .await;
        let operation_id = OperationId::generate().to_bytes();
        let deletion = DeleteNode { node_id, force: true, accept_data_loss: true, operation_id };
        self.accept(Command::DeleteNode(deletion)).await;
    }

    async fn nodes_of(&self, account: AccountId) -> Vec<NodeId> {
        let account = self.state().account(self.root, account).await.expect("a query").expect("an account");
        account.assignments.into_iter().map(|part| part.node_id).collect()
    }

    /// An account without a zone, on a node with this label.
    async fn wished(&self, username: &str, label: &str) -> AccountId {
        let id = AccountId::generate();
        let Command::CreateAccount(mut body) = self.account_command(id, username, "none.example") else {
            panic!("another command")
        };
        body.domain = None;
        body.placement = Some(PlacementWish { labels: vec![label.into()], ..PlacementWish::default() });
        self.accept(Command::CreateAccount(body)).await;
        id
    }
}

#[tokio::test]
async fn what_a_lost_node_carried_is_placed_anew_as_soon_as_a_node_can_take_it() {
    let fleet = Fleet::new().await;
    let first = PlayedNode::new(ALL);
    let lost = fleet.enrol("n1").await;
    let connection = fleet.connect(lost, &first).await;
    let account = fleet.create_account("alice", "alice.example").await;
    fleet.until("the operation is finished", async || fleet.is_finished(account.operation).await).await;
    fleet.lose(lost, connection).await;
    assert_eq!(fleet.state().count_unplaced().await.expect("a count"), (2, 1));

    let second = PlayedNode::new(ALL);
    let other = fleet.enrol("n2").await;
    let _connection = fleet.connect(other, &second).await;
    fleet
        .until("nothing is unplaced", async || {
            fleet.state().count_unplaced().await.expect("a count") == (0, 0)
                && fleet.state().unsettled_on(other).await.expect("a count").pending == 0
        })
        .await;
    let mut kinds: Vec<ObjectKind> = second.pushed().iter().map(|object| object.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [ObjectKind::Account, ObjectKind::Site, ObjectKind::Zone]);
}

#[tokio::test]
async fn an_account_is_placed_anew_by_its_own_php_and_not_by_its_plans() {
    let fleet = Fleet::new().await;
    let first = PlayedNode::new(ALL).with_php(&["8.2", "8.3"]);
    let lost = fleet.enrol("n1").await;
    let connection = fleet.connect(lost, &first).await;
    let account = fleet.create_account("alice", "alice.example").await;
    let own = UpdateAccount {
        account_id: account.id.to_bytes(),
        php_version: Some("8.3".into()),
        operation_id: OperationId::generate().to_bytes(),
        ..UpdateAccount::default()
    };
    fleet.accept(Command::UpdateAccount(own)).await;
    fleet.lose(lost, connection).await;
    // The plan's version is not there.
    let other = fleet.enrol("n2").await;
    let _connection = fleet.connect(other, &PlayedNode::new(ALL).with_php(&["8.3"])).await;
    fleet.until("it is placed", async || fleet.nodes_of(account.id).await == [other, other]).await;
}

#[tokio::test]
async fn an_account_is_placed_anew_where_it_was_wished_and_delays_no_other_while_it_cannot_be() {
    let fleet = Fleet::new().await;
    let lost = fleet.enrol("n1").await;
    let connection = fleet.connect(lost, &PlayedNode::new(ALL).with_label("disk=nvme")).await;
    let alice = fleet.wished("alice", "disk=nvme").await;
    let bobby = fleet.create_account("bobby", "bobby.example").await;
    assert!(alice < bobby.id, "it is the first that is looked at");
    fleet.lose(lost, connection).await;
    let plain = fleet.enrol("n2").await;
    let _plain = fleet.connect(plain, &PlayedNode::new(ALL)).await;
    fleet.until("the other is placed", async || fleet.nodes_of(bobby.id).await == [plain, plain]).await;
    assert_eq!(fleet.nodes_of(alice).await, [], "no node is what was wished for it");
    let place = npanel_proto::command::PlaceAccount {
        account_id: alice.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        ..Default::default()
    };
    let outcome = fleet.propose(Command::PlaceAccount(place)).await;
    let Some(Outcome::Refused(refused)) = outcome else { panic!("{outcome:?}") };
    assert!(refused.message.contains("n2 does not have the label disk=nvme"), "{}", refused.message);

    // An empty node that comes first, were it not for the wish.
    let _empty = fleet.connect(fleet.enrol("n3").await, &PlayedNode::new(ALL)).await;
    let fast = fleet.enrol("n4").await;
    let _fast = fleet.connect(fast, &PlayedNode::new(ALL).with_label("disk=nvme")).await;
    fleet
        .until("it is placed where it was wished", async || fleet.nodes_of(alice).await == [fast, fast])
        .await;
}

#[tokio::test]
async fn a_part_is_placed_anew_beside_the_part_that_is_left() {
    let fleet = Fleet::new().await;
    let web = fleet.enrol("n1").await;
    let connection = fleet.connect(web, &PlayedNode::new(&["web", "dns"])).await;
    let database = fleet.enrol("n2").await;
    let _database = fleet.connect(database, &PlayedNode::new(&["database"])).await;
    let account = fleet.create_account("alice", "alice.example").await;
    assert_eq!(fleet.nodes_of(account.id).await, [database, web]);
    // The first that can take the web part has no room but for what it has already.
    let slots = npanel_proto::command::AccountSlots { limit: Some(1) };
    let full = npanel_proto::command::UpdateNode {
        node_id: database.to_bytes(),
        account_slots: Some(slots),
        ..Default::default()
    };
    fleet.accept(Command::UpdateNode(full)).await;
    drop(_database);
    let _both = fleet.connect_again(database, &PlayedNode::new(ALL)).await;
    fleet.lose(web, connection).await;
    fleet.until("it is beside", async || fleet.nodes_of(account.id).await == [database, database]).await;
}
