//! Plans: what an account may have.

use npanel_model::{
    AccountWish, Action, Amounts, AntiAffinity, Megabytes, NodeLabel, Overselling, PhpVersion, PlanId,
    PlanName, PoolName, Strategy, TenantId,
};
use npanel_proto::command::{
    CreatePlan, DeletePlan, NodeLabels, PlanPlacement, PlanPlacementChange, UpdatePlan,
};

use super::{
    capacity::{self, Promised},
    fitness::{self, Allowed},
    following, require_new,
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, json, tenant_id, texts, wire_id, wire_text},
};

/// The part of a plan that the rules of accounts need.
pub(super) struct PlanLimits {
    pub(super) tenant: TenantId,
    pub(super) php_version: String,
    pub(super) domains: Option<u64>,
    pub(super) databases: Option<u64>,
    share: Amounts,
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
        Promised { share: self.share, overselling, anti_affinity: self.placed.anti_affinity, allowed }
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
}

/// How a plan's accounts are placed, as the database holds it.
#[derive(Clone, PartialEq, Eq)]
struct Placed {
    strategy: Option<Strategy>,
    anti_affinity: AntiAffinity,
    pool: Option<PoolName>,
    labels: Vec<NodeLabel>,
}

impl Placed {
    const ANYWHERE: Self =
        Self { strategy: None, anti_affinity: AntiAffinity::Preferred, pool: None, labels: Vec::new() };

    fn changed(self, change: &PlanPlacementChange) -> Rule<Self> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            strategy: match &change.strategy {
                None => self.strategy,
                Some(text) => given(text).map(|text| wire_text(&text, "/placement/strategy")).transpose()?,
            },
            anti_affinity: match &change.anti_affinity {
                None => self.anti_affinity,
                Some(text) => wire_text(text, "/placement/anti_affinity")?,
            },
            pool: match &change.pool {
                None => self.pool,
                Some(text) => given(text).map(|text| wire_text(&text, "/placement/pool")).transpose()?,
            },
            labels: match &change.labels {
                None => self.labels,
                Some(all) => fitness::labels(&all.labels, "/placement/labels")?,
            },
        })
    }
}

