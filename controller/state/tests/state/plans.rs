//! Plans that change while accounts have them.

use std::collections::BTreeSet;

use npanel_model::{AccountId, NodeId, OperationId, PlanId};
use npanel_proto::command::{
    CreateAccount, CreatePlan, DeleteAccount, FollowPlan, NodeLabels, PlacementWish, PlanPlacement,
    PlanPlacementChange, UpdateAccount, UpdateNode, UpdateNodeFacts, UpdatePlan, envelope::Command,
    principal::Who,
};
use npanel_state::{AccountFilter, ObjectStatus, Page, RefusalCode};

use crate::support::{Reseller, World, by};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn change(plan: PlanId, change: UpdatePlan) -> Command {
    Command::UpdatePlan(UpdatePlan { plan_id: plan.to_bytes(), operation_id: operation(), ..change })
}

fn with_memory(plan: PlanId, memory_mb: u64) -> Command {
    change(plan, UpdatePlan { memory_mb: Some(memory_mb), ..UpdatePlan::default() })
}

fn placed(plan: PlanId, placement: PlanPlacementChange) -> Command {
    change(plan, UpdatePlan { placement: Some(placement), ..UpdatePlan::default() })
}

fn in_pool(pool: &str) -> PlanPlacementChange {
    PlanPlacementChange { pool: Some(pool.into()), ..PlanPlacementChange::default() }
}

fn with_plan(id: AccountId, plan: PlanId) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account_id: id.to_bytes(),
        plan_id: Some(plan.to_bytes()),
        operation_id: operation(),
        ..UpdateAccount::default()
    })
}

impl World {
    async fn placing_plan(&mut self, of: &Reseller, name: &str, placement: PlanPlacement) -> PlanId {
        let id = PlanId::generate();
        let command = CreatePlan {
            plan_id: id.to_bytes(),
            tenant_id: of.tenant.to_bytes(),
            name: name.into(),
            disk_mb: 1,
            php_version: "8.2".into(),
            placement: Some(placement),
            ..CreatePlan::default()
        };
        self.accept(self.by_admin(), Command::CreatePlan(command)).await;
        id
    }

    async fn unmet(&self, id: AccountId) -> Vec<(String, String, String)> {
        let whole = self.store.reader().whole_account(self.root, id, true).await.expect("a query");
        let terms = whole.expect("an account").unmet.into_iter();
        terms.map(|term| (term.term, term.wanted, term.has)).collect()
    }

    async fn accounts_where(&self, met: bool) -> BTreeSet<AccountId> {
        let filter = AccountFilter { placement_met: Some(met), ..AccountFilter::default() };
        let page = Page { limit: 10, ..Page::default() };
        let rows = self.store.reader().accounts(self.root, filter, &page).await.expect("a list");
        rows.into_iter().map(|row| row.id).collect()
    }

    async fn php_of_all(&self, versions: &[&str]) -> Vec<usize> {
        let page = Page { limit: 1000, ..Page::default() };
        let rows = self.store.reader().accounts(self.root, AccountFilter::default(), &page).await;
        let rows = rows.expect("a list");
        let count = |version| rows.iter().filter(|row| row.php_version.as_str() == version).count();
        versions.iter().map(|version| count(*version)).collect()
    }
}

#[tokio::test]
async fn a_plan_that_outgrows_its_accounts_nodes_is_refused_naming_all_of_them() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (first, second) = (world.node, NodeId::generate());
    world.enrol_node("n2", second).await;
    let roomy = NodeId::generate();
    world.enrol_node("n3", roomy).await;
    for (node, memory) in [(first, 1000), (second, 1000), (roomy, 100_000)] {
        world.size(node, 100_000, memory).await;
    }
    for (name, node) in [("alice", first), ("bobby", first), ("carol", second), ("david", roomy)] {
        let command = world.on(&acme, name, node, node);
        world.accept(by(acme.key), Command::CreateAccount(command)).await;
    }
    world.accept(by(acme.key), with_memory(acme.plan, 500)).await;
    let reserved = |node: npanel_state::Node| node.reserved.memory.0;
    let node = world.store.reader().node(first).await.expect("a query").expect("a node");
    assert_eq!(reserved(node), 1000);

    assert_eq!(world.refuse(by(acme.key), with_memory(acme.plan, 1001)).await, RefusalCode::NodeFull);
    let (_, message) = world.refusal(by(acme.key), with_memory(acme.plan, 1001)).await;
    assert!(message.contains("the node n1 ") && message.contains("the node n2 "), "{message}");
    assert!(!message.contains("n3"), "{message}");
    assert_eq!(world.refuse(by(acme.key), with_memory(acme.plan, 501)).await, RefusalCode::NodeFull);
    world.accept(by(acme.key), with_memory(acme.plan, 10)).await;
    let (kept, counted) = world.sums().await;
    assert_eq!(kept, counted);
}

