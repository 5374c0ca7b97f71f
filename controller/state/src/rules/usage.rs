//! What a tenant and those beneath it have: counted where it changes, and whether there is room for more. What is counted is
//! never counted again from its rows; a test does so.

use npanel_model::{Limit, PlanId, TenantId};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, tenant_id},
};

/// What an account is promised by its plan, as tenants' limits count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) disk_mb: u64,
    /// None: as much as it likes, which counts as nothing.
    pub(super) bandwidth_mb_per_month: Option<u64>,
}

/// What of an account is counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Domain,
    Database,
}

/// How much more there is; less, if it is negative.
#[derive(Debug, Clone, Copy, Default)]
struct Delta {
    accounts: i64,
    disk_mb: i64,
    bandwidth_mb_per_month: i64,
    domains: i64,
    databases: i64,
}

impl Delta {
    /// So many accounts more with that share.
    fn shares(share: &Share, more: i64) -> Self {
        let of = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX).saturating_mul(more);
        Self {
            disk_mb: of(share.disk_mb),
            bandwidth_mb_per_month: of(share.bandwidth_mb_per_month.unwrap_or(0)),
            ..Self::default()
        }
    }

    fn minus(self, other: &Self) -> Self {
        Self {
            disk_mb: self.disk_mb.saturating_sub(other.disk_mb),
            bandwidth_mb_per_month: self.bandwidth_mb_per_month.saturating_sub(other.bandwidth_mb_per_month),
            ..self
        }
    }

    /// For the tenant and every one above it.
    fn count(&self, ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
        if self.accounts != 0 {
            ctx.run(
                "UPDATE tenant_accounts SET accounts = accounts + ?2
                 WHERE tenant_id IN (SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ?1)",
                (tenant.to_bytes(), self.accounts),
            )?;
        }
        ctx.run(
            "UPDATE tenant_usage SET disk_mb = disk_mb + ?2, bandwidth_mb_per_month = bandwidth_mb_per_month + ?3,
                 domains = domains + ?4, databases = databases + ?5
             WHERE tenant_id IN (SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ?1)",
            (tenant.to_bytes(), self.disk_mb, self.bandwidth_mb_per_month, self.domains, self.databases),
        )?;
        Ok(())
    }
}

/// Begins to count for a new tenant.
pub(super) fn begin(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    ctx.run("INSERT INTO tenant_accounts (tenant_id, accounts) VALUES (?1, 0)", [tenant.to_bytes()])?;
    ctx.run(
        "INSERT INTO tenant_usage (tenant_id, disk_mb, bandwidth_mb_per_month, domains, databases)
         VALUES (?1, 0, 0, 0, 0)",
        [tenant.to_bytes()],
    )?;
    Ok(())
}

/// A tenant that has nothing goes.
pub(super) fn end(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    ctx.run("DELETE FROM tenant_accounts WHERE tenant_id = ?1", [tenant.to_bytes()])?;
    ctx.run("DELETE FROM tenant_usage WHERE tenant_id = ?1", [tenant.to_bytes()])?;
    Ok(())
}

/// Counts an account that comes, if the limits of its tenant and of those above it let it.
pub(super) fn add_account(ctx: &Context<'_>, tenant: TenantId, plan: PlanId, share: &Share) -> Rule<()> {
    require_room_for_account(ctx, tenant)?;
    require_room_for_share(ctx, tenant, share, share)?;
    Delta { accounts: 1, ..Delta::shares(share, 1) }.count(ctx, tenant)?;
    count_with_plan(ctx, tenant, plan, 1)
}

/// Counts an account that is going.
pub(super) fn remove_account(ctx: &Context<'_>, tenant: TenantId, plan: PlanId, share: &Share) -> Rule<()> {
    Delta { accounts: -1, ..Delta::shares(share, -1) }.count(ctx, tenant)?;
    count_with_plan(ctx, tenant, plan, -1)
}

/// An account gets another plan. Where that promises more, there must be room for it.
pub(super) fn change_plan(
    ctx: &Context<'_>,
    tenant: TenantId,
    (from, old): (PlanId, &Share),
    (to, new): (PlanId, &Share),
) -> Rule<()> {
    require_room_for_share(ctx, tenant, &more(old, new), new)?;
    Delta::shares(new, 1).minus(&Delta::shares(old, 1)).count(ctx, tenant)?;
    count_with_plan(ctx, tenant, from, -1)?;
    count_with_plan(ctx, tenant, to, 1)
}

