//! What a tenant did stays to be seen when it has gone: by those that were above it, and by nobody else.

use std::collections::HashSet;

use npanel_model::{ApiKeyId, PlanId, TenantId};
use npanel_proto::command::{CreatePlan, CreateTenant, DeletePlan, DeleteTenant, envelope::Command};
use npanel_state::{AuditFilter, RefusalCode};

use crate::support::{Reseller, World, by, content};

/// A fleet where a reseller has worked in a tenant of its own, and deleted that.
struct Hidden {
    world: World,
    acme: Reseller,
    other: Reseller,
    gone: TenantId,
    /// The log's place before the tenant came.
    before: u64,
}

fn tenant(id: TenantId, above: TenantId) -> Command {
    Command::CreateTenant(CreateTenant {
        tenant_id: id.to_bytes(),
        parent_id: above.to_bytes(),
        name: "sub".into(),
        wrapped_data_key: vec![2],
        ..CreateTenant::default()
    })
}

async fn work_in(world: &mut World, tenant: TenantId, key: ApiKeyId) {
    let plan_id = PlanId::generate().to_bytes();
    let plan = CreatePlan {
        plan_id: plan_id.clone(),
        tenant_id: tenant.to_bytes(),
        name: "basic".into(),
        disk_mb: 1000,
        php_version: "8.2".into(),
        ..CreatePlan::default()
    };
    world.accept(by(key), Command::CreatePlan(plan)).await;
    world.accept(by(key), Command::DeletePlan(DeletePlan { plan_id })).await;
}

fn delete(id: TenantId) -> Command {
    Command::DeleteTenant(DeleteTenant { tenant_id: id.to_bytes() })
}

impl Hidden {
    async fn new() -> Self {
        Self::within(World::new().await).await
    }

    async fn within(mut world: World) -> Self {
        let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
        let (gone, before) = (TenantId::generate(), world.index);
        world.accept(by(acme.key), tenant(gone, acme.tenant)).await;
        work_in(&mut world, gone, acme.key).await;
        world.accept(by(acme.key), delete(gone)).await;
        Self { world, acme, other, gone, before }
    }

    /// What was done in the tenant that has gone, newest first, as `scope` sees it.
    async fn audit(&self, scope: TenantId) -> Vec<String> {
        let filter = AuditFilter { tenant_id: Some(self.gone), ..AuditFilter::default() };
        let page = self.world.store.reader().audit(scope, filter, None, 100).await.expect("a page");
        page.entries.into_iter().map(|stored| stored.entry.action).collect()
    }

    /// What changed since before it came, as `scope` hears of it.
    async fn feed(&self, scope: Option<TenantId>) -> Vec<String> {
        let part = self.world.store.reader().feed(scope, self.before, 1000).await.expect("a query");
        let events = part.expect("it is kept").events;
        events.into_iter().map(|event| format!("{}.{}", event.kind, event.change)).collect()
    }

    /// How many entries of the audit `scope` is shown by their places.
    async fn proved(&self, scope: TenantId) -> u64 {
        let reader = self.world.store.reader();
        let mut shown = 0;
        for position in 0..reader.audit_size().await.expect("a size") {
            shown += u64::from(reader.audit_entry(scope, position).await.expect("a query").is_some());
        }
        shown
    }
}

const DONE: [&str; 3] = ["tenant.delete", "plan.delete", "plan.create"];
const HEARD: [&str; 4] = ["tenant.created", "plan.created", "plan.deleted", "tenant.deleted"];

#[tokio::test]
async fn the_audit_of_a_tenant_outlives_it() {
    let hidden = Hidden::new().await;
    assert_eq!(hidden.audit(hidden.world.root).await, DONE);
    assert_eq!(hidden.audit(hidden.acme.tenant).await, DONE);
    assert_eq!(hidden.audit(hidden.other.tenant).await, [""; 0]);
    let size = hidden.world.store.reader().audit_size().await.expect("a size");
    assert_eq!(hidden.proved(hidden.world.root).await, size, "the platform is shown every leaf");
    let (acme, other) = (hidden.proved(hidden.acme.tenant).await, hidden.proved(hidden.other.tenant).await);
    // The tenant's coming is the news of the one above it.
    assert_eq!(acme, other + 1 + DONE.len() as u64);
}

#[tokio::test]
async fn whoever_was_above_a_tenant_still_hears_what_changed_in_it() {
    let hidden = Hidden::new().await;
    assert_eq!(hidden.feed(None).await, HEARD);
    assert_eq!(hidden.feed(Some(hidden.acme.tenant)).await, HEARD);
    assert_eq!(hidden.feed(Some(hidden.other.tenant)).await, [""; 0]);
    let above = hidden.world.store.reader().tenants_above(vec![hidden.gone]).await.expect("a query");
    for tenant in [hidden.acme.tenant, hidden.world.root] {
        assert!(above.contains(&tenant), "{above:?}");
    }
    assert!(!above.contains(&hidden.other.tenant));
}

#[tokio::test]
async fn a_whole_branch_that_has_gone_is_still_seen_from_above() {
    let Hidden { mut world, acme, other, gone, .. } = Hidden::new().await;
    let (upper, lower) = (TenantId::generate(), TenantId::generate());
    let admin = world.admin;
    world.accept(by(admin), tenant(upper, world.root)).await;
    world.accept(by(admin), tenant(lower, upper)).await;
    work_in(&mut world, lower, admin).await;
    world.accept(by(admin), delete(lower)).await;
    world.accept(by(admin), delete(upper)).await;
    let above = world.store.reader().tenants_above(vec![lower]).await.expect("a query");
    let still: HashSet<_> = [world.root].into();
    assert!(above.is_superset(&still) && !above.contains(&other.tenant), "{above:?}");
    let seen = Hidden { world, acme, other, gone: lower, before: 0 };
    assert_eq!(seen.audit(seen.world.root).await, DONE);
    assert_ne!(gone, lower);
}

#[tokio::test]
async fn a_tenants_id_is_never_another_ones() {
    let Hidden { mut world, acme, other, gone, .. } = Hidden::new().await;
    assert_eq!(world.refuse(by(other.key), tenant(gone, other.tenant)).await, RefusalCode::Invalid);
    assert_eq!(world.refuse(by(acme.key), tenant(gone, acme.tenant)).await, RefusalCode::Invalid);
}

#[tokio::test]
async fn below_level_4_the_state_comes_to_what_it_came_to_before() {
    let hidden = Hidden::within(World::at_level(3).await).await;
    let rows = content(&hidden.world.store).await;
    assert!(!rows.iter().any(|row| row.starts_with("former_tenant")), "{rows:?}");
    // What is everybody's is the platform's all the same.
    assert_eq!(hidden.audit(hidden.world.root).await, DONE);
    assert_eq!(hidden.feed(None).await, HEARD);
}