#[tokio::test]
async fn only_the_platform_changes_where_a_plans_accounts_are() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let command = placed(acme.plan, in_pool("ssd"));
    assert_eq!(world.refuse(by(acme.key), command.clone()).await, RefusalCode::Forbidden);
    world.accept(world.by_admin(), command).await;
    let node = world.node;
    let create = world.on(&acme, "alice", node, node);
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(create)).await, RefusalCode::NoNode);
    let wrong = PlanPlacementChange { strategy: Some("best".into()), ..PlanPlacementChange::default() };
    assert_eq!(world.refuse(world.by_admin(), placed(acme.plan, wrong)).await, RefusalCode::Invalid);
}

#[tokio::test]
async fn labels_that_no_node_can_have_together_are_refused() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let labels: Vec<String> = vec!["disk=nvme".into(), "disk=hdd".into()];
    let change =
        PlanPlacementChange { labels: Some(NodeLabels { labels: labels.clone() }), ..Default::default() };
    assert_eq!(world.refuse(world.by_admin(), placed(acme.plan, change)).await, RefusalCode::Invalid);
    let create = CreatePlan {
        plan_id: PlanId::generate().to_bytes(),
        tenant_id: acme.tenant.to_bytes(),
        name: "fast".into(),
        disk_mb: 1,
        php_version: "8.2".into(),
        placement: Some(PlanPlacement { labels: labels.clone(), ..PlanPlacement::default() }),
        ..CreatePlan::default()
    };
    assert_eq!(world.refuse(world.by_admin(), Command::CreatePlan(create)).await, RefusalCode::Invalid);
    let node = world.node;
    let wish = PlacementWish { labels, ..PlacementWish::default() };
    let create = CreateAccount { placement: Some(wish), ..world.on(&acme, "alice", node, node) };
    assert_eq!(world.refuse(world.by_admin(), Command::CreateAccount(create)).await, RefusalCode::Invalid);
}

#[tokio::test]
async fn what_a_plans_change_does_not_say_stays_and_what_it_clears_is_gone() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let all = PlanPlacementChange {
        strategy: Some("bin_pack".into()),
        anti_affinity: Some("required".into()),
        pool: Some("ssd".into()),
        labels: Some(NodeLabels { labels: vec!["disk=nvme".into()] }),
    };
    world.accept(world.by_admin(), placed(acme.plan, all)).await;
    world.accept(world.by_admin(), with_memory(acme.plan, 7)).await;
    let read = |plan: npanel_state::Plan| {
        let labels = plan.placement.labels.len();
        (plan.memory.0, plan.placement.strategy.is_some(), plan.placement.pool.is_some(), labels)
    };
    let plan = world.store.reader().plan(world.root, acme.plan).await.expect("a query").expect("a plan");
    assert_eq!(read(plan), (7, true, true, 1));
    let none = PlanPlacementChange {
        strategy: Some(String::new()),
        anti_affinity: None,
        pool: Some(String::new()),
        labels: Some(NodeLabels::default()),
    };
    world.accept(world.by_admin(), placed(acme.plan, none)).await;
    let plan = world.store.reader().plan(world.root, acme.plan).await.expect("a query").expect("a plan");
    assert_eq!(plan.placement.anti_affinity.as_str(), "required");
    assert_eq!(read(plan), (7, false, false, 0));
}

