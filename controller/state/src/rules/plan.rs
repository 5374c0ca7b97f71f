//! Plans: what an account may have.

use npanel_model::{
    AccountId, Action, Amounts, AntiAffinity, Megabytes, NodeLabel, Overselling, PhpVersion, PlanId,
    PlanName, PoolName, Strategy, TenantId,
};
use npanel_proto::command::{CreatePlan, DeletePlan, PlanPlacement, UpdatePlan};

use super::{
    account,
    capacity::{self, Allowed},
    require_new,
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, tenant_id, texts, typed, wire_id, wire_text},
    wanted::{close_if_done, open_operation},
};

/// The part of a plan that the rules of accounts need.
pub(super) struct PlanLimits {
    pub(super) tenant: TenantId,
    pub(super) php_version: String,
    pub(super) domains: Option<u64>,
    pub(super) databases: Option<u64>,
    share: Amounts,
    anti_affinity: AntiAffinity,
    pool: Option<PoolName>,
    labels: Vec<NodeLabel>,
}

impl PlanLimits {
    /// What an account with this plan is promised, and where it may be.
    pub(super) fn terms(&self, overselling: Overselling) -> capacity::Terms {
        let allowed = Allowed {
            pools: self.pool.iter().cloned().collect(),
            labels: self.labels.clone(),
            availability_zone: None,
        };
        capacity::Terms { share: self.share, overselling, anti_affinity: self.anti_affinity, allowed }
    }
}

/// How a plan's accounts are placed, as the database holds it.
struct Placed {
    strategy: Option<Strategy>,
    anti_affinity: AntiAffinity,
    pool: Option<PoolName>,
    labels: Vec<NodeLabel>,
}

/// Only the platform says where accounts are placed and how.
fn placement(ctx: &Context<'_>, body: Option<&PlanPlacement>) -> Rule<Placed> {
    let Some(body) = body else {
        return Ok(Placed {
            strategy: None,
            anti_affinity: AntiAffinity::Preferred,
            pool: None,
            labels: Vec::new(),
        });
    };
    if ctx.principal_tenant()? != ctx.root_tenant()? {
        let message = "only the platform says how a plan's accounts are placed";
        return Err(Refusal::new(RefusalCode::Forbidden, "/placement", message).into());
    }
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Placed {
        strategy: text(&body.strategy).map(|text| wire_text(&text, "/placement/strategy")).transpose()?,
        anti_affinity: text(&body.anti_affinity)
            .map_or(Ok(AntiAffinity::Preferred), |text| wire_text(&text, "/placement/anti_affinity"))?,
        pool: text(&body.pool).map(|text| wire_text(&text, "/placement/pool")).transpose()?,
        labels: body.labels.iter().map(|label| wire_text(label, "/placement/labels")).collect::<Rule<_>>()?,
    })
}

pub(super) fn create(ctx: &Context<'_>, body: &CreatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanCreate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    let name: PlanName = wire_text(&body.name, "/name")?;
    let php: PhpVersion = wire_text(&body.php_version, "/php_version")?;
    let placed = placement(ctx, body.placement.as_ref())?;
    ctx.require_visible(tenant, "tenant", "/tenant_id")?;
    require_new(ctx, "plans", &body.plan_id)?;
    require_free_name(ctx, tenant, &name)?;
    ctx.run(
        "INSERT INTO plans (id, tenant_id, name, disk_mb, domains, databases, php_version, created_millis, memory_mb,
             placement_strategy, anti_affinity, pool, labels)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        (
            id.to_bytes(),
            tenant.to_bytes(),
            name.as_str(),
            body.disk_mb,
            body.domains,
            body.databases,
            php.as_str(),
            ctx.now.as_millis(),
            body.memory_mb,
            placed.strategy.map(Strategy::as_str),
            placed.anti_affinity.as_str(),
            placed.pool.as_ref().map(PoolName::as_str),
            json(&placed.labels),
        ),
    )?;
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

/// What a plan gives.
#[derive(Clone, PartialEq, Eq)]
struct Terms {
    name: String,
    disk_mb: u64,
    domains: Option<u64>,
    databases: Option<u64>,
    php_version: String,
}

