//! Whole tenants that are suspended, and come back.

use npanel_model::{AccountId, OperationId, SuspensionKind, TenantId};
use npanel_proto::command::{
    CreateDatabaseUser, FollowTenant, SuspendAccount, SuspendDomain, SuspendTenant, UnsuspendAccount,
    UnsuspendTenant, envelope::Command, principal::Who,
};
use npanel_state::{AccountFilter, Page, RefusalCode};

use crate::{
    changes::suspended,
    support::{World, by},
};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn suspend(tenant: TenantId) -> Command {
    Command::SuspendTenant(SuspendTenant {
        tenant_id: tenant.to_bytes(),
        reason: "unpaid".into(),
        operation_id: operation(),
        kind: "billing".into(),
    })
}

fn unsuspend(tenant: TenantId) -> Command {
    Command::UnsuspendTenant(UnsuspendTenant { tenant_id: tenant.to_bytes(), operation_id: operation() })
}

fn suspend_account(id: AccountId, kind: &str) -> Command {
    Command::SuspendAccount(SuspendAccount {
        account_id: id.to_bytes(),
        reason: "its own".into(),
        operation_id: operation(),
        kind: kind.into(),
    })
}

impl World {
    async fn follow_tenant(&mut self, tenant: TenantId, most: u32) {
        let command = FollowTenant { tenant_id: tenant.to_bytes(), most };
        self.accept(Who::ControllerId(1), Command::FollowTenant(command)).await;
    }

    /// The user names of the accounts that are suspended, for whichever reason.
    async fn resting(&self) -> Vec<String> {
        let filter = AccountFilter { suspended: Some(true), ..AccountFilter::default() };
        let page = Page { limit: 1000, ..Page::default() };
        let rows = self.store.reader().accounts(self.root, filter, &page).await.expect("a list");
        let mut names: Vec<String> = rows.into_iter().map(|row| row.username.to_string()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn all_that_a_suspended_tenant_has_rests_and_comes_back_exactly_as_it_was() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let rival = world.reseller("rival", None).await;
    let alice = world.new_account(&acme, "alice", Some("alice.example")).await;
    let user = CreateDatabaseUser {
        database_user_id: npanel_model::DatabaseUserId::generate().to_bytes(),
        account_id: alice.to_bytes(),
        name: "alice_app".into(),
        sealed_password_hash: vec![1],
        operation_id: operation(),
        ..CreateDatabaseUser::default()
    };
    world.accept(by(acme.key), Command::CreateDatabaseUser(user)).await;
    let paused = world.new_account(&acme, "paused", Some("paused.example")).await;
    world.new_account(&sub, "bobby", Some("bobby.example")).await;
    world.new_account(&rival, "carol", Some("carol.example")).await;
    let domain = world.domain(alice, "second.example");
    let domain_id = domain.domain_id.clone();
    world.accept(by(acme.key), Command::CreateDomain(domain)).await;
    let by_itself = SuspendDomain { domain_id, operation_id: operation(), ..SuspendDomain::default() };
    world.accept(by(acme.key), Command::SuspendDomain(by_itself)).await;
    world.accept(by(acme.key), suspend_account(paused, "abuse")).await;
    world.observe_all("converged").await;
    let before = suspended(&world).await;

    let operation = world.accept(world.by_admin(), suspend(acme.tenant)).await.operation_id;
    assert_eq!(world.resting().await, ["alice", "bobby", "paused"]);
    let told: Vec<(String, bool)> =
        suspended(&world).await.into_iter().map(|(_, name, is)| (name, is)).collect();
    for (name, is_suspended) in &told {
        assert_eq!(*is_suspended, !name.starts_with("carol"), "{told:?}");
    }
    assert!(!world.is_finished(&operation).await, "its nodes have not done it");
    world.observe_all("converged").await;
    assert!(world.is_finished(&operation).await);

    let operation = world.accept(world.by_admin(), unsuspend(acme.tenant)).await.operation_id;
    assert_eq!(suspended(&world).await, before);
    assert_eq!(world.resting().await, ["paused"]);
    world.observe_all("converged").await;
    assert!(world.is_finished(&operation).await);
    let shown = world.store.reader().account(world.root, paused).await.expect("a query").expect("one");
    let own = shown.suspension.expect("it is suspended for itself");
    assert_eq!((own.reason.as_str(), own.kind), ("its own", SuspensionKind::Abuse));
    assert_eq!(shown.tenant_suspension, None);
}

#[tokio::test]
async fn nobody_writes_for_a_suspended_tenant_or_for_one_beneath_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let rival = world.reseller("rival", None).await;
    world.accept(world.by_admin(), suspend(acme.tenant)).await;
    for of in [&acme, &sub] {
        let (_, create) = world.account(of, "alice", None);
        let refused = world.refuse(by(of.key), Command::CreateAccount(create)).await;
        assert_eq!(refused, RefusalCode::TenantSuspended);
        let refused = world.refuse(by(of.key), unsuspend(sub.tenant)).await;
        assert_eq!(refused, RefusalCode::TenantSuspended);
    }
    world.new_account(&rival, "bobby", None).await;
    // The platform goes on with what is theirs; what it makes there rests from the start.
    let (_, create) = world.account(&acme, "carol", Some("carol.example"));
    world.accept(world.by_admin(), Command::CreateAccount(create)).await;
    assert_eq!(world.resting().await, ["carol"]);
    world.accept(world.by_admin(), unsuspend(acme.tenant)).await;
    assert_eq!(world.resting().await, Vec::<String>::new());
    world.new_account(&sub, "david", None).await;
}

#[tokio::test]
async fn accounts_follow_their_tenant_in_batches_also_when_it_turns_round() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    for number in 0..150 {
        world.new_account(&acme, &format!("u{number}"), None).await;
    }
    world.observe_all("converged").await;
    let first = world.accept(world.by_admin(), suspend(acme.tenant)).await.operation_id;
    assert_eq!(world.resting().await.len(), 100);
    assert_eq!(world.store.reader().followed_tenants().await.expect("a query"), [acme.tenant]);
    let id = OperationId::from_bytes(&first).expect("an id");
    let shown = world.store.reader().operation(world.root, id).await.expect("a query").expect("one");
    assert_eq!(shown.total, 150, "those that follow later count");
    world.follow_tenant(acme.tenant, 20).await;
    assert_eq!(world.resting().await.len(), 120);
    let second = world.accept(world.by_admin(), unsuspend(acme.tenant)).await.operation_id;
    assert_eq!(world.resting().await.len(), 20);
    world.follow_tenant(acme.tenant, 100).await;
    assert_eq!(world.resting().await.len(), 0);
    assert_eq!(world.store.reader().followed_tenants().await.expect("a query"), []);
    world.observe_all("converged").await;
    assert!(world.is_finished(&first).await && world.is_finished(&second).await);
}

