//! Tenants: a tree whose root is the platform.

use npanel_model::{Action, TenantId, TenantName};
use npanel_proto::command::{CreateTenant, DeleteTenant, TenantLimits, TenantLimitsChange, UpdateTenant};

use super::{identity_provider, require_new, secrets, usage, user};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
};

/// The feature level from which on it is kept who was above a tenant that is deleted.
const ANCESTRY_KEPT: u32 = 4;

/// From this level on resellers' resellers have none beneath them.
const DEPTH_LIMITED: u32 = 4;

/// The platform, resellers, and theirs.
const DEEPEST: u64 = 3;

pub(super) fn create(ctx: &Context<'_>, body: &CreateTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantCreate)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    let parent = wire_id(&body.parent_id, "/parent_id", TenantId::from_bytes)?;
    let name: TenantName = wire_text(&body.name, "/name")?;
    ctx.require_visible(parent, "tenant", "/parent_id")?;
    require_new(ctx, "tenants", &body.tenant_id)?;
    require_never_used(ctx, id)?;
    require_free_name(ctx, Some(parent), &name)?;
    require_depth(ctx, parent)?;
    secrets::require_cluster_key(ctx, &body.wrapped_data_key)?;
    let fields = Fields {
        name: name.into(),
        account_limit: body.account_limit,
        may_oversell: body.may_oversell,
        limits: body.limits.unwrap_or_default(),
    };
    insert(ctx, id, Some(parent), &body.wrapped_data_key, &fields)?;
    Ok(Effect { tenant: parent, action: Action::TenantCreate, object: id.to_bytes(), operation: Vec::new() })
}

/// Makes the platform's own tenant.
pub(super) fn insert_root(
    ctx: &Context<'_>,
    id: TenantId,
    name: &TenantName,
    wrapped_data_key: &[u8],
) -> Rule<()> {
    let limits = TenantLimits::default();
    let fields = Fields { name: name.to_string(), account_limit: None, may_oversell: true, limits };
    insert(ctx, id, None, wrapped_data_key, &fields)
}

fn insert(
    ctx: &Context<'_>,
    id: TenantId,
    parent: Option<TenantId>,
    wrapped_data_key: &[u8],
    fields: &Fields,
) -> Rule<()> {
    ctx.run(
        "INSERT INTO tenants (id, parent_id, name, wrapped_data_key, may_oversell, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            id.to_bytes(),
            parent.map(TenantId::to_bytes),
            &fields.name,
            wrapped_data_key,
            fields.may_oversell,
            ctx.now.as_millis(),
        ),
    )?;
    fields.write(ctx, id)?;
    ctx.run(
        "INSERT INTO tenant_tree (ancestor_id, tenant_id)
         SELECT ancestor_id, ?1 FROM tenant_tree WHERE tenant_id = ?2 UNION ALL SELECT ?1, ?1",
        (id.to_bytes(), parent.map(TenantId::to_bytes)),
    )?;
    usage::begin(ctx, id)?;
    ctx.note(id, "tenant", id.to_bytes(), "created");
    Ok(())
}

/// Refuses a tenant beneath a reseller's reseller: whoever has one there wants an account.
fn require_depth(ctx: &Context<'_>, parent: TenantId) -> Rule<()> {
    let depth = ctx.count("SELECT count(*) FROM tenant_tree WHERE tenant_id = ?1", [parent.to_bytes()])?;
    if depth < DEEPEST || ctx.level < DEPTH_LIMITED {
        return Ok(());
    }
    let message = "a reseller's reseller has no tenants beneath it";
    Err(Refusal::new(RefusalCode::Invalid, "/parent_id", message).into())
}

/// Whoever was above a deleted tenant still sees what it did, by its id: that must not become another one's.
fn require_never_used(ctx: &Context<'_>, id: TenantId) -> Rule<()> {
    let select = "SELECT EXISTS (SELECT 1 FROM former_tenant_tree WHERE tenant_id = ?1)";
    if ctx.count(select, [id.to_bytes()])? == 0 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Invalid, "/id", "a tenant that was deleted had this id").into())
}

fn require_free_name(ctx: &Context<'_>, parent: Option<TenantId>, name: &TenantName) -> Rule<()> {
    let taken = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM tenants WHERE parent_id IS ?1 AND name = ?2)",
        (parent.map(TenantId::to_bytes), name.as_str()),
    )?;
    if taken == 0 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::NameTaken, "/name", format!("the tenant {name} exists already")).into())
}

/// What of a tenant can be changed.
#[derive(Clone, PartialEq)]
struct Fields {
    name: String,
    account_limit: Option<u64>,
    may_oversell: bool,
    limits: TenantLimits,
}

impl Fields {
    fn changed(self, body: &UpdateTenant) -> Self {
        Self {
            name: body.name.clone().unwrap_or(self.name),
            account_limit: body.account_limit.map_or(self.account_limit, |change| change.limit),
            may_oversell: body.may_oversell.unwrap_or(self.may_oversell),
            limits: body.limits.map_or(self.limits, |change| changed_limits(self.limits, &change)),
        }
    }