/// What of `new` is not in `old`.
fn more(old: &Share, new: &Share) -> Share {
    let bandwidth = match (old.bandwidth_mb_per_month, new.bandwidth_mb_per_month) {
        (Some(_), None) => None,
        (None, None) => Some(0),
        (old, Some(new)) => Some(new.saturating_sub(old.unwrap_or(0))),
    };
    Share { disk_mb: new.disk_mb.saturating_sub(old.disk_mb), bandwidth_mb_per_month: bandwidth }
}

/// A plan promises something else to all that have it: to all of them, or, if a tenant's limit is in the way, to none.
pub(super) fn resize_plan(ctx: &Context<'_>, plan: PlanId, old: &Share, new: &Share) -> Rule<()> {
    let tenants = ctx.all(
        "SELECT tenant_id, accounts FROM plan_accounts WHERE plan_id = ?1 ORDER BY tenant_id",
        [plan.to_bytes()],
        |row| Ok((tenant_id(row, 0)?, row.get::<_, i64>(1)?)),
    )?;
    let more = more(old, new);
    for (tenant, accounts) in &tenants {
        // Each with what those before it have taken.
        let times = |amount: u64| amount.saturating_mul(u64::try_from(*accounts).unwrap_or(0));
        let all = Share {
            disk_mb: times(more.disk_mb),
            bandwidth_mb_per_month: more.bandwidth_mb_per_month.map(times),
        };
        require_room_for_share(ctx, *tenant, &all, new)?;
        Delta::shares(new, *accounts).minus(&Delta::shares(old, *accounts)).count(ctx, *tenant)?;
    }
    Ok(())
}

fn count_with_plan(ctx: &Context<'_>, tenant: TenantId, plan: PlanId, more: i64) -> Rule<()> {
    ctx.run(
        "INSERT INTO plan_accounts (plan_id, tenant_id, accounts) VALUES (?1, ?2, ?3)
         ON CONFLICT (plan_id, tenant_id) DO UPDATE SET accounts = accounts + ?3",
        (plan.to_bytes(), tenant.to_bytes(), more),
    )?;
    if more < 0 {
        ctx.run(
            "DELETE FROM plan_accounts WHERE plan_id = ?1 AND tenant_id = ?2 AND accounts = 0",
            (plan.to_bytes(), tenant.to_bytes()),
        )?;
    }
    Ok(())
}

/// Counts a domain or database that comes, if the limits of its tenant and of those above it let it.
pub(super) fn add(ctx: &Context<'_>, tenant: TenantId, what: Counted) -> Rule<()> {
    require_room_for(ctx, tenant, what)?;
    one(what, 1).count(ctx, tenant)
}

/// Counts one that is going.
pub(super) fn remove(ctx: &Context<'_>, tenant: TenantId, what: Counted) -> Rule<()> {
    one(what, -1).count(ctx, tenant)
}

fn one(what: Counted, more: i64) -> Delta {
    match what {
        Counted::Domain => Delta { domains: more, ..Delta::default() },
        Counted::Database => Delta { databases: more, ..Delta::default() },
    }
}

fn require_room_for_account(ctx: &Context<'_>, tenant: TenantId) -> Rule<()> {
    let full = ctx.find(
        "SELECT t.name, t.account_limit, n.accounts
         FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id JOIN tenant_accounts n ON n.tenant_id = t.id
         WHERE up.tenant_id = ?1 AND t.account_limit <= n.accounts ORDER BY t.id LIMIT 1",
        [tenant.to_bytes()],
        full,
    )?;
    full_of("accounts", full)
}

fn require_room_for(ctx: &Context<'_>, tenant: TenantId, what: Counted) -> Rule<()> {
    let (words, select) = match what {
        Counted::Domain => (
            "domains",
            "SELECT t.name, t.domain_limit, n.domains
             FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id JOIN tenant_usage n ON n.tenant_id = t.id
             WHERE up.tenant_id = ?1 AND t.domain_limit <= n.domains ORDER BY t.id LIMIT 1",
        ),
        Counted::Database => (
            "databases",
            "SELECT t.name, t.database_limit, n.databases
             FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id JOIN tenant_usage n ON n.tenant_id = t.id
             WHERE up.tenant_id = ?1 AND t.database_limit <= n.databases ORDER BY t.id LIMIT 1",
        ),
    };
    full_of(words, ctx.find(select, [tenant.to_bytes()], full)?)
}

