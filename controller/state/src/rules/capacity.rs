//! What nodes are promised to hold. Assignments are written here and nowhere else, together with the sums of what they
//! reserve, so that both are always the same; and whether one more fits is decided here, where nothing races.
//!
//! An account reserves its plan's share once on every node that carries a part of it, from the moment it is made until
//! its last node has removed its last data: after the retention time of its deletion.

use npanel_model::{
    AccountId, Amounts, AntiAffinity, Megabytes, NodeId, NodeRole, Overselling, Part, PlanId, TenantId,
    ZoneId,
};

use super::fitness::{self, Allowed, MOST_NAMED, no_node, require_allowed, require_alone, require_open};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, typed, wire_text},
};

/// What an account is promised, and where it may be.
pub(super) struct Promised {
    pub(super) share: Amounts,
    pub(super) overselling: Overselling,
    pub(super) anti_affinity: AntiAffinity,
    pub(super) allowed: Allowed,
}

/// A part of an account on its way to a node.
pub(super) struct PlacedPart<'a> {
    pub(super) assignment: &'a [u8],
    pub(super) account: AccountId,
    pub(super) tenant: TenantId,
    pub(super) part: Part,
    pub(super) node: NodeId,
}

/// Whether promises to the tenant may go beyond what is there: it and everyone between it and the platform may.
pub(super) fn overselling(ctx: &Context<'_>, tenant: TenantId) -> Rule<Overselling> {
    let forbidden = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id
                        WHERE up.tenant_id = ?1 AND t.may_oversell = 0)",
        [tenant.to_bytes()],
    )?;
    Ok(if forbidden == 1 { Overselling::Forbidden } else { Overselling::Allowed })
}

/// Puts a part of an account on a node, if the node is still fit for it.
pub(super) fn assign(ctx: &Context<'_>, part: &PlacedPart<'_>, promised: &Promised) -> Rule<()> {
    let node = fitness::load(ctx, part.node)?;
    require_open(&node, part.part.role())?;
    require_allowed(&node, &promised.allowed)?;
    // The sign keeps the planner from the index of the node, where as many rows are as it has accounts.
    let here = ctx.count(
        "SELECT coalesce(sum(accounts), 0) FROM assignments WHERE account_id = ?1 AND +node_id = ?2",
        (part.account.to_bytes(), part.node.to_bytes()),
    )?;
    let share = if here > 0 { Amounts::default() } else { promised.share };
    if share.accounts > 0 && promised.anti_affinity == AntiAffinity::Required {
        require_alone(ctx, part.tenant, part.node, &node)?;
    }
    if let Some(shortage) = node.limits.shortage(&node.reserved, &share, promised.overselling) {
        return Err(no_node(format!("the node {} {shortage}", node.name)).into());
    }
    ctx.run(
        "INSERT INTO assignments (id, tenant_id, account_id, part, node_id, state, epoch, accounts, disk_mb, memory_mb)
         VALUES (?1, ?2, ?3, ?4, ?5, 'active', 1, ?6, ?7, ?8)",
        (
            part.assignment,
            part.tenant.to_bytes(),
            part.account.to_bytes(),
            part.part.as_str(),
            part.node.to_bytes(),
            share.accounts,
            share.disk.0,
            share.memory.0,
        ),
    )?;
    add(ctx, part.node, part.tenant, Some(part.part), &share)
}

/// Gives an account's share another size on every node that carries it, if it fits there.
pub(super) fn resize(ctx: &Context<'_>, account: AccountId, promised: &Promised) -> Rule<()> {
    for held in held(ctx, &account.to_bytes())?.into_iter().filter(|held| held.share.accounts > 0) {
        let share = Amounts { accounts: held.share.accounts, ..promised.share };
        if let Some(full) = grown_too_large(ctx, held.node, &held.share, &share, promised.overselling)? {
            return Err(Refusal::new(RefusalCode::NodeFull, "", full).into());
        }
        ctx.run(
            "UPDATE assignments SET disk_mb = ?2, memory_mb = ?3 WHERE id = ?1",
            (&held.assignment, share.disk.0, share.memory.0),
        )?;
        subtract(ctx, &held, None, &held.share)?;
        add(ctx, held.node, held.tenant, None, &share)?;
    }
    Ok(())
}

