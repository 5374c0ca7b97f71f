//! Tenants: a tree whose root is the platform.

use npanel_model::{Action, TenantId, TenantName};
use npanel_proto::command::{CreateTenant, DeleteTenant, UpdateTenant};

use super::{require_new, secrets, user};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
};

/// The feature level from which on it is kept who was above a tenant that is deleted.
const ANCESTRY_KEPT: u32 = 4;

pub(super) fn create(ctx: &Context<'_>, body: &CreateTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantCreate)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    let parent = wire_id(&body.parent_id, "/parent_id", TenantId::from_bytes)?;
    let name: TenantName = wire_text(&body.name, "/name")?;
    ctx.require_visible(parent, "tenant", "/parent_id")?;
    require_new(ctx, "tenants", &body.tenant_id)?;
    require_never_used(ctx, id)?;
    require_free_name(ctx, Some(parent), &name)?;
    secrets::require_cluster_key(ctx, &body.wrapped_data_key)?;
    insert(ctx, id, Some(parent), &name, &body.wrapped_data_key, body.account_limit, body.may_oversell)?;
    Ok(Effect { tenant: parent, action: Action::TenantCreate, object: id.to_bytes(), operation: Vec::new() })
}

pub(super) fn insert(
    ctx: &Context<'_>,
    id: TenantId,
    parent: Option<TenantId>,
    name: &TenantName,
    wrapped_data_key: &[u8],
    account_limit: Option<u64>,
    may_oversell: bool,
) -> Rule<()> {
    ctx.run(
        "INSERT INTO tenants (id, parent_id, name, wrapped_data_key, account_limit, may_oversell, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            id.to_bytes(),
            parent.map(TenantId::to_bytes),
            name.as_str(),
            wrapped_data_key,
            account_limit,
            may_oversell,
            ctx.now.as_millis(),
        ),
    )?;
    ctx.run(
        "INSERT INTO tenant_tree (ancestor_id, tenant_id)
         SELECT ancestor_id, ?1 FROM tenant_tree WHERE tenant_id = ?2 UNION ALL SELECT ?1, ?1",
        (id.to_bytes(), parent.map(TenantId::to_bytes)),
    )?;
    ctx.run("INSERT INTO tenant_accounts (tenant_id, accounts) VALUES (?1, 0)", [id.to_bytes()])?;
    ctx.note(id, "tenant", id.to_bytes(), "created");
    Ok(())
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
#[derive(PartialEq, Eq)]
struct Fields {
    name: String,
    account_limit: Option<u64>,
    may_oversell: bool,
}

/// Changes the tenant. Its limits are for those above it to set; a limit beneath what there is takes nothing away.
pub(super) fn update(ctx: &Context<'_>, body: &UpdateTenant) -> Rule<Effect> {
    ctx.authorise(Action::TenantUpdate)?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    ctx.require_visible(id, "tenant", "/id")?;
    let sets_limits = body.account_limit.is_some() || body.may_oversell.is_some();
    if sets_limits && id == ctx.principal_tenant()? && id != ctx.root_tenant()? {
        let message = "a tenant's limits are set by a tenant above it";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    }
    let found = ctx.find(
        "SELECT parent_id, name, account_limit, may_oversell FROM tenants WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let parent = row.get::<_, Option<Vec<u8>>>(0)?.and_then(|id| TenantId::from_bytes(&id).ok());
            let old = Fields { name: row.get(1)?, account_limit: row.get(2)?, may_oversell: row.get(3)? };
            Ok((parent, old))
        },
    )?;
    let (parent, old) = found.ok_or_else(|| Refusal::not_found("tenant", "/id"))?;
    let new = Fields {
        name: body.name.clone().unwrap_or_else(|| old.name.clone()),
        account_limit: body.account_limit.map_or(old.account_limit, |change| change.limit),
        may_oversell: body.may_oversell.unwrap_or(old.may_oversell),
    };
    if new.name != old.name {
        require_free_name(ctx, parent, &wire_text(&new.name, "/name")?)?;
    }
    if new != old {
        ctx.run(
            "UPDATE tenants SET name = ?2, account_limit = ?3, may_oversell = ?4 WHERE id = ?1",
            (id.to_bytes(), new.name, new.account_limit, new.may_oversell),
        )?;
        ctx.note(id, "tenant", id.to_bytes(), "changed");
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
    if ctx.level >= ANCESTRY_KEPT {
        ctx.run(
            "INSERT INTO former_tenant_tree (ancestor_id, tenant_id)
             SELECT ancestor_id, tenant_id FROM tenant_tree WHERE tenant_id = ?1 AND ancestor_id <> tenant_id",
            [id.to_bytes()],
        )?;
    }
    ctx.run("DELETE FROM tenant_tree WHERE tenant_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM tenant_accounts WHERE tenant_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM former_data_keys WHERE tenant_id = ?1", [id.to_bytes()])?;
    ctx.run("DELETE FROM tenants WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(above.unwrap_or(id), "tenant", id.to_bytes(), "deleted");
    Ok(Effect { tenant: id, action: Action::TenantDelete, object: id.to_bytes(), operation: Vec::new() })
}

/// Refuses one more account in the tenant when its own limit or one above it is reached.
pub(super) fn require_room_for_account(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    let full = ctx.find(
        "SELECT t.name, t.account_limit, n.accounts
         FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id JOIN tenant_accounts n ON n.tenant_id = t.id
         WHERE up.tenant_id = ?1 AND t.account_limit <= n.accounts ORDER BY t.id LIMIT 1",
        [tenant.to_bytes()],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?)),
    )?;
    let Some((name, limit, used)) = full else { return Ok(()) };
    let message = format!("the tenant {name} may have {limit} accounts (it has {used})");
    Err(Refusal::new(RefusalCode::LimitReached, "/tenant_id", message).into())
}

/// Counts an account that came (1) or is going (-1), for its tenant and for every one above it.
pub(super) fn count_account(ctx: &Context<'_>, tenant: TenantId, more: i64) -> Rule<()> {
    ctx.run(
        "UPDATE tenant_accounts SET accounts = accounts + ?2
         WHERE tenant_id IN (SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ?1)",
        (tenant.to_bytes(), more),
    )?;
    Ok(())
}
