//! Nodes that never come back: what they carried is settled, and placed anew.

use npanel_model::{AccountId, AssignmentId, NodeId, OperationId, TenantId};
use npanel_proto::command::{
    Assignment, DeleteAccount, DeleteNode, NodeLabels, PlaceAccount, PlaceZone, PlacementWish,
    PlanPlacementChange, RevokeNode, UpdateNode, UpdatePlan, WriteOffNode, ZoneAssignment, envelope::Command,
    principal::Who,
};
use npanel_state::{AccountFilter, IntentSource, ObjectKind, ObjectStatus, OwnedFilter, Page, RefusalCode};

use crate::{
    capacity::rows,
    support::{Reseller, World, by},
};

fn everything() -> Page {
    Page { limit: 100, ..Page::default() }
}

fn deletion(node: NodeId, accept_data_loss: bool) -> DeleteNode {
    DeleteNode {
        node_id: node.to_bytes(),
        force: true,
        accept_data_loss,
        operation_id: OperationId::generate().to_bytes(),
    }
}

impl World {
    pub(crate) async fn revoke(&mut self, node: NodeId) {
        let command = RevokeNode { node_id: node.to_bytes(), reason: String::new() };
        self.accept(self.by_admin(), Command::RevokeNode(command)).await;
    }

    /// The node is gone for good.
    pub(crate) async fn lose(&mut self, node: NodeId) {
        self.revoke(node).await;
        self.accept(self.by_admin(), Command::DeleteNode(deletion(node, true))).await;
    }

    fn placed_on(&self, account: AccountId, parts: &[&str], node: NodeId) -> Command {
        let assignment = |part: &&str| Assignment {
            assignment_id: AssignmentId::generate().to_bytes(),
            part: (*part).to_owned(),
            node_id: node.to_bytes(),
        };
        Command::PlaceAccount(PlaceAccount {
            account_id: account.to_bytes(),
            assignments: parts.iter().map(assignment).collect(),
            operation_id: OperationId::generate().to_bytes(),
            ..PlaceAccount::default()
        })
    }

    /// Tries to put all that is unplaced on one node.
    pub(crate) async fn replace_all(&mut self, node: NodeId) {
        for account in self.store.reader().unplaced_accounts(None, 100).await.expect("a list") {
            let parts: Vec<&str> = account.parts.iter().map(|part| part.as_str()).collect();
            let command = self.placed_on(account.id, &parts, node);
            self.apply(Who::ControllerId(1), command).await;
        }
        for zone in self.store.reader().unplaced_zones(100).await.expect("a list") {
            let assignment = ZoneAssignment {
                assignment_id: AssignmentId::generate().to_bytes(),
                node_id: node.to_bytes(),
            };
            let command = PlaceZone {
                zone_id: zone.to_bytes(),
                assignments: vec![assignment],
                operation_id: OperationId::generate().to_bytes(),
            };
            self.apply(Who::ControllerId(1), Command::PlaceZone(command)).await;
        }
    }

    /// Nothing speaks of a node that is not there, and everything that lives is placed or known to be unplaced.
    pub(crate) async fn require_whole(&self) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("copy.db");
        self.store.copy_to(path.clone()).await.expect("a copy");
        let db = rusqlite::Connection::open(path).expect("it opens");
        for table in ["assignments", "zone_assignments", "node_objects", "node_conditions"] {
            let sql = format!("SELECT * FROM {table} WHERE node_id NOT IN (SELECT id FROM nodes)");
            assert_eq!(rows(&db, &sql), [""; 0], "{table}");
        }
        let wrong = [
            (
                "an operation waits for ever",
                "SELECT * FROM operation_targets t WHERE done_millis IS NULL AND NOT EXISTS (
                     SELECT 1 FROM node_objects o
                     WHERE o.node_id = t.node_id AND o.kind = t.kind AND o.object_id = t.object_id)",
            ),
            (
                "an operation that waits for nothing goes on",
                "SELECT * FROM operations o WHERE finished_millis IS NULL AND NOT EXISTS (
                     SELECT 1 FROM operation_targets t WHERE t.operation_id = o.id AND t.done_millis IS NULL)",
            ),
            (
                "a part is nowhere",
                "SELECT * FROM accounts a, (SELECT 'web' AS part UNION SELECT 'database') p
                 WHERE a.deleted_millis IS NULL
                   AND (SELECT count(*) FROM assignments x WHERE x.account_id = a.id AND x.part = p.part)
                     + (SELECT count(*) FROM unplaced u WHERE u.owner_id = a.id AND u.part = p.part) != 1",
            ),
            (
                "a zone is nowhere",
                "SELECT * FROM zones z WHERE z.deleted_millis IS NULL
                   AND EXISTS (SELECT 1 FROM zone_assignments x WHERE x.zone_id = z.id)
                     = EXISTS (SELECT 1 FROM unplaced u WHERE u.owner_id = z.id)",
            ),
            (
                "what is gone is still unplaced",
                "SELECT * FROM unplaced WHERE owner_id NOT IN (
                     SELECT id FROM accounts WHERE deleted_millis IS NULL
                     UNION SELECT id FROM zones WHERE deleted_millis IS NULL)",
            ),
            (
                "a tombstone that nobody has",
                "SELECT id FROM accounts a WHERE deleted_millis IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM node_objects o WHERE o.object_id = a.id AND o.kind = 'account')",
            ),
        ];
        for (what, sql) in wrong {
            assert_eq!(rows(&db, sql), [""; 0], "{what}");
        }
    }

    async fn status(&self, tenant: TenantId) -> (ObjectStatus, Vec<String>) {
        let list = self.store.reader().accounts(tenant, AccountFilter::default(), &everything()).await;
        let account = list.expect("a list").pop().expect("an account");
        let reasons = account.convergence.conditions.into_iter().map(|condition| condition.reason).collect();
        (account.convergence.status, reasons)
    }

    async fn failed(&self, tenant: TenantId) -> usize {
        let mut filter = AccountFilter::default();
        filter.converging.status = Some(ObjectStatus::Failed);
        self.store.reader().accounts(tenant, filter, &everything()).await.expect("a list").len()
    }
}