/// Why a node that is promised `old` cannot be promised `new` in its place, in words. What gets no larger always fits.
fn grown_too_large(
    ctx: &Context<'_>,
    id: NodeId,
    old: &Amounts,
    new: &Amounts,
    overselling: Overselling,
) -> Rule<Option<String>> {
    let node = fitness::load(ctx, id)?;
    let mut others = node.reserved;
    others -= *old;
    let grows = |new: Megabytes, old: Megabytes| if new > old { new } else { Megabytes(0) };
    let more =
        Amounts { accounts: 0, disk: grows(new.disk, old.disk), memory: grows(new.memory, old.memory) };
    let shortage = node.limits.shortage(&others, &more, overselling);
    Ok(shortage.map(|shortage| format!("the node {} {shortage}", node.name)))
}

/// What a node holds of the accounts with one plan.
struct OfPlan {
    node: NodeId,
    share: Amounts,
    overselling: Overselling,
}

/// Gives every account with the plan a share of another size: all of them or none. A node is looked at once, however
/// many of the accounts it has, and as the strictest of their tenants must have it.
pub(super) fn resize_all(ctx: &Context<'_>, plan: PlanId, share: &Amounts) -> Rule<()> {
    let nodes = of_plan(ctx, plan)?;
    let of_node = |node: &OfPlan| Amounts {
        accounts: node.share.accounts,
        disk: Megabytes(share.disk.0.saturating_mul(node.share.accounts)),
        memory: Megabytes(share.memory.0.saturating_mul(node.share.accounts)),
    };
    let mut full = Vec::new();
    for node in &nodes {
        full.extend(grown_too_large(ctx, node.node, &node.share, &of_node(node), node.overselling)?);
    }
    if !full.is_empty() {
        let named = usize::try_from(MOST_NAMED).unwrap_or(usize::MAX);
        let more = full.len().saturating_sub(named);
        full.truncate(named);
        let more = if more > 0 { format!("; and {more} more nodes") } else { String::new() };
        let message = format!("the plan's accounts do not fit where they are: {}{more}", full.join("; "));
        return Err(Refusal::new(RefusalCode::NodeFull, "", message).into());
    }
    ctx.run(
        "UPDATE assignments SET disk_mb = ?2, memory_mb = ?3 WHERE accounts > 0 AND account_id IN
             (SELECT id FROM accounts WHERE plan_id = ?1 AND deleted_millis IS NULL)",
        (plan.to_bytes(), share.disk.0, share.memory.0),
    )?;
    for node in &nodes {
        let new = of_node(node);
        ctx.run(
            "UPDATE node_capacity SET changed_index = ?2, disk_mb = disk_mb - ?3 + ?4, memory_mb = memory_mb - ?5 + ?6
             WHERE node_id = ?1",
            (
                node.node.to_bytes(),
                ctx.index,
                node.share.disk.0,
                new.disk.0,
                node.share.memory.0,
                new.memory.0,
            ),
        )?;
    }
    Ok(())
}

fn of_plan(ctx: &Context<'_>, plan: PlanId) -> Rule<Vec<OfPlan>> {
    ctx.all(
        "SELECT s.node_id, count(*), sum(s.disk_mb), sum(s.memory_mb),
                max(EXISTS (SELECT 1 FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id
                            WHERE up.tenant_id = s.tenant_id AND t.may_oversell = 0))
         FROM accounts a JOIN assignments s ON s.account_id = a.id AND s.accounts > 0
         WHERE a.plan_id = ?1 AND a.deleted_millis IS NULL GROUP BY s.node_id ORDER BY s.node_id",
        [plan.to_bytes()],
        |row| {
            Ok(OfPlan {
                node: typed(row, 0, NodeId::from_bytes)?,
                share: Amounts {
                    accounts: row.get(1)?,
                    disk: Megabytes(row.get(2)?),
                    memory: Megabytes(row.get(3)?),
                },
                overselling: if row.get(4)? { Overselling::Forbidden } else { Overselling::Allowed },
            })
        },
    )
}

