//! What tenants, and those beneath them, may have together.

use npanel_model::{AccountId, DatabaseId, DomainId, OperationId, PlanId, TenantId};
use npanel_proto::command::{
    CreateAccount, CreateDatabase, CreatePlan, CreateTenant, DeleteAccount, DeleteDatabase, DeleteDomain,
    LimitChange, PlanLimits, PlanLimitsChange, TenantLimitsChange, UpdateAccount, UpdatePlan, UpdateTenant,
    envelope::Command,
};
use npanel_state::{Credential, RefusalCode, TenantUsage};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{Reseller, World, by};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn to(limit: u64) -> Option<LimitChange> {
    Some(LimitChange { limit: Some(limit) })
}

fn tenant(id: TenantId, beneath: TenantId, name: &str) -> Command {
    Command::CreateTenant(CreateTenant {
        tenant_id: id.to_bytes(),
        parent_id: beneath.to_bytes(),
        name: name.into(),
        wrapped_data_key: vec![2],
        ..CreateTenant::default()
    })
}

fn database(account: AccountId, name: &str) -> (DatabaseId, Command) {
    let id = DatabaseId::generate();
    let command = CreateDatabase {
        database_id: id.to_bytes(),
        account_id: account.to_bytes(),
        name: name.into(),
        operation_id: operation(),
    };
    (id, Command::CreateDatabase(command))
}

impl World {
    async fn limit(&mut self, tenant: TenantId, limits: TenantLimitsChange) {
        let update =
            UpdateTenant { tenant_id: tenant.to_bytes(), limits: Some(limits), ..UpdateTenant::default() };
        self.accept(self.by_admin(), Command::UpdateTenant(update)).await;
    }

    async fn may_oversell(&mut self, tenant: TenantId, may: bool) {
        let update =
            UpdateTenant { tenant_id: tenant.to_bytes(), may_oversell: Some(may), ..UpdateTenant::default() };
        self.accept(self.by_admin(), Command::UpdateTenant(update)).await;
    }

    async fn usage(&self, tenant: TenantId) -> TenantUsage {
        self.store.reader().tenant(self.root, tenant).await.expect("a query").expect("a tenant").usage
    }

    async fn resize(&mut self, of: &Reseller, disk_mb: u64) -> Result<(), String> {
        let update = UpdatePlan {
            plan_id: of.plan.to_bytes(),
            disk_mb: Some(disk_mb),
            operation_id: operation(),
            ..UpdatePlan::default()
        };
        use npanel_proto::command::outcome::Outcome;
        match self.apply(by(of.key), Command::UpdatePlan(update)).await.outcome.expect("an outcome") {
            Outcome::Accepted(_) => Ok(()),
            Outcome::Refused(refused) => Err(refused.code),
        }
    }

    /// The counters that are kept, and the same counted again.
    async fn counters(&self) -> (Vec<String>, Vec<String>) {
        let kept = self
            .rows(&[
                "SELECT tenant_id, accounts FROM tenant_accounts ORDER BY 1",
                "SELECT tenant_id, disk_mb, bandwidth_mb_per_month, domains, databases FROM tenant_usage ORDER BY 1",
                "SELECT plan_id, tenant_id, accounts FROM plan_accounts ORDER BY 1, 2",
            ])
            .await;
        let counted = self
            .rows(&[
                "SELECT t.id, (SELECT count(*) FROM accounts a JOIN tenant_tree b ON b.tenant_id = a.tenant_id
                     WHERE b.ancestor_id = t.id AND a.deleted_millis IS NULL) FROM tenants t ORDER BY 1",
                "SELECT t.id,
                     (SELECT coalesce(sum(p.disk_mb), 0) FROM accounts a JOIN tenant_tree b ON b.tenant_id = a.tenant_id
                          JOIN plans p ON p.id = a.plan_id WHERE b.ancestor_id = t.id AND a.deleted_millis IS NULL),
                     (SELECT coalesce(sum(p.bandwidth_mb_per_month), 0) FROM accounts a
                          JOIN tenant_tree b ON b.tenant_id = a.tenant_id JOIN plans p ON p.id = a.plan_id
                      WHERE b.ancestor_id = t.id AND a.deleted_millis IS NULL),
                     (SELECT count(*) FROM domains d JOIN tenant_tree b ON b.tenant_id = d.tenant_id
                      WHERE b.ancestor_id = t.id AND d.deleted_millis IS NULL),
                     (SELECT count(*) FROM databases d JOIN tenant_tree b ON b.tenant_id = d.tenant_id
                      WHERE b.ancestor_id = t.id AND d.deleted_millis IS NULL)
                 FROM tenants t ORDER BY 1",
                "SELECT plan_id, tenant_id, count(*) FROM accounts WHERE deleted_millis IS NULL
                 GROUP BY 1, 2 ORDER BY 1, 2",
            ])
            .await;
        (kept, counted)
    }
}

