//! Plans: what an account may have.

use npanel_model::{Action, PhpVersion, PlanId, PlanName, TenantId};
use npanel_proto::command::{CreatePlan, DeletePlan};

use super::require_new;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
};

/// The part of a plan that the rules of accounts need.
pub(super) struct PlanLimits {
    pub(super) tenant: TenantId,
    pub(super) php_version: String,
    pub(super) domains: Option<u64>,
    pub(super) databases: Option<u64>,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanCreate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    let name: PlanName = wire_text(&body.name, "/name")?;
    let php: PhpVersion = wire_text(&body.php_version, "/php_version")?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    require_new(ctx, "plans", &body.plan_id)?;
    let taken = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM plans WHERE tenant_id = ?1 AND name = ?2)",
        (tenant.to_bytes(), name.as_str()),
    )?;
    if taken == 1 {
        return Err(
            Refusal::new(RefusalCode::NameTaken, "/name", format!("the plan {name} exists already")).into()
        );
    }
    ctx.run(
        "INSERT INTO plans (id, tenant_id, name, disk_mb, domains, databases, php_version, created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            name.as_str(),
            body.disk_mb,
            body.domains,
            body.databases,
            php.as_str(),
            ctx.now.as_millis(),
        ),
    )?;
    ctx.note(tenant, "plan", id.to_bytes(), "created");
    Ok(Effect { tenant, action: Action::PlanCreate, object: id.to_bytes(), operation: Vec::new() })
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeletePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanDelete)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let plan = load(ctx, id, "/id")?;
    ctx.require_visible(plan.tenant, "plan", "/id")?;
    let users = ctx.count("SELECT count(*) FROM accounts WHERE plan_id = ?1", [id.to_bytes()])?;
    if users > 0 {
        let message =
            format!("{users} accounts have this plan, deleted ones whose data is still kept included");
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    ctx.run("DELETE FROM plans WHERE id = ?1", [id.to_bytes()])?;
    ctx.note(plan.tenant, "plan", id.to_bytes(), "deleted");
    Ok(Effect {
        tenant: plan.tenant,
        action: Action::PlanDelete,
        object: id.to_bytes(),
        operation: Vec::new(),
    })
}

pub(super) fn load(ctx: &Context<'_>, id: PlanId, field: &'static str) -> Rule<PlanLimits> {
    ctx.find(
        "SELECT tenant_id, php_version, domains, databases FROM plans WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok(PlanLimits {
                tenant: tenant_id(row, 0)?,
                php_version: row.get(1)?,
                domains: row.get(2)?,
                databases: row.get(3)?,
            })
        },
    )?
    .ok_or_else(|| Refusal::not_found("plan", field).into())
}

/// A plan serves the accounts of its own tenant and of every tenant beneath.
pub(super) fn require_usable_by(ctx: &Context<'_>, plan: &PlanLimits, tenant: TenantId) -> Rule<()> {
    let usable = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 AND tenant_id = ?2)",
        (plan.tenant.to_bytes(), tenant.to_bytes()),
    )?;
    if usable == 1 { Ok(()) } else { Err(Refusal::not_found("plan", "/plan_id").into()) }
}
