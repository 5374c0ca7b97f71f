//! What nodes are promised to hold. Assignments are written here and nowhere else, together with the sums of what they
//! reserve, so that both are always the same; and whether one more fits is decided here, where nothing races.
//!
//! An account reserves its plan's share once on every node that carries a part of it, from the moment it is made until
//! its last node has removed its last data: after the retention time of its deletion.

use npanel_model::{
    AccountId, Amounts, AntiAffinity, AvailabilityZone, Limit, Megabytes, NodeId, NodeLabel, NodeLimits,
    NodeRole, Overcommit, Overselling, Part, PoolName, TenantId, ZoneId,
};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, texts, typed},
};

/// What an account is promised, and where it may be.
pub(super) struct Terms {
    pub(super) share: Amounts,
    pub(super) overselling: Overselling,
    pub(super) anti_affinity: AntiAffinity,
    pub(super) allowed: Allowed,
}

/// Which nodes an account may be on.
#[derive(Default)]
pub(super) struct Allowed {
    /// Every one of them, if there are several.
    pub(super) pools: Vec<PoolName>,
    pub(super) labels: Vec<NodeLabel>,
    pub(super) availability_zone: Option<AvailabilityZone>,
}

/// A part of an account on its way to a node.
pub(super) struct PlacedPart<'a> {
    pub(super) assignment: &'a [u8],
    pub(super) account: AccountId,
    pub(super) tenant: TenantId,
    pub(super) part: Part,
    pub(super) node: NodeId,
}