#[tokio::test]
async fn a_resellers_limit_counts_what_its_own_resellers_have() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let limits = TenantLimitsChange { domains: to(2), databases: to(1), ..TenantLimitsChange::default() };
    world.limit(acme.tenant, limits).await;
    let own = world.new_account(&acme, "alice", Some("alice.example")).await;
    let theirs = world.new_account(&sub, "bobby", Some("bobby.example")).await;
    let third = world.domain(theirs, "third.example");
    let (code, message) = world.refusal(by(sub.key), Command::CreateDomain(third)).await;
    assert_eq!(code, "limit_reached");
    assert!(message.contains("may have 2 domains"), "{message}");
    let (id, one) = database(own, "alice_shop");
    world.accept(by(acme.key), one).await;
    let (_, two) = database(theirs, "bobby_shop");
    assert_eq!(world.refuse(by(sub.key), two.clone()).await, RefusalCode::LimitReached);
    // What is going counts no more.
    let delete =
        DeleteDatabase { database_id: id.to_bytes(), operation_id: operation(), retention_seconds: Some(60) };
    world.accept(by(acme.key), Command::DeleteDatabase(delete)).await;
    world.accept(by(sub.key), two).await;
    let usage = world.usage(acme.tenant).await;
    assert_eq!((usage.accounts, usage.domains, usage.databases, usage.disk_mb), (2, 2, 1, 2000));
    assert_eq!(world.usage(sub.tenant).await.domains, 1);
}

#[tokio::test]
async fn more_disk_than_a_tenant_may_promise_is_refused_unless_it_may_oversell() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.limit(acme.tenant, TenantLimitsChange { disk_mb: to(2500), ..TenantLimitsChange::default() }).await;
    for name in ["alice", "bobby"] {
        world.new_account(&acme, name, None).await;
    }
    let (_, third) = world.account(&acme, "carol", None);
    assert_eq!(
        world.refuse(by(acme.key), Command::CreateAccount(third.clone())).await,
        RefusalCode::LimitReached
    );
    assert_eq!(world.resize(&acme, 1251).await, Err("limit_reached".to_owned()));
    assert_eq!(world.resize(&acme, 1250).await, Ok(()));
    assert_eq!(world.usage(acme.tenant).await.disk_mb, 2500);
    world.may_oversell(acme.tenant, true).await;
    world.accept(by(acme.key), Command::CreateAccount(third)).await;
    assert_eq!(world.resize(&acme, 2000).await, Ok(()));
    // What is promised already stays, and can shrink.
    world.may_oversell(acme.tenant, false).await;
    assert_eq!(world.resize(&acme, 1999).await, Ok(()));
    assert_eq!(world.resize(&acme, 2000).await, Err("limit_reached".to_owned()));
}

#[tokio::test]
async fn a_plan_of_the_platforms_is_held_to_the_limits_of_each_tenant_that_uses_it() {
    let mut world = World::new().await;
    let (acme, rival) = (world.reseller("acme", None).await, world.reseller("rival", None).await);
    let plan = PlanId::generate();
    let create = CreatePlan {
        plan_id: plan.to_bytes(),
        tenant_id: world.root.to_bytes(),
        name: "shared".into(),
        disk_mb: 100,
        php_version: "8.2".into(),
        ..CreatePlan::default()
    };
    world.accept(world.by_admin(), Command::CreatePlan(create)).await;
    for (of, name) in [(&acme, "alice"), (&rival, "bobby"), (&rival, "carol")] {
        let (_, create) = world.account(of, name, None);
        let create = CreateAccount { plan_id: plan.to_bytes(), ..create };
        world.accept(by(of.key), Command::CreateAccount(create)).await;
    }
    world.limit(rival.tenant, TenantLimitsChange { disk_mb: to(300), ..TenantLimitsChange::default() }).await;
    let grow = |disk_mb| {
        let update = UpdatePlan {
            plan_id: plan.to_bytes(),
            disk_mb: Some(disk_mb),
            operation_id: operation(),
            ..UpdatePlan::default()
        };
        Command::UpdatePlan(update)
    };
    assert_eq!(world.refuse(world.by_admin(), grow(151)).await, RefusalCode::LimitReached);
    world.accept(world.by_admin(), grow(150)).await;
    assert_eq!((world.usage(acme.tenant).await.disk_mb, world.usage(rival.tenant).await.disk_mb), (150, 300));
}