#[tokio::test]
async fn an_account_does_not_change_to_a_plan_that_its_node_is_not_for() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let ssd = PlanPlacement {
        pool: "ssd".into(),
        labels: vec!["disk=nvme".into(), "gpu=none".into()],
        ..PlanPlacement::default()
    };
    let ssd = world.placing_plan(&acme, "ssd", ssd).await;
    assert_eq!(world.refuse(by(acme.key), with_plan(alice, ssd)).await, RefusalCode::PlacementUnmet);
    let (_, message) = world.refusal(by(acme.key), with_plan(alice, ssd)).await;
    for words in ["n1 is not in the pool ssd (is in default)", "the label disk=nvme", "the label gpu=none"] {
        assert!(message.contains(words), "{message}");
    }
    // What the node says itself counts too, unless an operator said otherwise about the same thing.
    let facts = UpdateNodeFacts {
        node_id: world.node.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        php_versions: vec!["8.2".into()],
        labels: vec!["disk=nvme".into(), "gpu=none".into()],
        ..UpdateNodeFacts::default()
    };
    world.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    let said = NodeLabels { labels: vec!["disk=hdd".into()] };
    let change = UpdateNode { pool: Some("ssd".into()), labels: Some(said), ..UpdateNode::default() };
    world.change(world.node, change).await;
    let (_, message) = world.refusal(by(acme.key), with_plan(alice, ssd)).await;
    assert!(message.contains("disk=nvme") && !message.contains("gpu=none"), "{message}");
    world
        .change(world.node, UpdateNode { labels: Some(NodeLabels::default()), ..UpdateNode::default() })
        .await;
    world.accept(by(acme.key), with_plan(alice, ssd)).await;
}

#[tokio::test]
async fn accounts_on_one_node_do_not_change_to_a_plan_that_keeps_them_apart() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let apart = PlanPlacement { anti_affinity: "required".into(), ..PlanPlacement::default() };
    let apart = world.placing_plan(&acme, "apart", apart).await;
    let alice = world.new_account(&acme, "alice", None).await;
    world.new_account(&acme, "bobby", None).await;
    assert_eq!(world.refuse(by(acme.key), with_plan(alice, apart)).await, RefusalCode::PlacementUnmet);
}

#[tokio::test]
async fn what_was_unmet_before_does_not_bar_an_account_from_another_plan() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let node = world.node;
    let pool = || PlanPlacement { pool: "default".into(), ..PlanPlacement::default() };
    let (small, large) =
        (world.placing_plan(&acme, "small", pool()).await, world.placing_plan(&acme, "large", pool()).await);
    let create = CreateAccount { plan_id: small.to_bytes(), ..world.on(&acme, "alice", node, node) };
    let alice = AccountId::from_bytes(&create.account_id).expect("an id");
    world.accept(by(acme.key), Command::CreateAccount(create)).await;
    world.change(node, UpdateNode { pool: Some("old".into()), ..UpdateNode::default() }).await;
    world.accept(by(acme.key), with_plan(alice, large)).await;
    assert_eq!(world.unmet(alice).await, [("pool".into(), "default".into(), "old".into())]);
}

#[tokio::test]
async fn accounts_stay_where_they_are_when_their_plan_changes_and_show_what_is_unmet() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let other = NodeId::generate();
    world.enrol_node("n2", other).await;
    world.change(other, UpdateNode { pool: Some("ssd".into()), ..UpdateNode::default() }).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let create = world.on(&acme, "bobby", other, other);
    let bobby = AccountId::from_bytes(&create.account_id).expect("an id");
    world.accept(by(acme.key), Command::CreateAccount(create)).await;
    assert_eq!(world.accounts_where(false).await, BTreeSet::new());
    world.accept(world.by_admin(), placed(acme.plan, in_pool("ssd"))).await;
    assert_eq!(world.unmet(alice).await, [("pool".into(), "ssd".into(), "default".into())]);
    assert_eq!(world.unmet(bobby).await, []);
    assert_eq!(world.accounts_where(false).await, BTreeSet::from([alice]));
    assert_eq!(world.accounts_where(true).await, BTreeSet::from([bobby]));
    world.change(world.node, UpdateNode { pool: Some("ssd".into()), ..UpdateNode::default() }).await;
    assert_eq!(world.accounts_where(false).await, BTreeSet::new());
}

