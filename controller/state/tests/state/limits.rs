//! What plans allow, and what becomes of accounts that have more.

use npanel_model::{AccountId, Allotment, DomainId, OperationId, PlanId};
use npanel_proto::command::{
    CreateAccount, CreatePlan, CronJob, DeleteDomain, FollowPlan, LimitChange, PhpVersions, PlanLimits,
    PlanLimitsChange, SetCronJobs, UpdateAccount, UpdateNodeFacts, UpdatePlan, envelope::Command,
    principal::Who,
};
use npanel_state::{AccountFilter, IntentSource, ObjectKind, Page, RefusalCode};

use crate::support::{Reseller, World, by};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn to(limit: u64) -> Option<LimitChange> {
    Some(LimitChange { limit: Some(limit) })
}

fn change(plan: PlanId, change: UpdatePlan) -> Command {
    Command::UpdatePlan(UpdatePlan { plan_id: plan.to_bytes(), operation_id: operation(), ..change })
}

fn limited(plan: PlanId, limits: PlanLimitsChange) -> Command {
    change(plan, UpdatePlan { limits: Some(limits), ..UpdatePlan::default() })
}

fn update(id: AccountId, change: UpdateAccount) -> Command {
    Command::UpdateAccount(UpdateAccount { account_id: id.to_bytes(), operation_id: operation(), ..change })
}

fn with_plan(id: AccountId, plan: PlanId, allow_exceeding: bool) -> Command {
    update(id, UpdateAccount { plan_id: Some(plan.to_bytes()), allow_exceeding, ..UpdateAccount::default() })
}

fn with_php(id: AccountId, version: &str) -> Command {
    update(id, UpdateAccount { php_version: Some(version.into()), ..UpdateAccount::default() })
}

fn new_plan(of: &Reseller, name: &str, plan: CreatePlan) -> (PlanId, Command) {
    let id = PlanId::generate();
    let plan = CreatePlan {
        plan_id: id.to_bytes(),
        tenant_id: of.tenant.to_bytes(),
        name: name.into(),
        disk_mb: 1,
        php_version: "8.2".into(),
        ..plan
    };
    (id, Command::CreatePlan(plan))
}

fn jobs(id: AccountId, count: usize) -> Command {
    let job = |number| CronJob { schedule: "7 3 * * *".into(), command: format!("echo {number}") };
    let jobs = (0..count).map(job).collect();
    Command::SetCronJobs(SetCronJobs { account_id: id.to_bytes(), jobs, operation_id: operation() })
}

impl World {
    async fn domain_of(&mut self, of: &Reseller, account: AccountId, name: &str) -> DomainId {
        let domain = self.domain(account, name);
        let id = DomainId::from_bytes(&domain.domain_id).expect("an id");
        self.accept(by(of.key), Command::CreateDomain(domain)).await;
        id
    }

    async fn refuse_domain(&mut self, of: &Reseller, account: AccountId, name: &str) -> RefusalCode {
        let domain = self.domain(account, name);
        self.refuse(by(of.key), Command::CreateDomain(domain)).await
    }

    async fn allotment(&self, account: AccountId) -> (u64, Allotment) {
        let reader = self.store.reader();
        let wanted = reader.wanted_on(self.node).await.expect("a list");
        let object =
            wanted.into_iter().find(|one| one.id == account.to_bytes() && one.kind == ObjectKind::Account);
        let object = object.expect("the node has it");
        match reader.intent(object.kind, &object.id).await.expect("a query") {
            Some(IntentSource::Account { allotment, .. }) => (object.generation.0, allotment),
            other => panic!("{other:?}"),
        }
    }

    async fn within_plan(&self, within: bool) -> Vec<AccountId> {
        let filter = AccountFilter { within_plan: Some(within), ..AccountFilter::default() };
        let page = Page { limit: 1000, ..Page::default() };
        let rows = self.store.reader().accounts(self.root, filter, &page).await.expect("a list");
        rows.into_iter().map(|row| row.id).collect()
    }
}