#[tokio::test]
async fn bandwidth_without_a_limit_is_more_than_a_limited_tenant_may_promise() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let limits = TenantLimitsChange { bandwidth_mb_per_month: to(100), ..TenantLimitsChange::default() };
    world.limit(acme.tenant, limits).await;
    let (_, create) = world.account(&acme, "alice", None);
    let (code, message) = world.refusal(by(acme.key), Command::CreateAccount(create.clone())).await;
    assert_eq!(code, "limit_reached");
    assert!(message.contains("have no limit of it"), "{message}");
    let bandwidth = |limit: Option<u64>| {
        let bandwidth_mb_per_month = Some(LimitChange { limit });
        let update = UpdatePlan {
            plan_id: acme.plan.to_bytes(),
            limits: Some(PlanLimitsChange { bandwidth_mb_per_month, ..PlanLimitsChange::default() }),
            operation_id: operation(),
            ..UpdatePlan::default()
        };
        Command::UpdatePlan(update)
    };
    world.accept(by(acme.key), bandwidth(Some(60))).await;
    world.accept(by(acme.key), Command::CreateAccount(create)).await;
    let (_, second) = world.account(&acme, "bobby", None);
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(second)).await, RefusalCode::LimitReached);
    for limit in [Some(101), None] {
        assert_eq!(world.refuse(by(acme.key), bandwidth(limit)).await, RefusalCode::LimitReached);
    }
    world.accept(by(acme.key), bandwidth(Some(100))).await;
    assert_eq!(world.usage(acme.tenant).await.bandwidth_mb_per_month, 100);
}

#[tokio::test]
async fn a_limit_beneath_what_a_tenant_has_says_so_beforehand_and_takes_nothing_away() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    for name in ["alice", "bobby"] {
        world.new_account(&acme, name, Some(&format!("{name}.example"))).await;
    }
    let lower = UpdateTenant {
        tenant_id: acme.tenant.to_bytes(),
        account_limit: to(2),
        limits: Some(TenantLimitsChange {
            domains: to(1),
            disk_mb: to(1999),
            ..TenantLimitsChange::default()
        }),
        ..UpdateTenant::default()
    };
    let warnings = world.foresee(world.by_admin(), Command::UpdateTenant(lower.clone())).await.warnings;
    let said = |words: &str| warnings.iter().any(|warning| warning.contains(words));
    assert!(
        warnings.len() == 2 && said("2 domains") && said("2000 MB of promised disk space"),
        "{warnings:?}"
    );
    world.accept(world.by_admin(), Command::UpdateTenant(lower)).await;
    assert_eq!(world.usage(acme.tenant).await.domains, 2);
}

#[tokio::test]
async fn a_tenants_limits_are_for_those_above_it_to_set() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let own = UpdateTenant {
        tenant_id: acme.tenant.to_bytes(),
        limits: Some(TenantLimitsChange { domains: to(1000), ..TenantLimitsChange::default() }),
        ..UpdateTenant::default()
    };
    assert_eq!(world.refuse(by(acme.key), Command::UpdateTenant(own)).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn a_resellers_reseller_has_no_tenants_beneath_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let deeper = tenant(TenantId::generate(), sub.tenant, "deeper");
    for who in [by(acme.key), by(sub.key), world.by_admin()] {
        assert_eq!(world.refuse(who, deeper.clone()).await, RefusalCode::Invalid);
    }
    // As it was before the level at which that came in.
    let mut world = World::at_level(3).await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    world.accept(by(sub.key), tenant(TenantId::generate(), sub.tenant, "deeper")).await;
}

