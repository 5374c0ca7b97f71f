//! Plans: what an account may have.

mod exceeding;
mod fields;
mod placed;

use npanel_model::{
    AccountWish, Action, Allotment, Amounts, Megabytes, Overselling, PlanId, PlanName, TenantId,
};
use npanel_proto::command::{CreatePlan, DeletePlan, UpdatePlan};

use self::{fields::Fields, placed::Placed};
use super::{
    capacity::{self, Promised},
    fitness::{self, Allowed},
    following, require_new,
    usage::{self, Share},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, texts, wire_id, wire_text},
};

pub(super) use exceeding::of_account as exceeded_by;
pub(super) use fields::SUBDOMAINS_COUNTED;

/// The part of a plan that the rules of accounts need.
pub(super) struct PlanLimits {
    pub(super) tenant: TenantId,
    pub(super) php_version: String,
    /// Those that accounts may choose; none: all.
    php_versions: Vec<String>,
    pub(super) domains: Option<u64>,
    pub(super) subdomains: Option<u64>,
    pub(super) databases: Option<u64>,
    pub(super) cron_jobs: Option<u64>,
    pub(super) allotment: Allotment,
    pub(super) share: Share,
    amounts: Amounts,
    placed: Placed,
}

impl PlanLimits {
    /// What an account with this plan is promised, and where it may be.
    pub(super) fn promised(&self, overselling: Overselling) -> Promised {
        let allowed = Allowed {
            pools: self.placed.pool.iter().cloned().collect(),
            labels: self.placed.labels.clone(),
            availability_zone: None,
        };
        Promised { share: self.amounts, overselling, anti_affinity: self.placed.anti_affinity, allowed }
    }

    /// The same for an account that is placed anew, and was wished somewhere when it was made.
    pub(super) fn promised_anew(&self, wish: AccountWish, overselling: Overselling) -> Promised {
        let wish = wish.under(self.placed.pool.as_ref(), &self.placed.labels);
        let allowed = Allowed {
            pools: wish.pool.into_iter().collect(),
            labels: wish.labels,
            availability_zone: wish.availability_zone,
        };
        Promised { allowed, ..self.promised(overselling) }
    }

    /// Whether its accounts may choose this PHP version.
    pub(super) fn allows_php(&self, version: &str) -> bool {
        self.php_versions.is_empty() || self.php_versions.iter().any(|allowed| allowed == version)
    }

    /// Refuses a PHP version that its accounts may not choose.
    pub(super) fn require_php(&self, version: &str) -> Rule<()> {
        if self.allows_php(version) {
            return Ok(());
        }
        let message =
            format!("the account's plan allows PHP {} (got {version})", self.php_versions.join(", "));
        Err(Refusal::new(RefusalCode::LimitReached, "/php_version", message).into())
    }
}

pub(super) fn create(ctx: &Context<'_>, body: &CreatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanCreate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    let fields = Fields::of_new(ctx, body)?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    require_new(ctx, "plans", &body.plan_id)?;
    require_free_name(ctx, tenant, &wire_text(&fields.name, "/name")?)?;
    fields.insert(ctx, id, tenant)?;
    ctx.note(tenant, "plan", id.to_bytes(), "created");
    Ok(Effect { tenant, action: Action::PlanCreate, object: id.to_bytes(), operation: Vec::new() })
}

fn require_free_name(ctx: &Context<'_>, tenant: TenantId, name: &PlanName) -> Rule<()> {
    let taken = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM plans WHERE tenant_id = ?1 AND name = ?2)",
        (tenant.to_bytes(), name.as_str()),
    )?;
    if taken == 0 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::NameTaken, "/name", format!("the plan {name} exists already")).into())
}

/// Changes the plan. Its accounts keep what they have, even where that is more than the new limits allow, and can
/// add nothing beyond them; they stay where they are, even where the plan would not have them any more. What is promised to
/// them is promised to all of them or to none, as is the PHP version of those that follow the plan's; and all follow it to
/// what their processes may take of their nodes.
pub(super) fn update(ctx: &Context<'_>, body: &UpdatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanUpdate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = load(ctx, id, "/id")?.tenant;
    ctx.require_visible(tenant, "plan", "/id")?;
    let old = Fields::read(ctx, id)?;
    let new = old.clone().changed(ctx, body)?;
    let mut effect =
        Effect { tenant, action: Action::PlanUpdate, object: id.to_bytes(), operation: Vec::new() };
    if new == old {
        return Ok(effect);
    }
    if new.name != old.name {
        require_free_name(ctx, tenant, &wire_text(&new.name, "/name")?)?;
    }
    new.require_disk()?;
    new.write(ctx, id)?;
    ctx.note(tenant, "plan", id.to_bytes(), "changed");
    if new.allows_less_than(&old) {
        exceeding::foresee(ctx, id)?;
    }
    if new.placed != old.placed {
        ctx.warn(|| fitness::misplaced(ctx, id))?;
    }
    if new.amounts() != old.amounts() {
        capacity::resize_all(ctx, id, &new.amounts())?;
    }
    if new.share() != old.share() {
        usage::resize_plan(ctx, id, &old.share(), &new.share())?;
    }
    let php = (new.php_version != old.php_version).then(|| new.php()).transpose()?;
    if php.is_some() || new.allotment() != old.allotment() {
        following::begin(ctx, id, php.as_ref(), &body.operation_id)?;
        effect.operation.clone_from(&body.operation_id);
    }
    Ok(effect)
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
    following::end(ctx, id)?;
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
        "SELECT tenant_id, php_version, domains, databases, disk_mb, memory_mb, anti_affinity, pool, labels,
             php_versions, inodes, bandwidth_mb_per_month, subdomains, mailboxes, ftp_users, cron_jobs, cpu_percent,
             memory_limit_mb, processes, io_mb_per_second, io_operations_per_second
         FROM plans WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let limits = fields::limits_of_row(row, 10)?;
            let disk_mb = row.get(4)?;
            Ok(PlanLimits {
                tenant: tenant_id(row, 0)?,
                php_version: row.get(1)?,
                php_versions: texts(&row.get::<_, String>(9)?),
                domains: row.get(2)?,
                subdomains: limits.subdomains,
                databases: row.get(3)?,
                cron_jobs: limits.cron_jobs,
                allotment: fields::allotment(&limits),
                share: Share { disk_mb, bandwidth_mb_per_month: limits.bandwidth_mb_per_month },
                amounts: Amounts::account(Megabytes(disk_mb), Megabytes(row.get(5)?)),
                placed: placed::of_row(row, 6)?,
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