/// More accounts than follow within the change itself.
const MANY: usize = 252;

async fn many(world: &mut World) -> Reseller {
    let acme = world.reseller("acme", None).await;
    world.php(&["8.2", "8.3", "8.4"]).await;
    for number in 0..MANY {
        world.new_account(&acme, &format!("user{number}"), None).await;
    }
    acme
}

impl World {
    async fn php(&mut self, versions: &[&str]) {
        let facts = UpdateNodeFacts {
            node_id: self.node.to_bytes(),
            roles: vec!["web".into(), "database".into(), "dns".into()],
            address: "192.0.2.11".into(),
            php_versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            ..UpdateNodeFacts::default()
        };
        self.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    }

    async fn follow(&mut self, plan: PlanId, most: u32) {
        let command = Command::FollowPlan(FollowPlan { plan_id: plan.to_bytes(), most });
        self.accept(Who::ControllerId(1), command).await;
    }
}

fn with_php(plan: PlanId, version: &str) -> Command {
    change(plan, UpdatePlan { php_version: Some(version.into()), ..UpdatePlan::default() })
}

#[tokio::test]
async fn a_large_plans_accounts_follow_it_in_batches_and_its_operation_waits_for_all() {
    let mut world = World::new().await;
    let acme = many(&mut world).await;
    let operation = world.accept(by(acme.key), with_php(acme.plan, "8.3")).await.operation_id;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [2, 250]);
    world.observe_all("converged").await;
    assert!(!world.is_finished(&operation).await, "two have not been told yet");
    let followed = world.store.reader().followed_plans().await.expect("a query");
    assert_eq!(followed, [acme.plan]);
    // Whoever is made meanwhile has the plan's version from the start.
    world.new_account(&acme, "newcomer", None).await;
    world.follow(acme.plan, 1).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [1, 252]);
    world.follow(acme.plan, 100).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [0, 253]);
    assert_eq!(world.store.reader().followed_plans().await.expect("a query"), []);
    assert!(!world.is_finished(&operation).await, "two have not done it yet");
    world.observe_all("converged").await;
    assert!(world.is_finished(&operation).await);
}

#[tokio::test]
async fn a_second_change_takes_over_from_a_first_that_is_not_followed_to_its_end() {
    let mut world = World::new().await;
    let acme = many(&mut world).await;
    let first = world.accept(by(acme.key), with_php(acme.plan, "8.3")).await.operation_id;
    let second = world.accept(by(acme.key), with_php(acme.plan, "8.4")).await.operation_id;
    world.follow(acme.plan, 100).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3", "8.4"]).await, [0, 0, MANY]);
    world.observe_all("converged").await;
    assert!(world.is_finished(&first).await && world.is_finished(&second).await);
}

#[tokio::test]
async fn nobody_follows_a_plan_to_a_php_that_one_of_its_nodes_lacks() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", None).await;
    assert_eq!(world.refuse(by(acme.key), with_php(acme.plan, "8.3")).await, RefusalCode::NoNode);
    // Whoever has a version of their own choice does not matter.
    world.php(&["8.2", "8.3"]).await;
    world.accept(by(acme.key), with_php(acme.plan, "8.3")).await;
}

#[tokio::test]
async fn only_the_leader_asks_for_the_next_batch() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let next = || Command::FollowPlan(FollowPlan { plan_id: acme.plan.to_bytes(), most: 1 });
    assert_eq!(world.refuse(by(acme.key), next()).await, RefusalCode::Forbidden);
}