/// Changes the plan. Its accounts keep what they have, even where that is more than the new limits allow, and can
/// add nothing beyond them. Those that follow the plan's PHP version get the new one: all of them or none.
pub(super) fn update(ctx: &Context<'_>, body: &UpdatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanUpdate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = load(ctx, id, "/id")?.tenant;
    ctx.require_visible(tenant, "plan", "/id")?;
    let old = terms(ctx, id)?;
    let new = Terms {
        name: body.name.clone().unwrap_or_else(|| old.name.clone()),
        disk_mb: body.disk_mb.unwrap_or(old.disk_mb),
        domains: body.domains.map_or(old.domains, |change| change.limit),
        databases: body.databases.map_or(old.databases, |change| change.limit),
        php_version: body.php_version.clone().unwrap_or_else(|| old.php_version.clone()),
    };
    let mut effect =
        Effect { tenant, action: Action::PlanUpdate, object: id.to_bytes(), operation: Vec::new() };
    if new == old {
        return Ok(effect);
    }
    if new.name != old.name {
        require_free_name(ctx, tenant, &wire_text(&new.name, "/name")?)?;
    }
    if Megabytes(new.disk_mb) == Megabytes(0) {
        let message = "an account needs disk space: at least 1 (got 0)";
        return Err(Refusal::new(RefusalCode::Invalid, "/disk_mb", message).into());
    }
    let php: PhpVersion = wire_text(&new.php_version, "/php_version")?;
    ctx.run(
        "UPDATE plans SET name = ?2, disk_mb = ?3, domains = ?4, databases = ?5, php_version = ?6 WHERE id = ?1",
        (id.to_bytes(), &new.name, new.disk_mb, new.domains, new.databases, php.as_str()),
    )?;
    ctx.note(tenant, "plan", id.to_bytes(), "changed");
    ctx.warn(|| exceeding(ctx, id))?;
    if new.disk_mb != old.disk_mb {
        resize_accounts(ctx, id)?;
    }
    if new.php_version != old.php_version {
        let operation = &body.operation_id;
        open_operation(ctx, operation, effect.action, tenant, "plan", &effect.object, "")?;
        for account in following(ctx, id)? {
            let account = account::load(ctx, account)?;
            account::set_php(ctx, &account, &php, operation)?;
        }
        close_if_done(ctx, operation)?;
        effect.operation.clone_from(operation);
    }
    Ok(effect)
}

/// Promises every account with the plan its new share: all of them or none.
fn resize_accounts(ctx: &Context<'_>, id: PlanId) -> Rule<()> {
    let plan = load(ctx, id, "/id")?;
    let accounts = ctx.all(
        "SELECT id, tenant_id FROM accounts WHERE plan_id = ?1 AND deleted_millis IS NULL ORDER BY id",
        [id.to_bytes()],
        |row| Ok((typed(row, 0, AccountId::from_bytes)?, tenant_id(row, 1)?)),
    )?;
    for (account, tenant) in accounts {
        capacity::resize(ctx, account, &plan.terms(capacity::overselling(ctx, tenant)?))?;
    }
    Ok(())
}

fn terms(ctx: &Context<'_>, id: PlanId) -> Rule<Terms> {
    ctx.find(
        "SELECT name, disk_mb, domains, databases, php_version FROM plans WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok(Terms {
                name: row.get(0)?,
                disk_mb: row.get(1)?,
                domains: row.get(2)?,
                databases: row.get(3)?,
                php_version: row.get(4)?,
            })
        },
    )?
    .ok_or_else(|| Refusal::not_found("plan", "/id").into())
}

/// The accounts that have more than the plan allows, in words.
fn exceeding(ctx: &Context<'_>, id: PlanId) -> Rule<Vec<String>> {
    let mut found = Vec::new();
    for (what, table) in [("domains", "domains"), ("databases", "databases")] {
        let query = format!(
            "SELECT a.username, count(*), p.{what} FROM plans p JOIN accounts a ON a.plan_id = p.id
                 JOIN {table} x ON x.account_id = a.id
             WHERE p.id = ?1 AND a.deleted_millis IS NULL AND x.deleted_millis IS NULL
             GROUP BY a.id HAVING count(*) > p.{what} ORDER BY a.username"
        );
        found.extend(ctx.all(&query, [id.to_bytes()], |row| {
            let (username, has, allowed): (String, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!(
                "the account {username} has {has} {what} and keeps them (the plan would allow {allowed})"
            ))
        })?);
    }
    Ok(found)
}

/// The accounts whose PHP version is the plan's.
fn following(ctx: &Context<'_>, id: PlanId) -> Rule<Vec<AccountId>> {
    ctx.all(
        "SELECT id FROM accounts WHERE plan_id = ?1 AND php_chosen = 0 AND deleted_millis IS NULL ORDER BY id",
        [id.to_bytes()],
        |row| typed(row, 0, AccountId::from_bytes),
    )
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
        "SELECT tenant_id, php_version, domains, databases, disk_mb, memory_mb, anti_affinity, pool, labels
         FROM plans WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok(PlanLimits {
                tenant: tenant_id(row, 0)?,
                php_version: row.get(1)?,
                domains: row.get(2)?,
                databases: row.get(3)?,
                share: Amounts::account(Megabytes(row.get(4)?), Megabytes(row.get(5)?)),
                // What the rules let in is what is there.
                anti_affinity: row.get::<_, String>(6)?.parse().unwrap_or(AntiAffinity::Preferred),
                pool: row.get::<_, Option<String>>(7)?.and_then(|pool| pool.parse().ok()),
                labels: texts(&row.get::<_, String>(8)?)
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
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