/// Takes an account off its nodes and gives back what it reserved.
pub(super) fn release(ctx: &Context<'_>, account: &[u8]) -> Rule<()> {
    for held in held(ctx, account)? {
        ctx.run("DELETE FROM assignments WHERE id = ?1", [&held.assignment])?;
        subtract(ctx, &held, Some(held.part.as_str()), &held.share)?;
    }
    Ok(())
}

/// An account that is off a node.
pub(super) struct Released {
    pub(super) account: Vec<u8>,
    /// Which parts of it the node carried.
    pub(super) parts: Vec<Part>,
}

/// Takes the accounts off a node, so many at most.
pub(super) fn release_accounts_of(ctx: &Context<'_>, node: NodeId, most: u32) -> Rule<Vec<Released>> {
    let accounts = ctx.all(
        "SELECT DISTINCT account_id FROM assignments WHERE node_id = ?1 ORDER BY account_id LIMIT ?2",
        (node.to_bytes(), most),
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    let release = |account: Vec<u8>| {
        let mut parts = Vec::new();
        for held in held(ctx, &account)?.into_iter().filter(|held| held.node == node) {
            ctx.run("DELETE FROM assignments WHERE id = ?1", [&held.assignment])?;
            subtract(ctx, &held, Some(held.part.as_str()), &held.share)?;
            parts.push(wire_text(&held.part, "")?);
        }
        Ok(Released { account, parts })
    };
    accounts.into_iter().map(release).collect()
}

/// Takes the zones off a node, so many at most. Returns which these were.
pub(super) fn release_zones_of(ctx: &Context<'_>, node: NodeId, most: u32) -> Rule<Vec<Vec<u8>>> {
    let zones = ctx.all(
        "SELECT zone_id FROM zone_assignments WHERE node_id = ?1 ORDER BY zone_id LIMIT ?2",
        (node.to_bytes(), most),
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    for zone in &zones {
        ctx.run("DELETE FROM zone_assignments WHERE node_id = ?1 AND zone_id = ?2", (node.to_bytes(), zone))?;
        count_zone(ctx, &node.to_bytes(), -1)?;
    }
    Ok(zones)
}

/// How many there are of what was asked for with a limit.
pub(super) fn batch_size<T>(batch: &[T]) -> u32 {
    u32::try_from(batch.len()).unwrap_or(u32::MAX)
}

/// Has a node answer for a zone, if it is still fit for it.
pub(super) fn assign_zone(
    ctx: &Context<'_>,
    assignment: &[u8],
    tenant: TenantId,
    zone: ZoneId,
    node: NodeId,
) -> Rule<()> {
    require_open(&fitness::load(ctx, node)?, NodeRole::Dns)?;
    ctx.run(
        "INSERT INTO zone_assignments (id, tenant_id, zone_id, node_id, state, epoch)
         VALUES (?1, ?2, ?3, ?4, 'active', 1)",
        (assignment, tenant.to_bytes(), zone.to_bytes(), node.to_bytes()),
    )?;
    count_zone(ctx, &node.to_bytes(), 1)
}

/// Takes a zone off its nodes.
pub(super) fn release_zone(ctx: &Context<'_>, zone: &[u8]) -> Rule<()> {
    let nodes =
        ctx.all("DELETE FROM zone_assignments WHERE zone_id = ?1 RETURNING node_id", [zone], |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
    nodes.iter().try_for_each(|node| count_zone(ctx, node, -1))
}

/// To be called by whoever changes a node: placement follows what is newer than it knows.
pub(super) fn touch(ctx: &Context<'_>, node: NodeId) -> Rule<()> {
    ctx.run(
        "INSERT INTO node_capacity (node_id, changed_index, web, database, zones, accounts, disk_mb, memory_mb)
         VALUES (?1, ?2, 0, 0, 0, 0, 0, 0) ON CONFLICT (node_id) DO UPDATE SET changed_index = ?2",
        (node.to_bytes(), ctx.index),
    )?;
    Ok(())
}

fn count_zone(ctx: &Context<'_>, node: &[u8], more: i64) -> Rule<()> {
    ctx.run(
        "UPDATE node_capacity SET changed_index = ?2, zones = zones + ?3 WHERE node_id = ?1",
        (node, ctx.index, more),
    )?;
    Ok(())
}

fn add(ctx: &Context<'_>, node: NodeId, tenant: TenantId, part: Option<Part>, share: &Amounts) -> Rule<()> {
    let is = |wanted: Part| i64::from(part == Some(wanted));
    ctx.run(
        "UPDATE node_capacity SET changed_index = ?2, web = web + ?3, database = database + ?4,
             accounts = accounts + ?5, disk_mb = disk_mb + ?6, memory_mb = memory_mb + ?7
         WHERE node_id = ?1",
        (
            node.to_bytes(),
            ctx.index,
            is(Part::Web),
            is(Part::Database),
            share.accounts,
            share.disk.0,
            share.memory.0,
        ),
    )?;
    if share.accounts > 0 {
        ctx.run(
            "INSERT INTO node_tenants (tenant_id, node_id, accounts) VALUES (?1, ?2, ?3)
             ON CONFLICT (tenant_id, node_id) DO UPDATE SET accounts = accounts + ?3",
            (tenant.to_bytes(), node.to_bytes(), share.accounts),
        )?;
    }
    Ok(())
}

fn subtract(ctx: &Context<'_>, held: &Held, part: Option<&str>, share: &Amounts) -> Rule<()> {
    let is = |wanted: Part| i64::from(part == Some(wanted.as_str()));
    ctx.run(
        "UPDATE node_capacity SET changed_index = ?2, web = web - ?3, database = database - ?4,
             accounts = accounts - ?5, disk_mb = disk_mb - ?6, memory_mb = memory_mb - ?7
         WHERE node_id = ?1",
        (
            held.node.to_bytes(),
            ctx.index,
            is(Part::Web),
            is(Part::Database),
            share.accounts,
            share.disk.0,
            share.memory.0,
        ),
    )?;
    if share.accounts > 0 {
        let whose = (held.tenant.to_bytes(), held.node.to_bytes(), share.accounts);
        ctx.run(
            "UPDATE node_tenants SET accounts = accounts - ?3 WHERE tenant_id = ?1 AND node_id = ?2",
            whose,
        )?;
        ctx.run(
            "DELETE FROM node_tenants WHERE tenant_id = ?1 AND node_id = ?2 AND accounts = 0",
            (held.tenant.to_bytes(), held.node.to_bytes()),
        )?;
    }
    Ok(())
}

struct Held {
    assignment: Vec<u8>,
    tenant: TenantId,
    node: NodeId,
    part: String,
    share: Amounts,
}

fn held(ctx: &Context<'_>, account: &[u8]) -> Rule<Vec<Held>> {
    ctx.all(
        "SELECT id, tenant_id, node_id, part, accounts, disk_mb, memory_mb FROM assignments WHERE account_id = ?1
         ORDER BY id",
        [account],
        |row| {
            Ok(Held {
                assignment: row.get(0)?,
                tenant: crate::context::tenant_id(row, 1)?,
                node: typed(row, 2, NodeId::from_bytes)?,
                part: row.get(3)?,
                share: Amounts {
                    accounts: row.get(4)?,
                    disk: Megabytes(row.get(5)?),
                    memory: Megabytes(row.get(6)?),
                },
            })
        },
    )
}