    fn write(&self, ctx: &Context<'_>, id: TenantId) -> Rule<()> {
        let limits = &self.limits;
        ctx.run(
            "UPDATE tenants SET name = ?2, account_limit = ?3, may_oversell = ?4, disk_limit_mb = ?5,
                 bandwidth_limit_mb_per_month = ?6, domain_limit = ?7, mailbox_limit = ?8, database_limit = ?9,
                 api_requests_per_minute = ?10
             WHERE id = ?1",
            (
                id.to_bytes(),
                &self.name,
                self.account_limit,
                self.may_oversell,
                limits.disk_mb,
                limits.bandwidth_mb_per_month,
                limits.domains,
                limits.mailboxes,
                limits.databases,
                limits.api_requests_per_minute,
            ),
        )?;
        Ok(())
    }
}

fn changed_limits(old: TenantLimits, change: &TenantLimitsChange) -> TenantLimits {
    TenantLimits {
        disk_mb: change.disk_mb.map_or(old.disk_mb, |to| to.limit),
        bandwidth_mb_per_month: change
            .bandwidth_mb_per_month
            .map_or(old.bandwidth_mb_per_month, |to| to.limit),
        domains: change.domains.map_or(old.domains, |to| to.limit),
        mailboxes: change.mailboxes.map_or(old.mailboxes, |to| to.limit),
        databases: change.databases.map_or(old.databases, |to| to.limit),
        api_requests_per_minute: change
            .api_requests_per_minute
            .map_or(old.api_requests_per_minute, |to| to.limit),
    }
}

fn read(ctx: &Context<'_>, id: TenantId) -> Rule<(Option<TenantId>, Fields)> {
    ctx.find(
        "SELECT parent_id, name, account_limit, may_oversell, disk_limit_mb, bandwidth_limit_mb_per_month,
             domain_limit, mailbox_limit, database_limit, api_requests_per_minute
         FROM tenants WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let parent = row.get::<_, Option<Vec<u8>>>(0)?.and_then(|id| TenantId::from_bytes(&id).ok());
            let limits = TenantLimits {
                disk_mb: row.get(4)?,
                bandwidth_mb_per_month: row.get(5)?,
                domains: row.get(6)?,
                mailboxes: row.get(7)?,
                databases: row.get(8)?,
                api_requests_per_minute: row.get(9)?,
            };
            let (name, account_limit) = (row.get(1)?, row.get(2)?);
            Ok((parent, Fields { name, account_limit, may_oversell: row.get(3)?, limits }))
        },
    )?
    .ok_or_else(|| Refusal::not_found("tenant", "/id").into())
}

/// Changes the tenant. Its limits are for those above it to set; a limit beneath what there is takes nothing away.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantUpdate)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    ctx.require_visible(id, "tenant", "/id")?;
    let sets_limits = body.account_limit.is_some() || body.may_oversell.is_some() || body.limits.is_some();
    if sets_limits && id == ctx.principal_tenant()? && id != ctx.root_tenant()? {
        let message = "a tenant's limits are set by a tenant above it";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    }
    let (parent, old) = read(ctx, id)?;
    let new = old.clone().changed(body);
    if new.name != old.name {
        require_free_name(ctx, parent, &wire_text(&new.name, "/name")?)?;
    }
    if new != old {
        new.write(ctx, id)?;
        ctx.note(id, "tenant", id.to_bytes(), "changed");
        if sets_limits {
            ctx.warn(|| usage::beyond(ctx, id))?;
        }
    }
    Ok(Effect { tenant: id, action: Action::TenantUpdate, object: id.to_bytes(), operation: Vec::new() })
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantDelete)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    ctx.require_visible(id, "tenant", "/id")?;
    if id == ctx.principal_tenant()? {
        return Err(Refusal::new(RefusalCode::InUse, "/id", "a tenant cannot delete itself").into());
    }
    for (what, sql) in [
        ("tenants", "SELECT count(*) FROM tenants WHERE parent_id = ?1"),
        ("accounts", "SELECT count(*) FROM accounts WHERE tenant_id = ?1"),
        ("plans", "SELECT count(*) FROM plans WHERE tenant_id = ?1"),
    ] {
        let there = ctx.count(sql, [id.to_bytes()])?;
        if there > 0 {
            let message =
                format!("the tenant has {there} {what}, deleted ones whose data is still kept included");
            return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
        }
    }
    // Nobody sees any more what was the tenant's: that it has gone is news of the one above it.
    let above =
        ctx.find("SELECT parent_id FROM tenants WHERE id = ?1", [id.to_bytes()], |row| tenant_id(row, 0))?;
    ctx.run("DELETE FROM api_keys WHERE tenant_id = ?1", [id.to_bytes()])?;
    user::remove_of(ctx, id)?;
    ctx.run("DELETE FROM webhooks WHERE tenant_id = ?1", [id.to_bytes()])?;
    identity_provider::remove_of(ctx, id)?;
    if ctx.level >= ANCESTRY_KEPT {
        ctx.run(
            "INSERT INTO former_tenant_tree (ancestor_id, tenant_id)
             SELECT ancestor_id, tenant_id FROM tenant_tree WHERE tenant_id = ?1 AND ancestor_id <> tenant_id",
            [id.to_bytes()],
        )?;
    }
    ctx.run("DELETE FROM tenant_tree WHERE tenant_id = ?1", [id.to_bytes()])?;
    usage::end(ctx, id)?;
    ctx.run("DELETE FROM former_data_keys WHERE tenant_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM tenants WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(above.unwrap_or(id), "tenant", id.to_bytes(), "deleted");
    Ok(Effect { tenant: id, action: Action::TenantDelete, object: id.to_bytes(), operation: Vec::new() })
}