#[tokio::test]
async fn a_login_says_how_many_requests_each_tenant_above_it_may_make() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let limits = async |world: &World| {
        let access = world.store.reader().access(Credential::ApiKey(sub.key)).await;
        let access = access.expect("a query").expect("a key");
        access.request_limits.iter().map(|one| (one.tenant_id, one.per_minute)).collect::<Vec<_>>()
    };
    assert_eq!(limits(&world).await, []);
    let of =
        |number| TenantLimitsChange { api_requests_per_minute: to(number), ..TenantLimitsChange::default() };
    world.limit(acme.tenant, of(600)).await;
    world.limit(sub.tenant, of(60)).await;
    assert_eq!(
        limits(&world).await,
        [(sub.tenant, 60), (acme.tenant, 600)],
        "known to a login that was kept"
    );
}

/// Something that changes what tenants have.
#[derive(Debug, Clone)]
enum Step {
    Account { of: usize, plan: usize, domain: bool },
    Leave(usize),
    Domain { account: usize, beneath: bool },
    NoDomain(usize),
    Database(usize),
    NoDatabase(usize),
    ChangePlan { account: usize, plan: usize },
    ResizePlan { plan: usize, disk: u64, bandwidth: Option<u64> },
    Oversell { of: usize, may: bool },
    Report(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 0..2_usize, any::<bool>()).prop_map(|(of, plan, domain)| Step::Account { of, plan, domain }),
        2 => (0..12_usize).prop_map(Step::Leave),
        3 => (0..12_usize, any::<bool>()).prop_map(|(account, beneath)| Step::Domain { account, beneath }),
        1 => (0..12_usize).prop_map(Step::NoDomain),
        3 => (0..12_usize).prop_map(Step::Database),
        1 => (0..12_usize).prop_map(Step::NoDatabase),
        2 => (0..12_usize, 0..2_usize).prop_map(|(account, plan)| Step::ChangePlan { account, plan }),
        2 => (0..2_usize, 1..600_u64, prop::option::of(0..200_u64))
            .prop_map(|(plan, disk, bandwidth)| Step::ResizePlan { plan, disk, bandwidth }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(of, may)| Step::Oversell { of, may }),
        2 => prop::sample::select(vec!["converged", "retained", "removed"]).prop_map(Step::Report),
    ]
}

/// A platform with two plans for all, a reseller and its reseller, with limits, and another reseller without.
struct Tree {
    tenants: [Reseller; 3],
    plans: [PlanId; 2],
    accounts: Vec<(usize, AccountId, String)>,
    domains: Vec<DomainId>,
    databases: Vec<DatabaseId>,
    may_oversell: bool,
}

impl Tree {
    async fn new(world: &mut World) -> Self {
        let acme = world.reseller("acme", Some(4)).await;
        let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
        let rival = world.reseller("rival", None).await;
        let limits = TenantLimitsChange {
            domains: to(4),
            databases: to(2),
            disk_mb: to(1000),
            bandwidth_mb_per_month: to(300),
            ..TenantLimitsChange::default()
        };
        world.limit(acme.tenant, limits).await;
        world.limit(sub.tenant, TenantLimitsChange { domains: to(2), ..TenantLimitsChange::default() }).await;
        let mut plans = Vec::new();
        for name in ["one", "two"] {
            let id = PlanId::generate();
            let create = CreatePlan {
                plan_id: id.to_bytes(),
                tenant_id: world.root.to_bytes(),
                name: name.into(),
                disk_mb: 200,
                limits: Some(PlanLimits { bandwidth_mb_per_month: Some(50), ..PlanLimits::default() }),
                php_version: "8.2".into(),
                ..CreatePlan::default()
            };
            world.accept(world.by_admin(), Command::CreatePlan(create)).await;
            plans.push(id);
        }
        Self {
            tenants: [acme, sub, rival],
            plans: plans.try_into().expect("two"),
            accounts: Vec::new(),
            domains: Vec::new(),
            databases: Vec::new(),
            may_oversell: false,
        }
    }

