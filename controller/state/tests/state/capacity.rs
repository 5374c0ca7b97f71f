//! What nodes are promised to hold.

use std::collections::BTreeMap;

use npanel_model::{AccountId, AssignmentId, NodeId, OperationId, PlanId};
use npanel_proto::command::{
    AccountSlots, Assignment, CreateAccount, CreatePlan, DeleteAccount, NodeLabels, PlacementWish,
    PlanPlacement, UpdateAccount, UpdateNode, UpdateNodeFacts, UpdatePlan, envelope::Command, principal::Who,
};
use npanel_state::RefusalCode;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{Reseller, World, by};

impl World {
    pub(crate) async fn size(&mut self, node: NodeId, disk_mb: u64, memory_mb: u64) {
        let facts = UpdateNodeFacts {
            node_id: node.to_bytes(),
            roles: vec!["web".into(), "database".into(), "dns".into()],
            address: "192.0.2.11".into(),
            os_profile: "debian-12".into(),
            php_versions: vec!["8.2".into()],
            version: "0.1.0".into(),
            disk_mb,
            memory_mb,
            ..UpdateNodeFacts::default()
        };
        self.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    }

    pub(crate) async fn change(&mut self, node: NodeId, change: UpdateNode) {
        let command = Command::UpdateNode(UpdateNode { node_id: node.to_bytes(), ..change });
        self.accept(self.by_admin(), command).await;
    }

    async fn plan(&mut self, of: &Reseller, placement: Option<PlanPlacement>) -> PlanId {
        let id = PlanId::generate();
        let command = CreatePlan {
            plan_id: id.to_bytes(),
            tenant_id: of.tenant.to_bytes(),
            name: "placed".into(),
            disk_mb: 1000,
            php_version: "8.2".into(),
            placement,
            ..CreatePlan::default()
        };
        self.accept(self.by_admin(), Command::CreatePlan(command)).await;
        id
    }

    pub(crate) fn on(&self, of: &Reseller, username: &str, web: NodeId, database: NodeId) -> CreateAccount {
        let assignment = |part: &str, node: NodeId| Assignment {
            assignment_id: AssignmentId::generate().to_bytes(),
            part: part.into(),
            node_id: node.to_bytes(),
        };
        let assignments = vec![assignment("web", web), assignment("database", database)];
        CreateAccount { assignments, ..self.account(of, username, None).1 }
    }

    async fn delete(&mut self, account: AccountId) {
        let command = DeleteAccount {
            account_id: account.to_bytes(),
            operation_id: OperationId::generate().to_bytes(),
            retention_seconds: Some(60),
        };
        self.accept(self.by_admin(), Command::DeleteAccount(command)).await;
    }

    async fn plan_of_root(&mut self) -> Vec<u8> {
        let id = PlanId::generate().to_bytes();
        let command = CreatePlan {
            plan_id: id.clone(),
            tenant_id: self.root.to_bytes(),
            name: "own".into(),
            disk_mb: 1000,
            php_version: "8.2".into(),
            ..CreatePlan::default()
        };
        self.accept(self.by_admin(), Command::CreatePlan(command)).await;
        id
    }

    pub(crate) async fn reserved(&self, node: NodeId) -> (u64, u64) {
        let node = self.store.reader().node(node).await.expect("a query").expect("a node");
        (node.reserved.accounts, node.reserved.disk.0)
    }

    /// The sums that are kept, and the same counted again.
    pub(crate) async fn sums(&self) -> (Vec<String>, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("copy.db");
        self.store.copy_to(path.clone()).await.expect("a copy");
        let db = rusqlite::Connection::open(path).expect("it opens");
        let rows = |sql: &str| rows(&db, sql);
        let mut kept = rows(
            "SELECT node_id, web, database, zones, accounts, disk_mb, memory_mb FROM node_capacity ORDER BY 1",
        );
        kept.extend(rows("SELECT tenant_id, node_id, accounts FROM node_tenants ORDER BY 1, 2"));
        kept.extend(rows("SELECT tenant_id, accounts FROM tenant_accounts ORDER BY 1"));
        let mut counted = rows(
            "SELECT c.node_id,
                (SELECT count(*) FROM assignments a WHERE a.node_id = c.node_id AND part = 'web'),
                (SELECT count(*) FROM assignments a WHERE a.node_id = c.node_id AND part = 'database'),
                (SELECT count(*) FROM zone_assignments z WHERE z.node_id = c.node_id),
                (SELECT count(DISTINCT account_id) FROM assignments a WHERE a.node_id = c.node_id),
                (SELECT coalesce(sum(a.disk_mb), 0) FROM assignments a WHERE a.node_id = c.node_id),
                (SELECT coalesce(sum(a.memory_mb), 0) FROM assignments a WHERE a.node_id = c.node_id)
             FROM node_capacity c ORDER BY 1",
        );
        counted.extend(rows(
            "SELECT tenant_id, node_id, count(DISTINCT account_id) FROM assignments GROUP BY 1, 2 ORDER BY 1, 2",
        ));
        counted.extend(rows(
            "SELECT t.id, (SELECT count(*) FROM tenant_tree below JOIN accounts a ON a.tenant_id = below.tenant_id
                 WHERE below.ancestor_id = t.id AND a.deleted_millis IS NULL) FROM tenants t ORDER BY 1",
        ));
        (kept, counted)
    }
}