/// A plan that is followed by all but two, whose node has the version no more.
async fn two_left_behind(world: &mut World) -> (Reseller, Vec<AccountId>, Vec<u8>) {
    let acme = many(world).await;
    let operation = world.accept(by(acme.key), with_php(acme.plan, "8.3")).await.operation_id;
    world.php(&["8.2"]).await;
    world.follow(acme.plan, 100).await;
    world.observe_all("converged").await;
    let page = Page { limit: 1000, ..Page::default() };
    let mut failed = AccountFilter::default();
    failed.converging.status = Some(ObjectStatus::Failed);
    let rows = world.store.reader().accounts(world.root, failed, &page).await.expect("a list");
    (acme, rows.into_iter().map(|row| row.id).collect(), operation)
}

#[tokio::test]
async fn accounts_whose_node_lost_the_version_meanwhile_are_left_behind_and_seen_and_follow_later() {
    let mut world = World::new().await;
    let (acme, behind, operation) = two_left_behind(&mut world).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [2, 250], "nothing is told what it cannot do");
    assert_eq!(behind.len(), 2);
    assert_eq!(world.store.reader().followed_plans().await.expect("a query"), [], "nothing can be done now");
    let account = world.store.reader().account(world.root, behind[0]).await.expect("a query").expect("one");
    assert_eq!(account.convergence.status, ObjectStatus::Failed);
    let said = account.convergence.conditions.iter().find(|condition| condition.reason == "PhpUnavailable");
    assert!(said.expect("a condition").message.contains("wants PHP 8.3"), "{said:?}");
    assert!(!world.is_finished(&operation).await);
    let id = OperationId::from_bytes(&operation).expect("an id");
    let shown = world.store.reader().operation(world.root, id).await.expect("a query").expect("an operation");
    assert_eq!((shown.total, shown.done, shown.is_failing, shown.targets.len()), (252, 250, true, 252));

    world.php(&["8.2", "8.3"]).await;
    assert_eq!(world.store.reader().followed_plans().await.expect("a query"), [acme.plan]);
    world.follow(acme.plan, 1).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [1, 251]);
    world.follow(acme.plan, 100).await;
    assert_eq!(world.store.reader().followed_plans().await.expect("a query"), []);
    assert!(!world.is_finished(&operation).await, "they have not done it yet");
    world.observe_all("converged").await;
    assert!(world.is_finished(&operation).await);
}

#[tokio::test]
async fn who_is_left_behind_can_be_changed_and_is_waited_for_no_more_once_it_goes_its_own_way() {
    let mut world = World::new().await;
    let (acme, behind, operation) = two_left_behind(&mut world).await;
    let update = |id: AccountId, change: UpdateAccount| {
        Command::UpdateAccount(UpdateAccount {
            account_id: id.to_bytes(),
            operation_id: self::operation(),
            ..change
        })
    };
    let contact = UpdateAccount { contact: Some("a@example.com".into()), ..UpdateAccount::default() };
    world.accept(by(acme.key), update(behind[0], contact)).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [2, 250], "that is none of it");
    let own = UpdateAccount { php_version: Some("8.2".into()), ..UpdateAccount::default() };
    world.accept(by(acme.key), update(behind[0], own)).await;
    assert!(!world.is_finished(&operation).await, "one is left");
    let delete = DeleteAccount {
        account_id: behind[1].to_bytes(),
        operation_id: self::operation(),
        retention_seconds: None,
    };
    world.accept(by(acme.key), Command::DeleteAccount(delete)).await;
    assert!(world.is_finished(&operation).await);
}

#[tokio::test]
async fn a_plan_that_goes_back_leaves_nobody_behind() {
    let mut world = World::new().await;
    let (acme, _, operation) = two_left_behind(&mut world).await;
    world.accept(by(acme.key), with_php(acme.plan, "8.2")).await;
    assert!(world.is_finished(&operation).await);
    world.follow(acme.plan, 1000).await;
    assert_eq!(world.php_of_all(&["8.2", "8.3"]).await, [252, 0]);
    world.observe_all("converged").await;
    let page = Page { limit: 10, ..Page::default() };
    let mut failed = AccountFilter::default();
    failed.converging.status = Some(ObjectStatus::Failed);
    let failed = world.store.reader().accounts(world.root, failed, &page).await.expect("a list");
    assert!(failed.is_empty());
}