#[tokio::test]
async fn a_domain_beneath_another_of_its_account_counts_as_a_subdomain_and_as_no_domain() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let shrink = UpdatePlan {
        domains: to(1),
        limits: Some(PlanLimitsChange { subdomains: to(2), ..PlanLimitsChange::default() }),
        ..UpdatePlan::default()
    };
    world.accept(by(acme.key), change(acme.plan, shrink)).await;
    let id = world.new_account(&acme, "alice", None).await;
    let first = world.domain_of(&acme, id, "alice.example").await;
    assert_eq!(world.refuse_domain(&acme, id, "other.example").await, RefusalCode::LimitReached);
    world.domain_of(&acme, id, "a.alice.example").await;
    world.domain_of(&acme, id, "b.a.alice.example").await;
    assert_eq!(world.refuse_domain(&acme, id, "c.alice.example").await, RefusalCode::LimitReached);
    // What was beneath a domain that is gone is beneath none: one domain, and one subdomain of it.
    let delete = DeleteDomain { domain_id: first.to_bytes(), operation_id: operation() };
    world.accept(by(acme.key), Command::DeleteDomain(delete)).await;
    assert_eq!(world.refuse_domain(&acme, id, "other.example").await, RefusalCode::LimitReached);
    world.domain_of(&acme, id, "c.a.alice.example").await;
    assert_eq!(world.within_plan(true).await, [id]);
}

#[tokio::test]
async fn before_the_level_of_subdomains_all_count_as_domains() {
    let mut world = World::at_level(3).await;
    let acme = world.reseller("acme", None).await;
    let shrink = UpdatePlan { domains: to(1), ..UpdatePlan::default() };
    world.accept(by(acme.key), change(acme.plan, shrink)).await;
    let id = world.new_account(&acme, "alice", Some("alice.example")).await;
    assert_eq!(world.refuse_domain(&acme, id, "a.alice.example").await, RefusalCode::LimitReached);
    let kept = world.rows(&["SELECT domains, subdomains FROM plans"]).await;
    assert_eq!(kept, ["Integer(1), Integer(1)"], "as a migration after it leaves it");
}

#[tokio::test]
async fn whoever_has_more_scheduled_jobs_than_the_plan_allows_can_take_some_away_and_add_none() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    world.accept(by(acme.key), jobs(id, 5)).await;
    let limits = PlanLimitsChange { cron_jobs: to(2), ..PlanLimitsChange::default() };
    world.accept(by(acme.key), limited(acme.plan, limits)).await;
    assert_eq!(world.within_plan(false).await, [id]);
    assert_eq!(world.refuse(by(acme.key), jobs(id, 6)).await, RefusalCode::LimitReached);
    world.accept(by(acme.key), jobs(id, 4)).await;
    assert_eq!(world.refuse(by(acme.key), jobs(id, 5)).await, RefusalCode::LimitReached);
    world.accept(by(acme.key), jobs(id, 2)).await;
    assert_eq!(world.refuse(by(acme.key), jobs(id, 3)).await, RefusalCode::LimitReached);
    assert_eq!(world.within_plan(false).await, []);
}

#[tokio::test]
async fn an_account_chooses_a_php_that_its_plan_allows() {
    let mut world = World::new().await;
    let facts = UpdateNodeFacts {
        node_id: world.node.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        php_versions: ["8.1", "8.2", "8.3"].map(String::from).to_vec(),
        ..UpdateNodeFacts::default()
    };
    world.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    let acme = world.reseller("acme", None).await;
    let versions =
        |all: &[&str]| Some(PhpVersions { versions: all.iter().map(|one| (*one).into()).collect() });
    let allow = |all: &[&str]| UpdatePlan { php_versions: versions(all), ..UpdatePlan::default() };
    let without_its_own = change(acme.plan, allow(&["8.3"]));
    assert_eq!(world.refuse(by(acme.key), without_its_own).await, RefusalCode::Invalid);
    let too_many = ["8.2"].repeat(101);
    assert_eq!(world.refuse(by(acme.key), change(acme.plan, allow(&too_many))).await, RefusalCode::Invalid);
    world.accept(by(acme.key), change(acme.plan, allow(&too_many[1..]))).await;
    world.accept(by(acme.key), change(acme.plan, allow(&["8.3", "8.2", "8.3"]))).await;
    let plan = world.store.reader().plan(world.root, acme.plan).await.expect("a query").expect("a plan");
    assert_eq!(plan.php_versions.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["8.2", "8.3"]);
    let id = world.new_account(&acme, "alice", None).await;
    assert_eq!(world.refuse(by(acme.key), with_php(id, "8.1")).await, RefusalCode::LimitReached);
    world.accept(by(acme.key), with_php(id, "8.3")).await;
    // What it has chosen it keeps, and the change says so beforehand.
    let narrow = change(acme.plan, allow(&["8.2"]));
    let warnings = world.foresee(by(acme.key), narrow.clone()).await.warnings;
    assert!(warnings.iter().any(|said| said.contains("chosen PHP 8.3")), "{warnings:?}");
    world.accept(by(acme.key), narrow).await;
    world.accept(by(acme.key), with_php(id, "8.3")).await;
    world.accept(by(acme.key), with_php(id, "")).await;
    assert_eq!(world.refuse(by(acme.key), with_php(id, "8.3")).await, RefusalCode::LimitReached);
}