pub(crate) fn rows(db: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).expect("a query");
    let columns = statement.column_count();
    statement
        .query_map([], |row| {
            let values = (0..columns).map(|at| format!("{:?}", row.get_ref(at).expect("a value")));
            Ok(values.collect::<Vec<_>>().join(" "))
        })
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("texts")
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_fits_again_when_the_last_data_is_gone() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let node = world.node;
    world.size(node, 2500, 0).await;
    let alice = world.new_account(&acme, "alice", None).await;
    world.new_account(&acme, "bobby", None).await;
    assert_eq!(world.reserved(node).await, (2, 2000), "an account takes its share once for both parts");
    let third = world.on(&acme, "carol", node, node);
    let create = |command: &CreateAccount| Command::CreateAccount(command.clone());
    assert_eq!(world.refuse(by(acme.key), create(&third)).await, RefusalCode::NoNode);
    world.observe_all("converged").await;
    world.delete(alice).await;
    world.observe_all("retained").await;
    assert_eq!(
        world.refuse(by(acme.key), create(&third)).await,
        RefusalCode::NoNode,
        "its data is still there"
    );
    world.observe_all("removed").await;
    world.accept(by(acme.key), create(&third)).await;
    let (kept, counted) = world.sums().await;
    assert_eq!(kept, counted);
}

#[tokio::test]
async fn only_a_tenant_that_may_oversell_gets_what_is_not_there() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let node = world.node;
    world.size(node, 1000, 0).await;
    world.change(node, UpdateNode { disk_overcommit_percent: Some(200), ..UpdateNode::default() }).await;
    world.new_account(&acme, "alice", None).await;
    let more = world.on(&acme, "bobby", node, node);
    let refused = world.refuse(by(acme.key), Command::CreateAccount(more.clone())).await;
    assert_eq!(refused, RefusalCode::NoNode);
    // The platform may, and so may its own accounts.
    let own = CreateAccount { tenant_id: world.root.to_bytes(), plan_id: world.plan_of_root().await, ..more };
    world.accept(world.by_admin(), Command::CreateAccount(own)).await;
    assert_eq!(world.reserved(node).await, (2, 2000));
    let no_more = world.on(&acme, "carol", node, node);
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(no_more)).await, RefusalCode::NoNode);
}

#[tokio::test]
async fn slots_end_and_a_cordoned_node_gets_nothing_new() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let node = world.node;
    let slots = |limit| UpdateNode { account_slots: Some(AccountSlots { limit }), ..UpdateNode::default() };
    world.change(node, slots(Some(1))).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let bobby = world.on(&acme, "bobby", node, node);
    let create = || Command::CreateAccount(bobby.clone());
    assert_eq!(world.refuse(by(acme.key), create()).await, RefusalCode::NoNode);
    world.change(node, slots(None)).await;
    world.change(node, UpdateNode { schedulable: Some(false), ..UpdateNode::default() }).await;
    assert_eq!(world.refuse(by(acme.key), create()).await, RefusalCode::NoNode);
    world.new_database(&acme, alice, "alice_shop").await;
    world.change(node, UpdateNode { schedulable: Some(true), ..UpdateNode::default() }).await;
    world.accept(by(acme.key), create()).await;
}