struct NodeRow {
    name: String,
    roles: Vec<String>,
    missing: Vec<(String, String)>,
    pool: String,
    labels: Vec<String>,
    zone: String,
    schedulable: bool,
    limits: NodeLimits,
    reserved: Amounts,
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
pub(super) fn assign(ctx: &Context<'_>, part: &PlacedPart<'_>, terms: &Terms) -> Rule<()> {
    let node = load(ctx, part.node)?;
    require_open(&node, part.part.role())?;
    require_allowed(&node, &terms.allowed)?;
    let here = ctx.count(
        "SELECT coalesce(sum(accounts), 0) FROM assignments WHERE account_id = ?1 AND node_id = ?2",
        (part.account.to_bytes(), part.node.to_bytes()),
    )?;
    let share = if here > 0 { Amounts::default() } else { terms.share };
    if share.accounts > 0 && terms.anti_affinity == AntiAffinity::Required {
        require_alone(ctx, part, &node)?;
    }
    if let Some(shortage) = node.limits.shortage(&node.reserved, &share, terms.overselling) {
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
pub(super) fn resize(ctx: &Context<'_>, account: AccountId, terms: &Terms) -> Rule<()> {
    for held in held(ctx, &account.to_bytes())?.into_iter().filter(|held| held.share.accounts > 0) {
        let node = load(ctx, held.node)?;
        let mut reserved = node.reserved;
        reserved -= held.share;
        // What gets no larger always fits.
        let grows = |new: Megabytes, old: Megabytes| if new > old { new } else { Megabytes(0) };
        let more = Amounts {
            accounts: 0,
            disk: grows(terms.share.disk, held.share.disk),
            memory: grows(terms.share.memory, held.share.memory),
        };
        if let Some(shortage) = node.limits.shortage(&reserved, &more, terms.overselling) {
            let message = format!("the node {} {shortage}", node.name);
            return Err(Refusal::new(RefusalCode::NodeFull, "", message).into());
        }
        ctx.run(
            "UPDATE assignments SET disk_mb = ?2, memory_mb = ?3 WHERE id = ?1",
            (&held.assignment, terms.share.disk.0, terms.share.memory.0),
        )?;
        subtract(ctx, &held, None, &held.share)?;
        let share = Amounts { accounts: held.share.accounts, ..terms.share };
        add(ctx, held.node, held.tenant, None, &share)?;
    }
    Ok(())
}

/// Takes an account off its nodes and gives back what it reserved.
pub(super) fn release(ctx: &Context<'_>, account: &[u8]) -> Rule<()> {
    for held in held(ctx, account)? {
        ctx.run("DELETE FROM assignments WHERE id = ?1", [&held.assignment])?;
        subtract(ctx, &held, Some(held.part.as_str()), &held.share)?;
    }
    Ok(())
}

/// Has a node answer for a zone, if it is still fit for it.
pub(super) fn assign_zone(
    ctx: &Context<'_>,
    assignment: &[u8],
    tenant: TenantId,
    zone: ZoneId,
    node: NodeId,
) -> Rule<()> {
    require_open(&load(ctx, node)?, NodeRole::Dns)?;
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

fn load(ctx: &Context<'_>, id: NodeId) -> Rule<NodeRow> {
    let found = ctx.find(
        "SELECT n.name, n.roles, n.missing, n.pool, n.labels, n.own_labels,
                CASE n.availability_zone WHEN '' THEN n.own_availability_zone ELSE n.availability_zone END,
                n.schedulable, n.account_slots, n.disk_mb, n.disk_overcommit_percent, n.memory_mb,
                n.memory_overcommit_percent, c.accounts, c.disk_mb, c.memory_mb
         FROM nodes n JOIN node_capacity c ON c.node_id = n.id WHERE n.id = ?1",
        [id.to_bytes()],
        |row| {
            let list = |column| row.get::<_, String>(column).map(|json| texts(&json));
            let overcommit = |column| {
                row.get::<_, u64>(column).map(|percent| Overcommit::try_from(percent).unwrap_or_default())
            };
            // An operator's word takes the place of the node's own about the same thing.
            let mut labels = list(4)?;
            let key = |label: &str| label.split_once('=').map(|(key, _)| key.to_owned());
            let said: Vec<_> = labels.iter().map(|label| key(label)).collect();
            labels.extend(list(5)?.into_iter().filter(|own| !said.contains(&key(own))));
            Ok(NodeRow {
                name: row.get(0)?,
                roles: list(1)?,
                missing: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                pool: row.get(3)?,
                labels,
                zone: row.get(6)?,
                schedulable: row.get(7)?,
                limits: NodeLimits {
                    accounts: Limit::from(row.get::<_, Option<u64>>(8)?),
                    disk: Megabytes(row.get(9)?),
                    disk_overcommit: overcommit(10)?,
                    memory: Megabytes(row.get(11)?),
                    memory_overcommit: overcommit(12)?,
                },
                reserved: Amounts {
                    accounts: row.get(13)?,
                    disk: Megabytes(row.get(14)?),
                    memory: Megabytes(row.get(15)?),
                },
            })
        },
    )?;
    found.ok_or_else(|| no_node(format!("the node {id} is no longer in the fleet")).into())
}

fn no_node(message: String) -> Refusal {
    Refusal::new(RefusalCode::NoNode, "", message)
}

fn require_open(node: &NodeRow, role: NodeRole) -> Rule<()> {
    let name = &node.name;
    if !node.roles.iter().any(|has| has == role.as_str()) {
        return Err(no_node(format!("the node {name} does not have the role {role}")).into());
    }
    if let Some((_, reason)) = node.missing.iter().find(|(missing, _)| missing == role.as_str()) {
        return Err(no_node(format!("the node {name} cannot fill the role {role} ({reason})")).into());
    }
    if !node.schedulable {
        return Err(no_node(format!("the node {name} is cordoned: it gets nothing new")).into());
    }
    Ok(())
}

fn require_allowed(node: &NodeRow, allowed: &Allowed) -> Rule<()> {
    let name = &node.name;
    if let Some(pool) = allowed.pools.iter().find(|pool| pool.as_str() != node.pool) {
        return Err(
            no_node(format!("the node {name} is not in the pool {pool} (is in {})", node.pool)).into()
        );
    }
    if let Some(label) =
        allowed.labels.iter().find(|label| !node.labels.iter().any(|has| has == label.as_str()))
    {
        return Err(no_node(format!("the node {name} does not have the label {label}")).into());
    }
    match &allowed.availability_zone {
        Some(zone) if zone.as_str() != node.zone => {
            Err(no_node(format!("the node {name} is not in the availability zone {zone}")).into())
        }
        _ => Ok(()),
    }
}

fn require_alone(ctx: &Context<'_>, part: &PlacedPart<'_>, node: &NodeRow) -> Rule<()> {
    let others = ctx.count(
        "SELECT coalesce(max(accounts), 0) FROM node_tenants WHERE tenant_id = ?1 AND node_id = ?2",
        (part.tenant.to_bytes(), part.node.to_bytes()),
    )?;
    if others == 0 {
        return Ok(());
    }
    let message = format!(
        "the node {} has {others} of the tenant's accounts, and the plan keeps them apart",
        node.name
    );
    Err(no_node(message).into())
}