/// A world with an account that has one of everything, and a second node.
async fn filled() -> (World, Reseller, AccountId, NodeId) {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", Some("alice.example")).await;
    world.new_database(&acme, alice, "alice_shop").await;
    world.observe_all("converged").await;
    let other = NodeId::generate();
    world.enrol_node("n2", other).await;
    (world, acme, alice, other)
}

#[tokio::test]
async fn a_node_that_carries_something_goes_only_when_all_of_that_was_said() {
    let (mut world, acme, ..) = filled().await;
    let node = world.node;
    let by_admin = world.by_admin();
    let plainly = DeleteNode { force: false, ..deletion(node, true) };
    assert_eq!(world.refuse(by_admin.clone(), Command::DeleteNode(plainly)).await, RefusalCode::InUse);
    let trusted = Command::DeleteNode(deletion(node, true));
    assert_eq!(world.refuse(by_admin.clone(), trusted.clone()).await, RefusalCode::InUse, "it may come back");
    world.revoke(node).await;
    let unsaid = Command::DeleteNode(deletion(node, false));
    assert_eq!(world.refuse(by_admin.clone(), unsaid).await, RefusalCode::InUse, "data would be lost");
    assert_eq!(world.refuse(by(acme.key), trusted.clone()).await, RefusalCode::Forbidden);
    world.accept(by_admin, trusted).await;
    world.require_whole().await;
    assert!(world.store.reader().node(node).await.expect("a query").is_none());
}

#[tokio::test]
async fn what_was_on_a_lost_node_is_unplaced_and_then_whole_on_another() {
    let (mut world, acme, alice, other) = filled().await;
    world.lose(world.node).await;
    let (status, reasons) = world.status(acme.tenant).await;
    assert_eq!((status, reasons), (ObjectStatus::Failed, vec!["Unplaced".to_owned(); 2]));
    assert_eq!(world.failed(acme.tenant).await, 1, "the filter says the same");
    assert_eq!(world.store.reader().count_unplaced().await.expect("a count"), (2, 1));
    let zones = world.store.reader().zones(acme.tenant, OwnedFilter::default(), &everything()).await;
    assert_eq!(zones.expect("a list")[0].convergence.status, ObjectStatus::Failed);
    // Nothing new can go where there is nothing, and a plan's change does not stumble over it.
    let more = world.domain(alice, "more.example");
    assert_eq!(world.refuse(by(acme.key), Command::CreateDomain(more)).await, RefusalCode::NoNode);
    let plan = UpdatePlan {
        plan_id: acme.plan.to_bytes(),
        php_version: Some("8.3".into()),
        operation_id: OperationId::generate().to_bytes(),
        ..UpdatePlan::default()
    };
    world.accept(by(acme.key), Command::UpdatePlan(plan.clone())).await;
    let command = world.placed_on(alice, &["web"], other);
    let refused = world.refuse(Who::ControllerId(1), command).await;
    assert_eq!(refused, RefusalCode::NoNode, "that node has no such PHP");
    let back = UpdatePlan {
        php_version: Some("8.2".into()),
        operation_id: OperationId::generate().to_bytes(),
        ..plan
    };
    world.accept(by(acme.key), Command::UpdatePlan(back)).await;

    world.replace_all(other).await;
    world.require_whole().await;
    let wanted = world.store.reader().wanted_on(other).await.expect("a list");
    let mut kinds: Vec<_> = wanted.iter().map(|object| object.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["account", "database", "site", "zone"]);
    assert!(
        wanted.iter().all(|object| object.generation.0 > 1),
        "newer than whatever is left of a former life"
    );
    assert_eq!(world.status(acme.tenant).await.0, ObjectStatus::Converging);
    world.observe_all_on(other, "converged").await;
    assert_eq!(world.status(acme.tenant).await.0, ObjectStatus::Ready);
    assert_eq!(world.reserved(other).await, (1, 1000));
    let again = world.placed_on(alice, &["web"], other);
    assert_eq!(world.refuse(Who::ControllerId(1), again).await, RefusalCode::InUse);
}