    /// Takes a step, which may be refused.
    async fn take(&mut self, world: &mut World, step: &Step, number: usize) {
        let admin = world.by_admin();
        match step {
            Step::Account { of, plan, domain } => {
                let name = format!("user{number}");
                let first = domain.then(|| format!("{name}.example"));
                let (id, create) = world.account(&self.tenants[*of], &name, first.as_deref());
                let create = CreateAccount { plan_id: self.plans[*plan].to_bytes(), ..create };
                if let Some(domain) = &create.domain {
                    self.domains.push(DomainId::from_bytes(&domain.domain_id).expect("an id"));
                }
                world.apply(by(self.tenants[*of].key), Command::CreateAccount(create)).await;
                self.accounts.push((*of, id, name));
            }
            Step::Leave(at) => {
                let Some((_, id, _)) = self.accounts.get(*at) else { return };
                let account_id = id.to_bytes();
                let delete =
                    DeleteAccount { account_id, operation_id: operation(), retention_seconds: Some(60) };
                world.apply(admin, Command::DeleteAccount(delete)).await;
            }
            Step::Domain { account, beneath } => {
                let Some((_, id, name)) = self.accounts.get(*account) else { return };
                let under = if *beneath { format!("{name}.example") } else { "example".to_owned() };
                let domain = world.domain(*id, &format!("d{number}.{under}"));
                self.domains.push(DomainId::from_bytes(&domain.domain_id).expect("an id"));
                world.apply(admin, Command::CreateDomain(domain)).await;
            }
            Step::NoDomain(at) => {
                let Some(id) = self.domains.get(*at) else { return };
                let delete = DeleteDomain { domain_id: id.to_bytes(), operation_id: operation() };
                world.apply(admin, Command::DeleteDomain(delete)).await;
            }
            Step::Database(account) => {
                let Some((_, id, name)) = self.accounts.get(*account) else { return };
                let (id, create) = database(*id, &format!("{name}_d{number}"));
                self.databases.push(id);
                world.apply(admin, create).await;
            }
            Step::NoDatabase(at) => {
                let Some(id) = self.databases.get(*at) else { return };
                let delete = DeleteDatabase {
                    database_id: id.to_bytes(),
                    operation_id: operation(),
                    retention_seconds: Some(60),
                };
                world.apply(admin, Command::DeleteDatabase(delete)).await;
            }
            Step::ChangePlan { account, plan } => {
                let Some((_, id, _)) = self.accounts.get(*account) else { return };
                let update = UpdateAccount {
                    account_id: id.to_bytes(),
                    plan_id: Some(self.plans[*plan].to_bytes()),
                    operation_id: operation(),
                    ..UpdateAccount::default()
                };
                world.apply(admin, Command::UpdateAccount(update)).await;
            }
            Step::ResizePlan { plan, disk, bandwidth } => {
                let bandwidth_mb_per_month = Some(LimitChange { limit: *bandwidth });
                let update = UpdatePlan {
                    plan_id: self.plans[*plan].to_bytes(),
                    disk_mb: Some(*disk),
                    limits: Some(PlanLimitsChange { bandwidth_mb_per_month, ..PlanLimitsChange::default() }),
                    operation_id: operation(),
                    ..UpdatePlan::default()
                };
                world.apply(admin, Command::UpdatePlan(update)).await;
            }
            Step::Oversell { of, may } => {
                self.may_oversell |= *of == 0 && *may;
                world.may_oversell(self.tenants[*of].tenant, *may).await;
            }
            Step::Report(state) => world.observe_all(state).await,
        }
    }
}

#[test]
fn the_counters_are_what_a_count_gives_and_no_limit_is_passed_whatever_happened() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig { cases: 32, ..ProptestConfig::default() });
    runner
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                let mut tree = Tree::new(&mut world).await;
                for (number, step) in steps.iter().enumerate() {
                    tree.take(&mut world, step, number).await;
                }
                let (kept, counted) = world.counters().await;
                assert_eq!(kept, counted);
                let (acme, sub) =
                    (world.usage(tree.tenants[0].tenant).await, world.usage(tree.tenants[1].tenant).await);
                assert!(acme.accounts <= 4 && acme.domains <= 4 && acme.databases <= 2, "{acme:?}");
                assert!(sub.domains <= 2, "{sub:?}");
                let promised = acme.disk_mb <= 1000 && acme.bandwidth_mb_per_month <= 300;
                assert!(promised || tree.may_oversell, "{acme:?}");
            });
            Ok(())
        })
        .expect("the counters");
}