fn placement(ctx: &Context<'_>, body: Option<&PlanPlacement>) -> Rule<Placed> {
    let Some(body) = body else { return Ok(Placed::ANYWHERE) };
    ctx.require_placing("/placement")?;
    let change = PlanPlacementChange {
        strategy: Some(body.strategy.clone()),
        anti_affinity: (!body.anti_affinity.is_empty()).then(|| body.anti_affinity.clone()),
        pool: Some(body.pool.clone()),
        labels: Some(NodeLabels { labels: body.labels.clone() }),
    };
    Placed::ANYWHERE.changed(&change)
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

/// What of a plan can be changed.
#[derive(Clone, PartialEq, Eq)]
struct Fields {
    name: String,
    disk_mb: u64,
    memory_mb: u64,
    domains: Option<u64>,
    databases: Option<u64>,
    php_version: String,
    placed: Placed,
}

impl Fields {
    fn share(&self) -> Amounts {
        Amounts::account(Megabytes(self.disk_mb), Megabytes(self.memory_mb))
    }

    fn changed(self, ctx: &Context<'_>, body: &UpdatePlan) -> Rule<Self> {
        let placed = match &body.placement {
            Some(change) => {
                ctx.require_placing("/placement")?;
                self.placed.changed(change)?
            }
            None => self.placed,
        };
        Ok(Self {
            name: body.name.clone().unwrap_or(self.name),
            disk_mb: body.disk_mb.unwrap_or(self.disk_mb),
            memory_mb: body.memory_mb.unwrap_or(self.memory_mb),
            domains: body.domains.map_or(self.domains, |change| change.limit),
            databases: body.databases.map_or(self.databases, |change| change.limit),
            php_version: body.php_version.clone().unwrap_or(self.php_version),
            placed,
        })
    }

    fn write(&self, ctx: &Context<'_>, id: PlanId) -> Rule<()> {
        ctx.run(
            "UPDATE plans SET name = ?2, disk_mb = ?3, memory_mb = ?4, domains = ?5, databases = ?6, php_version = ?7,
                 placement_strategy = ?8, anti_affinity = ?9, pool = ?10, labels = ?11
             WHERE id = ?1",
            (
                id.to_bytes(),
                &self.name,
                self.disk_mb,
                self.memory_mb,
                self.domains,
                self.databases,
                &self.php_version,
                self.placed.strategy.map(Strategy::as_str),
                self.placed.anti_affinity.as_str(),
                self.placed.pool.as_ref().map(PoolName::as_str),
                json(&self.placed.labels),
            ),
        )?;
        Ok(())
    }
}

/// Changes the plan. Its accounts keep what they have, even where that is more than the new limits allow, and can
/// add nothing beyond them; they stay where they are, even where the plan would not have them any more. Those that
/// follow the plan's PHP version get the new one: all of them or none.
pub(super) fn update(ctx: &Context<'_>, body: &UpdatePlan) -> Rule<Effect> {
    ctx.authorise(Action::PlanUpdate)?;
    let id = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    let tenant = load(ctx, id, "/id")?.tenant;
    ctx.require_visible(tenant, "plan", "/id")?;
    let old = fields(ctx, id)?;
    let new = old.clone().changed(ctx, body)?;
    let mut effect =
        Effect { tenant, action: Action::PlanUpdate, object: id.to_bytes(), operation: Vec::new() };
    if new == old {
        return Ok(effect);
    }
    if new.name != old.name {
        require_free_name(ctx, tenant, &wire_text(&new.name, "/name")?)?;
    }
    if new.disk_mb == 0 {
        let message = "an account needs disk space: at least 1 (got 0)";
        return Err(Refusal::new(RefusalCode::Invalid, "/disk_mb", message).into());
    }
    let php: PhpVersion = wire_text(&new.php_version, "/php_version")?;
    new.write(ctx, id)?;
    ctx.note(tenant, "plan", id.to_bytes(), "changed");
    ctx.warn(|| exceeding(ctx, id))?;
    if new.placed != old.placed {
        ctx.warn(|| fitness::misplaced(ctx, id))?;
    }
    if new.share() != old.share() {
        capacity::resize_all(ctx, id, &new.share())?;
    }
    if new.php_version != old.php_version {
        following::begin(ctx, id, &php, &body.operation_id)?;
        effect.operation.clone_from(&body.operation_id);
    }
    Ok(effect)
}

fn fields(ctx: &Context<'_>, id: PlanId) -> Rule<Fields> {
    ctx.find(
        "SELECT name, disk_mb, memory_mb, domains, databases, php_version, placement_strategy, anti_affinity, pool,
                labels
         FROM plans WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok(Fields {
                name: row.get(0)?,
                disk_mb: row.get(1)?,
                memory_mb: row.get(2)?,
                domains: row.get(3)?,
                databases: row.get(4)?,
                php_version: row.get(5)?,
                placed: Placed {
                    strategy: row.get::<_, Option<String>>(6)?.and_then(|strategy| strategy.parse().ok()),
                    ..placed(row, 7)?
                },
            })
        },
    )?
    .ok_or_else(|| Refusal::not_found("plan", "/id").into())
}

/// Anti-affinity, pool and labels, from three columns in this order. What the rules let in is what is there.
fn placed(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Placed> {
    Ok(Placed {
        strategy: None,
        anti_affinity: row.get::<_, String>(at)?.parse().unwrap_or(AntiAffinity::Preferred),
        pool: row.get::<_, Option<String>>(at + 1)?.and_then(|pool| pool.parse().ok()),
        labels: texts(&row.get::<_, String>(at + 2)?).iter().filter_map(|text| text.parse().ok()).collect(),
    })
}

/// The accounts that have more than the plan allows, in words.
fn exceeding(ctx: &Context<'_>, id: PlanId) -> Rule<Vec<String>> {
    let mut found = Vec::new();
    for (what, table) in [("domains", "domains"), ("databases", "databases")] {
        let query = format!(
            "SELECT a.username, count(*), p.{what} FROM plans p JOIN accounts a ON a.plan_id = p.id
                 JOIN {table} x ON x.account_id = a.id
             WHERE p.id = ?1 AND a.deleted_millis IS NULL AND x.deleted_millis IS NULL
             GROUP BY a.id HAVING count(*) > p.{what} ORDER BY a.username LIMIT {}",
            fitness::MOST_NAMED
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
                placed: placed(row, 6)?,
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