#[tokio::test]
async fn an_amount_that_nothing_can_run_with_is_no_limit() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let starved = PlanLimits { memory_limit_mb: Some(1), ..PlanLimits::default() };
    let (_, plan) = new_plan(&acme, "starved", CreatePlan { limits: Some(starved), ..CreatePlan::default() });
    assert_eq!(world.refuse(by(acme.key), plan).await, RefusalCode::Invalid);
    let none = PlanLimitsChange { processes: to(0), ..PlanLimitsChange::default() };
    assert_eq!(world.refuse(by(acme.key), limited(acme.plan, none)).await, RefusalCode::Invalid);
}

#[tokio::test]
async fn a_plans_change_says_beforehand_how_many_would_have_more_and_names_the_first_hundred() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    for number in 0..102 {
        let domain = format!("u{number}.example");
        world.new_account(&acme, &format!("u{number:03}"), Some(&domain)).await;
    }
    let spared = world.new_account(&acme, "spared", None).await;
    let none = change(acme.plan, UpdatePlan { domains: to(0), ..UpdatePlan::default() });
    let foreseen = world.foresee(by(acme.key), none.clone()).await;
    assert_eq!((foreseen.exceeding_accounts, foreseen.exceeding.len()), (102, 100));
    let first = &foreseen.exceeding[0];
    let said = (first.username.as_str(), first.limit.as_str(), first.used, first.allowed);
    assert_eq!(said, ("u000", "domains", 1, 0));
    assert_eq!(world.within_plan(false).await, [], "it was only asked");
    world.accept(by(acme.key), none).await;
    assert_eq!(world.within_plan(false).await.len(), 102);
    assert_eq!(world.within_plan(true).await, [spared]);
    // What lets accounts have more has nothing to say of them.
    let rename = change(acme.plan, UpdatePlan { name: Some("small".into()), ..UpdatePlan::default() });
    assert_eq!(world.foresee(by(acme.key), rename).await.exceeding_accounts, 0);
}

#[tokio::test]
async fn an_account_goes_to_a_plan_that_allows_less_only_if_that_is_said() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example")).await;
    let (small, plan) = new_plan(&acme, "small", CreatePlan { domains: Some(0), ..CreatePlan::default() });
    world.accept(by(acme.key), plan).await;
    let (code, message) = world.refusal(by(acme.key), with_plan(id, small, false)).await;
    assert_eq!(code, "limit_reached");
    assert!(message.contains("1 domains (the plan allows 0)"), "{message}");
    let foreseen = world.foresee(by(acme.key), with_plan(id, small, true)).await;
    assert_eq!((foreseen.exceeding_accounts, foreseen.exceeding[0].account_id), (1, id));
    world.accept(by(acme.key), with_plan(id, small, true)).await;
    assert_eq!(world.within_plan(false).await, [id]);
    assert_eq!(world.refuse_domain(&acme, id, "more.example").await, RefusalCode::LimitReached);
}

const SOME: PlanLimitsChange = PlanLimitsChange {
    memory_limit_mb: Some(LimitChange { limit: Some(512) }),
    processes: Some(LimitChange { limit: Some(64) }),
    inodes: None,
    bandwidth_mb_per_month: None,
    subdomains: None,
    mailboxes: None,
    ftp_users: None,
    cron_jobs: None,
    cpu_percent: None,
    io_mb_per_second: None,
    io_operations_per_second: None,
};