#[tokio::test]
async fn where_a_plan_and_a_caller_want_an_account_is_checked_again() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let other = NodeId::generate();
    world.enrol_node("n2", other).await;
    let nvme = NodeLabels { labels: vec!["disk=nvme".into()] };
    let change = UpdateNode {
        pool: Some("ssd".into()),
        labels: Some(nvme),
        availability_zone: Some("a1".into()),
        ..UpdateNode::default()
    };
    world.change(other, change).await;
    let placement = PlanPlacement {
        anti_affinity: "required".into(),
        pool: "ssd".into(),
        labels: vec!["disk=nvme".into()],
        ..PlanPlacement::default()
    };
    let plan = world.plan(&acme, Some(placement.clone())).await.to_bytes();
    let node = world.node;
    let wrong = CreateAccount { plan_id: plan.clone(), ..world.on(&acme, "alice", node, node) };
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(wrong)).await, RefusalCode::NoNode);
    let zone =
        |zone: &str| Some(PlacementWish { availability_zone: zone.into(), ..PlacementWish::default() });
    let right = CreateAccount { plan_id: plan.clone(), ..world.on(&acme, "alice", other, other) };
    let elsewhere = CreateAccount { placement: zone("b1"), ..right.clone() };
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(elsewhere)).await, RefusalCode::NoNode);
    let here = CreateAccount { placement: zone("a1"), ..right };
    world.accept(by(acme.key), Command::CreateAccount(here)).await;
    let second = CreateAccount { plan_id: plan, ..world.on(&acme, "bobby", other, other) };
    let refused = world.refuse(by(acme.key), Command::CreateAccount(second)).await;
    assert_eq!(refused, RefusalCode::NoNode, "the plan keeps the tenant's accounts apart");
    let by_reseller = CreatePlan {
        plan_id: PlanId::generate().to_bytes(),
        tenant_id: acme.tenant.to_bytes(),
        name: "mine".into(),
        disk_mb: 1,
        php_version: "8.2".into(),
        placement: Some(placement),
        ..CreatePlan::default()
    };
    assert_eq!(world.refuse(by(acme.key), Command::CreatePlan(by_reseller)).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn only_the_platform_names_nodes_pools_and_labels() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let node = world.node;
    let wishes = [
        PlacementWish { node_id: node.to_bytes(), ..PlacementWish::default() },
        PlacementWish { pool: "default".into(), ..PlacementWish::default() },
        PlacementWish { labels: vec!["a=b".into()], ..PlacementWish::default() },
    ];
    for wish in wishes {
        let command = CreateAccount { placement: Some(wish), ..world.on(&acme, "alice", node, node) };
        assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(command)).await, RefusalCode::Forbidden);
    }
    let update = Command::UpdateNode(UpdateNode { node_id: node.to_bytes(), ..UpdateNode::default() });
    assert_eq!(world.refuse(by(acme.key), update).await, RefusalCode::Forbidden);
}

/// Something that changes what is reserved.
#[derive(Debug, Clone)]
enum Step {
    Create {
        web: usize,
        database: usize,
        domain: bool,
        tenant: usize,
    },
    Delete(usize),
    Report(&'static str),
    Limit {
        node: usize,
        slots: Option<u64>,
    },
    Cordon {
        node: usize,
        schedulable: bool,
    },
    ResizePlan {
        tenant: usize,
        disk: u64,
        memory: u64,
    },
    ChangePlan {
        account: usize,
        tenant: usize,
        second: bool,
    },
    /// A node is gone for good, and another comes in its place.
    Lose(usize),
    /// What is unplaced is placed on a node.
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_usize, 0..3_usize, any::<bool>(), 0..2_usize)
            .prop_map(|(web, database, domain, tenant)| Step::Create { web, database, domain, tenant }),
        2 => (0..20_usize).prop_map(Step::Delete),
        2 => prop::sample::select(vec!["converged", "retained", "removed"]).prop_map(Step::Report),
        1 => (0..3_usize, prop::option::of(0..4_u64)).prop_map(|(node, slots)| Step::Limit { node, slots }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(node, schedulable)| Step::Cordon { node, schedulable }),
        2 => (0..2_usize, 1..2000_u64, 0..2000_u64)
            .prop_map(|(tenant, disk, memory)| Step::ResizePlan { tenant, disk, memory }),
        2 => (0..20_usize, 0..2_usize, any::<bool>())
            .prop_map(|(account, tenant, second)| Step::ChangePlan { account, tenant, second }),
        2 => (0..3_usize).prop_map(Step::Lose),
        2 => (0..3_usize).prop_map(Step::Replace),
    ]
}