#[tokio::test]
async fn names_lead_to_the_new_node() {
    let (mut world, _, _, other) = filled().await;
    world.lose(world.node).await;
    let mut facts = npanel_proto::command::UpdateNodeFacts {
        node_id: other.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.22".into(),
        php_versions: vec!["8.2".into()],
        ..Default::default()
    };
    facts.os_profile = "debian-12".into();
    world.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    world.replace_all(other).await;
    let wanted = world.store.reader().wanted_on(other).await.expect("a list");
    let zone = wanted.iter().find(|object| object.kind == ObjectKind::Zone).expect("the zone");
    let intent = world.store.reader().intent(ObjectKind::Zone, &zone.id).await.expect("a query");
    let Some(IntentSource::Zone { name_servers, record_sets, .. }) = intent else { panic!("not a zone") };
    assert_eq!(name_servers.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["n2.ns.example"]);
    assert_eq!(record_sets[0].records, ["192.0.2.22"]);
}

#[tokio::test]
async fn removals_do_not_wait_for_a_lost_node() {
    let (mut world, acme, alice, other) = filled().await;
    let delete = DeleteAccount {
        account_id: alice.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: Some(60),
    };
    let operation = OperationId::from_bytes(&delete.operation_id).expect("an id");
    world.accept(by(acme.key), Command::DeleteAccount(delete)).await;
    world.lose(world.node).await;
    assert_eq!(world.store.reader().is_finished(operation).await.expect("a query"), Some(true));
    let left = world.store.reader().accounts(acme.tenant, AccountFilter::default(), &everything()).await;
    assert!(left.expect("a list").is_empty());
    world.require_whole().await;
    // The name and the database's are free again.
    let again = world.on(&acme, "alice", other, other);
    world.accept(by(acme.key), Command::CreateAccount(again)).await;
}

#[tokio::test]
async fn an_unplaced_account_can_be_deleted() {
    let (mut world, acme, alice, _) = filled().await;
    world.lose(world.node).await;
    let delete = DeleteAccount {
        account_id: alice.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: None,
    };
    world.accept(by(acme.key), Command::DeleteAccount(delete)).await;
    assert_eq!(world.store.reader().count_unplaced().await.expect("a count"), (0, 0));
    world.require_whole().await;
}

#[tokio::test]
async fn a_zone_with_another_name_server_goes_on_with_that() {
    let (mut world, acme, _, other) = filled().await;
    let (id, mut command) = world.account(&acme, "bobby", None);
    let mut domain = world.domain(id, "bobby.example");
    let second =
        ZoneAssignment { assignment_id: AssignmentId::generate().to_bytes(), node_id: other.to_bytes() };
    domain.zone.as_mut().expect("a zone").assignments.push(second);
    for assignment in &mut command.assignments {
        assignment.node_id = other.to_bytes();
    }
    command.domain = Some(domain);
    world.accept(by(acme.key), Command::CreateAccount(command)).await;
    world.observe_all_on(other, "converged").await;
    world.lose(world.node).await;
    world.require_whole().await;
    let wanted = world.store.reader().wanted_on(other).await.expect("a list");
    let zone = wanted.iter().find(|object| object.kind == ObjectKind::Zone).expect("the zone");
    assert_eq!(zone.generation.0, 3, "it is told that the other is none of its name servers");
    assert_eq!(world.store.reader().count_unplaced().await.expect("a count"), (2, 1), "alice's alone");
}