#[tokio::test]
async fn what_processes_may_take_reaches_all_of_a_plans_accounts_in_batches() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let mut accounts = Vec::new();
    for number in 0..252 {
        accounts.push(world.new_account(&acme, &format!("u{number}"), None).await);
    }
    world.observe_all("converged").await;
    let operation = world.accept(by(acme.key), limited(acme.plan, SOME)).await.operation_id;
    let expected = Allotment { memory_limit_mb: Some(512), processes: Some(64), ..Allotment::default() };
    let mut told = Vec::new();
    for id in &accounts {
        told.push(world.allotment(*id).await);
    }
    let count = |told: &[(u64, Allotment)]| told.iter().filter(|(_, has)| *has == expected).count();
    assert_eq!(count(&told), 250);
    assert!(
        told.iter().all(|(generation, has)| (*generation == 2) == (*has == expected)),
        "each is told once"
    );
    world.observe_all("converged").await;
    assert!(!world.is_finished(&operation).await, "two have not been told yet");
    let id = OperationId::from_bytes(&operation).expect("an id");
    let shown = world.store.reader().operation(world.root, id).await.expect("a query").expect("one");
    assert_eq!((shown.total, shown.done), (252, 250), "they count as left to do");
    let next = FollowPlan { plan_id: acme.plan.to_bytes(), most: 100 };
    world.accept(Who::ControllerId(1), Command::FollowPlan(next)).await;
    world.observe_all("converged").await;
    assert!(world.is_finished(&operation).await);
    // Whoever comes later has it from the start, and a plan without it takes it away.
    let late = world.new_account(&acme, "late", None).await;
    assert_eq!(world.allotment(late).await, (1, expected));
    let (free, plan) = new_plan(&acme, "free", CreatePlan::default());
    world.accept(by(acme.key), plan).await;
    world.accept(by(acme.key), with_plan(late, free, false)).await;
    assert_eq!(world.allotment(late).await, (2, Allotment::default()));
}

#[tokio::test]
async fn who_cannot_follow_to_another_php_follows_to_the_limits_all_the_same() {
    let mut world = World::new().await;
    let facts = |world: &World, all: &[&str]| {
        Command::UpdateNodeFacts(UpdateNodeFacts {
            node_id: world.node.to_bytes(),
            roles: vec!["web".into(), "database".into(), "dns".into()],
            address: "192.0.2.11".into(),
            php_versions: all.iter().map(|one| (*one).to_owned()).collect(),
            ..UpdateNodeFacts::default()
        })
    };
    let both = facts(&world, &["8.2", "8.3"]);
    world.accept(Who::ControllerId(1), both.clone()).await;
    let acme = world.reseller("acme", None).await;
    let mut accounts = Vec::new();
    for number in 0..251 {
        accounts.push(world.new_account(&acme, &format!("u{number}"), None).await);
    }
    let php = change(acme.plan, UpdatePlan { php_version: Some("8.3".into()), ..UpdatePlan::default() });
    world.accept(by(acme.key), php).await;
    let one = facts(&world, &["8.2"]);
    world.accept(Who::ControllerId(1), one).await;
    let next = || Command::FollowPlan(FollowPlan { plan_id: acme.plan.to_bytes(), most: 1000 });
    world.accept(Who::ControllerId(1), next()).await;
    let behind = world.rows(&["SELECT count(*) FROM left_behind"]).await;
    assert_eq!(behind, ["Integer(1)"]);
    world.accept(by(acme.key), limited(acme.plan, SOME)).await;
    world.accept(Who::ControllerId(1), next()).await;
    for id in &accounts {
        assert!(!world.allotment(*id).await.1.is_unlimited());
    }
    assert_eq!(world.rows(&["SELECT count(*) FROM left_behind"]).await, ["Integer(1)"]);
    world.accept(Who::ControllerId(1), both).await;
    world.accept(Who::ControllerId(1), next()).await;
    assert_eq!(world.rows(&["SELECT count(*) FROM left_behind"]).await, ["Integer(0)"]);
}

#[tokio::test]
async fn an_account_is_made_with_what_its_plan_says() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let limits = PlanLimits { cpu_percent: Some(50), mailboxes: Some(7), ..PlanLimits::default() };
    let (id, plan) = new_plan(&acme, "half", CreatePlan { limits: Some(limits), ..CreatePlan::default() });
    world.accept(by(acme.key), plan).await;
    let (alice, create) = world.account(&acme, "alice", None);
    let create = CreateAccount { plan_id: id.to_bytes(), ..create };
    world.accept(by(acme.key), Command::CreateAccount(create)).await;
    assert_eq!(world.allotment(alice).await.1, Allotment { cpu_percent: Some(50), ..Allotment::default() });
    let shown = world.store.reader().plan(world.root, id).await.expect("a query").expect("a plan");
    assert_eq!(shown.mailboxes, npanel_model::Limit::AtMost(7));
}