#[tokio::test]
async fn a_tenant_that_was_suspended_by_itself_stays_so_when_the_one_above_comes_back() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    world.new_account(&acme, "alice", None).await;
    world.new_account(&sub, "bobby", None).await;
    world.accept(by(acme.key), suspend(sub.tenant)).await;
    world.accept(world.by_admin(), suspend(acme.tenant)).await;
    assert_eq!(world.resting().await, ["alice", "bobby"]);
    world.accept(world.by_admin(), unsuspend(acme.tenant)).await;
    assert_eq!(world.resting().await, ["bobby"]);
    world.accept(by(acme.key), unsuspend(sub.tenant)).await;
    assert_eq!(world.resting().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_tenant_is_suspended_and_that_lifted_by_those_above_it_alone() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let sub = world.reseller_beneath(acme.tenant, "sub", None).await;
    let rival = world.reseller("rival", None).await;
    assert_eq!(world.refuse(by(acme.key), suspend(acme.tenant)).await, RefusalCode::Forbidden);
    assert_eq!(world.refuse(world.by_admin(), suspend(world.root)).await, RefusalCode::Forbidden);
    assert_eq!(world.refuse(by(rival.key), suspend(sub.tenant)).await, RefusalCode::NotFound);
    world.accept(world.by_admin(), suspend(sub.tenant)).await;
    assert_eq!(world.refuse(by(acme.key), unsuspend(sub.tenant)).await, RefusalCode::Forbidden);
    let next = FollowTenant { tenant_id: sub.tenant.to_bytes(), most: 1 };
    assert_eq!(world.refuse(by(acme.key), Command::FollowTenant(next)).await, RefusalCode::Forbidden);
    // Again with another reason: that alone changes.
    let again = SuspendTenant {
        tenant_id: sub.tenant.to_bytes(),
        reason: "still unpaid".into(),
        operation_id: operation(),
        ..SuspendTenant::default()
    };
    assert!(world.accept(world.by_admin(), Command::SuspendTenant(again)).await.operation_id.is_empty());
    let shown =
        world.store.reader().tenant(world.root, sub.tenant).await.expect("a query").expect("a tenant");
    let why = shown.suspension.expect("it is suspended");
    assert_eq!((why.reason.as_str(), why.kind), ("still unpaid", SuspensionKind::Billing));
}

#[tokio::test]
async fn what_the_fleet_suspends_by_itself_says_so_and_a_reseller_does_not_lift_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    assert_eq!(world.refuse(by(acme.key), suspend_account(id, "weather")).await, RefusalCode::Invalid);
    world.accept(Who::ControllerId(1), suspend_account(id, "limit_exceeded")).await;
    let shown = world.store.reader().account(acme.tenant, id).await.expect("a query").expect("an account");
    let why = shown.suspension.expect("it is suspended");
    assert_eq!((why.kind, why.by.as_str()), (SuspensionKind::LimitExceeded, "controller/1"));
    let lift =
        Command::UnsuspendAccount(UnsuspendAccount { account_id: id.to_bytes(), operation_id: operation() });
    assert_eq!(world.refuse(by(acme.key), lift.clone()).await, RefusalCode::Forbidden);
    world.accept(world.by_admin(), lift).await;
}