#[test]
fn the_sums_are_what_a_count_gives_whatever_happened() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    runner
        .run(&prop::collection::vec(step(), 1..30), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                let tenants = [world.reseller("acme", None).await, world.reseller("rival", None).await];
                let mut nodes = vec![world.node];
                for name in ["n2", "n3"] {
                    let node = NodeId::generate();
                    world.enrol_node(name, node).await;
                    nodes.push(node);
                }
                for node in &nodes {
                    world.size(*node, 3500, 3000).await;
                }
                let mut second = Vec::new();
                for of in &tenants {
                    second.push(world.plan(of, None).await);
                }
                let mut accounts = Vec::new();
                for (number, step) in steps.iter().enumerate() {
                    take(&mut world, step, number, (&tenants, &second), &mut nodes, &mut accounts).await;
                }
                world.require_whole().await;
                let (kept, counted) = world.sums().await;
                assert_eq!(kept, counted);
                let beyond =
                    |reserved: BTreeMap<NodeId, (u64, u64)>| reserved.values().any(|(_, disk)| *disk > 3500);
                let mut reserved = BTreeMap::new();
                for node in &nodes {
                    reserved.insert(*node, world.reserved(*node).await);
                    let node = world.store.reader().node(*node).await.expect("a query").expect("a node");
                    assert!(node.reserved.memory.0 <= 3000, "more memory is promised than there is");
                }
                assert!(!beyond(reserved), "more is promised than there is");
            });
            Ok(())
        })
        .expect("the sums");
}

async fn take(
    world: &mut World,
    step: &Step,
    number: usize,
    (tenants, second_plans): (&[Reseller], &[PlanId]),
    nodes: &mut [NodeId],
    accounts: &mut Vec<AccountId>,
) {
    match step {
        Step::Create { web, database, domain, tenant } => {
            let (of, name) = (&tenants[*tenant], format!("user{number}"));
            let mut command = world.on(of, &name, nodes[*web], nodes[*database]);
            let id = AccountId::from_bytes(&command.account_id).expect("an id");
            command.domain = domain.then(|| world.domain(id, &format!("{name}.example.com")));
            world.apply(by(of.key), Command::CreateAccount(command)).await;
            accounts.push(id);
        }
        Step::Delete(at) => {
            let Some(id) = accounts.get(*at) else { return };
            let command = DeleteAccount {
                account_id: id.to_bytes(),
                operation_id: OperationId::generate().to_bytes(),
                retention_seconds: Some(60),
            };
            world.apply(world.by_admin(), Command::DeleteAccount(command)).await;
        }
        Step::Report(state) => {
            for node in nodes.iter() {
                world.observe_all_on(*node, state).await;
            }
        }
        Step::Limit { node, slots } => {
            let change =
                UpdateNode { account_slots: Some(AccountSlots { limit: *slots }), ..UpdateNode::default() };
            world.change(nodes[*node], change).await;
        }
        Step::Lose(at) => {
            world.lose(nodes[*at]).await;
            nodes[*at] = NodeId::generate();
            world.enrol_node(&format!("n{number}-new"), nodes[*at]).await;
            world.size(nodes[*at], 3500, 3000).await;
        }
        Step::Replace(at) => world.replace_all(nodes[*at]).await,
        Step::Cordon { node, schedulable } => {
            world
                .change(nodes[*node], UpdateNode { schedulable: Some(*schedulable), ..UpdateNode::default() })
                .await;
        }
        Step::ResizePlan { tenant, disk, memory } => {
            let command = UpdatePlan {
                plan_id: tenants[*tenant].plan.to_bytes(),
                disk_mb: Some(*disk),
                memory_mb: Some(*memory),
                operation_id: OperationId::generate().to_bytes(),
                ..UpdatePlan::default()
            };
            world.apply(by(tenants[*tenant].key), Command::UpdatePlan(command)).await;
        }
        Step::ChangePlan { account, tenant, second } => {
            let Some(id) = accounts.get(*account) else { return };
            let plan = if *second { second_plans[*tenant] } else { tenants[*tenant].plan };
            let command = UpdateAccount {
                account_id: id.to_bytes(),
                plan_id: Some(plan.to_bytes()),
                operation_id: OperationId::generate().to_bytes(),
                ..UpdateAccount::default()
            };
            world.apply(by(tenants[*tenant].key), Command::UpdateAccount(command)).await;
        }
    }
}