#[tokio::test]
async fn an_account_is_placed_anew_where_it_was_wished_unless_its_plan_says_otherwise_by_now() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let labelled = |label: &str| UpdateNode {
        labels: Some(NodeLabels { labels: vec![label.into()] }),
        ..UpdateNode::default()
    };
    let lost = world.node;
    world.change(lost, labelled("disk=hdd")).await;
    let (id, mut command) = world.account(&acme, "alice", None);
    command.placement = Some(PlacementWish { labels: vec!["disk=hdd".into()], ..PlacementWish::default() });
    world.accept(world.by_admin(), Command::CreateAccount(command)).await;
    let other = NodeId::generate();
    world.enrol_node("n2", other).await;
    world.change(other, labelled("disk=nvme")).await;
    world.lose(lost).await;
    let place = world.placed_on(id, &["web", "database"], other);
    assert_eq!(world.refuse(Who::ControllerId(1), place.clone()).await, RefusalCode::NoNode);
    let nvme = PlanPlacementChange {
        labels: Some(NodeLabels { labels: vec!["disk=nvme".into()] }),
        ..PlanPlacementChange::default()
    };
    let change = UpdatePlan {
        plan_id: acme.plan.to_bytes(),
        placement: Some(nvme),
        operation_id: OperationId::generate().to_bytes(),
        ..UpdatePlan::default()
    };
    world.accept(world.by_admin(), Command::UpdatePlan(change)).await;
    world.accept(Who::ControllerId(1), place).await;
    world.require_whole().await;
}

/// More than is settled within the deletion itself.
const MANY: usize = 252;

impl World {
    async fn write_off(&mut self, node: NodeId, most: u32) {
        let command = Command::WriteOffNode(WriteOffNode { node_id: node.to_bytes(), most });
        self.accept(Who::ControllerId(1), command).await;
    }

    async fn written_off(&self) -> Vec<NodeId> {
        self.store.reader().written_off_nodes().await.expect("a query")
    }

    async fn count_unplaced(&self) -> (u64, u64) {
        self.store.reader().count_unplaced().await.expect("a count")
    }
}

#[tokio::test]
async fn what_a_full_node_carried_is_settled_in_batches_and_the_node_goes_with_the_last() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    for number in 0..MANY {
        world.new_account(&acme, &format!("user{number}"), None).await;
    }
    let other = NodeId::generate();
    world.enrol_node("n2", other).await;
    let (zoned, mut command) = world.account(&acme, "zoned", None);
    let mut first = world.domain(zoned, "zoned.example");
    let second =
        ZoneAssignment { assignment_id: AssignmentId::generate().to_bytes(), node_id: other.to_bytes() };
    first.zone.as_mut().expect("a zone").assignments.push(second);
    command.domain = Some(first);
    world.accept(by(acme.key), Command::CreateAccount(command)).await;
    let domain = world.new_account(&acme, "lastone", Some("last.example")).await;
    world.observe_all("converged").await;
    let delete = DeleteAccount {
        account_id: domain.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: Some(60),
    };
    let waiting = OperationId::from_bytes(&delete.operation_id).expect("an id");
    world.accept(by(acme.key), Command::DeleteAccount(delete)).await;
    let lost = world.node;
    world.revoke(lost).await;
    let deletion = deletion(lost, true);
    let operation = OperationId::from_bytes(&deletion.operation_id).expect("an id");
    world.accept(world.by_admin(), Command::DeleteNode(deletion.clone())).await;
    assert_eq!(world.count_unplaced().await, (500, 0), "250 accounts, and no more at once");
    assert_eq!(world.written_off().await, [lost]);

    // It is not there for anybody meanwhile.
    let by_admin = world.by_admin();
    let again =
        Command::DeleteNode(DeleteNode { operation_id: OperationId::generate().to_bytes(), ..deletion });
    assert_eq!(world.refuse(by_admin.clone(), again).await, RefusalCode::Deleting);
    let change = UpdateNode { node_id: lost.to_bytes(), schedulable: Some(true), ..UpdateNode::default() };
    assert_eq!(world.refuse(by_admin, Command::UpdateNode(change)).await, RefusalCode::Deleting);
    let token = world.bound_token("n1", &[]).await;
    let enrolment = world.enrolment("n1", lost, token);
    assert_eq!(world.refuse(Who::TokenId(token.to_bytes()), enrolment).await, RefusalCode::Deleting);
    // What is placed anew meanwhile stays so.
    world.replace_all(other).await;
    let finished = async |world: &World, id| world.store.reader().is_finished(id).await.expect("a query");
    let mut batches = 0;
    while world.written_off().await == [lost] {
        assert_eq!(finished(&world, operation).await, Some(false));
        world.write_off(lost, 1).await;
        // The other name server of a zone has done its part before the last batch.
        world.observe_all_on(other, "converged").await;
        batches += 1;
    }
    // Four accounts, two zones and 258 objects.
    assert!((262..=266).contains(&batches), "{batches}");
    assert_eq!(finished(&world, operation).await, Some(true));
    assert_eq!(finished(&world, waiting).await, Some(true), "nobody is left to remove it");
    world.write_off(lost, 50).await;
    while world.count_unplaced().await != (0, 0) {
        world.replace_all(other).await;
    }
    world.observe_all_on(other, "converged").await;
    world.require_whole().await;
    assert_eq!(world.reserved(other).await.0, MANY as u64 + 1);
}