type Full = (String, u64, u64);

fn full(row: &rusqlite::Row<'_>) -> rusqlite::Result<Full> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn full_of(what: &str, full: Option<Full>) -> Rule<()> {
    let Some((name, limit, used)) = full else { return Ok(()) };
    let message = format!("the tenant {name} may have {limit} {what} (it has {used})");
    Err(Refusal::new(RefusalCode::LimitReached, "/tenant_id", message).into())
}

/// Refuses what would promise more than a tenant may, unless that one may oversell: then what is used counts, not what is
/// promised. `whole` is what one account is promised then: one without bandwidth's limit is more than any.
fn require_room_for_share(ctx: &Context<'_>, tenant: TenantId, more: &Share, whole: &Share) -> Rule<()> {
    let found = ctx.find(
        "SELECT t.name, t.disk_limit_mb, n.disk_mb, t.bandwidth_limit_mb_per_month, n.bandwidth_mb_per_month,
             ?2 > 0 AND n.disk_mb + ?2 > t.disk_limit_mb AS beyond
         FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id JOIN tenant_usage n ON n.tenant_id = t.id
         WHERE up.tenant_id = ?1 AND t.may_oversell = 0 AND (beyond
             OR iif(?3 IS NULL, t.bandwidth_limit_mb_per_month IS NOT NULL,
                 ?3 > 0 AND n.bandwidth_mb_per_month + ?3 > t.bandwidth_limit_mb_per_month))
         ORDER BY t.id LIMIT 1",
        (tenant.to_bytes(), more.disk_mb, more.bandwidth_mb_per_month),
        |row| {
            let limits = (row.get::<_, Option<u64>>(1)?, row.get::<_, Option<u64>>(3)?);
            let used = (row.get::<_, u64>(2)?, row.get::<_, u64>(4)?);
            let is_disk = row.get::<_, Option<bool>>(5)? == Some(true);
            Ok((row.get::<_, String>(0)?, limits, used, is_disk))
        },
    )?;
    let Some((name, limits, used, is_disk)) = found else { return Ok(()) };
    let asked = match (is_disk, whole.bandwidth_mb_per_month, more.bandwidth_mb_per_month) {
        (true, _, _) => format!("{} more are asked for", more.disk_mb),
        (false, None, _) => "the plan's accounts have no limit of it".to_owned(),
        (false, Some(_), asked) => format!("{} more are asked for", asked.unwrap_or(0)),
    };
    let (limit, used, what) = match is_disk {
        true => (limits.0, used.0, "disk space"),
        false => (limits.1, used.1, "bandwidth a month"),
    };
    let limit = Limit::from(limit);
    let message =
        format!("the tenant {name} may promise {limit} MB of {what} (it has promised {used}, and {asked})");
    Err(Refusal::new(RefusalCode::LimitReached, "/tenant_id", message).into())
}

/// What the tenant has more of than it may, in words. It keeps it.
pub(super) fn beyond(ctx: &Context<'_>, tenant: TenantId) -> Rule<Vec<String>> {
    let found = ctx.find(
        "SELECT t.account_limit, a.accounts, t.domain_limit, n.domains, t.database_limit, n.databases,
             iif(t.may_oversell, NULL, t.disk_limit_mb), n.disk_mb,
             iif(t.may_oversell, NULL, t.bandwidth_limit_mb_per_month), n.bandwidth_mb_per_month
         FROM tenants t JOIN tenant_accounts a ON a.tenant_id = t.id JOIN tenant_usage n ON n.tenant_id = t.id
         WHERE t.id = ?1",
        [tenant.to_bytes()],
        |row| {
            let pair = |at: usize| Ok((row.get::<_, Option<u64>>(at)?, row.get::<_, u64>(at + 1)?));
            (0..10).step_by(2).map(pair).collect::<rusqlite::Result<Vec<_>>>()
        },
    )?;
    let words = ["accounts", "domains", "databases", "MB of promised disk space", "MB of promised bandwidth"];
    let said = |(what, (limit, used)): (&str, (Option<u64>, u64))| {
        let limit = Limit::from(limit);
        (!limit.allows(used, 0))
            .then(|| format!("the tenant has {used} {what} and keeps them (it would be allowed {limit})"))
    };
    Ok(words.into_iter().zip(found.unwrap_or_default()).filter_map(said).collect())
}
