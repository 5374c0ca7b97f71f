//! Whether a node is what is asked for: its roles, its pool, its labels, who else is on it.

use npanel_model::{
    AccountId, Amounts, AvailabilityZone, Limit, Megabytes, NodeId, NodeLabel, NodeLimits, NodeRole,
    Overcommit, PlanId, PoolName, TenantId, contradiction,
};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, texts, wire_text},
};

/// Which nodes an account may be on.
#[derive(Default)]
pub(super) struct Allowed {
    /// Every one of them, if there are several.
    pub(super) pools: Vec<PoolName>,
    pub(super) labels: Vec<NodeLabel>,
    pub(super) availability_zone: Option<AvailabilityZone>,
}

/// Labels that a node can have all at once.
pub(super) fn labels(texts: &[String], field: &'static str) -> Rule<Vec<NodeLabel>> {
    let labels: Vec<NodeLabel> = texts.iter().map(|label| wire_text(label, field)).collect::<Rule<_>>()?;
    match contradiction(&labels) {
        None => Ok(labels),
        Some((one, other)) => {
            let message = format!("no node can have both labels: {one} and {other}");
            Err(Refusal::new(RefusalCode::Invalid, field, message).into())
        }
    }
}

/// A node, as far as it matters to what is put there.
pub(super) struct NodeRow {
    pub(super) name: String,
    roles: Vec<String>,
    missing: Vec<(String, String)>,
    pool: String,
    labels: Vec<String>,
    zone: String,
    schedulable: bool,
    pub(super) limits: NodeLimits,
    pub(super) reserved: Amounts,
}

pub(super) fn load(ctx: &Context<'_>, id: NodeId) -> Rule<NodeRow> {
    let found = ctx.find(
        "SELECT n.name, n.roles, n.missing, n.pool, n.all_labels,
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
            Ok(NodeRow {
                name: row.get(0)?,
                roles: list(1)?,
                missing: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                pool: row.get(3)?,
                labels: list(4)?,
                zone: row.get(5)?,
                schedulable: row.get(6)?,
                limits: NodeLimits {
                    accounts: Limit::from(row.get::<_, Option<u64>>(7)?),
                    disk: Megabytes(row.get(8)?),
                    disk_overcommit: overcommit(9)?,
                    memory: Megabytes(row.get(10)?),
                    memory_overcommit: overcommit(11)?,
                },
                reserved: Amounts {
                    accounts: row.get(12)?,
                    disk: Megabytes(row.get(13)?),
                    memory: Megabytes(row.get(14)?),
                },
            })
        },
    )?;
    found.ok_or_else(|| no_node(format!("the node {id} is no longer in the fleet")).into())
}

pub(super) fn no_node(message: String) -> Refusal {
    Refusal::new(RefusalCode::NoNode, "", message)
}

pub(super) fn require_open(node: &NodeRow, role: NodeRole) -> Rule<()> {
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

pub(super) fn require_allowed(node: &NodeRow, allowed: &Allowed) -> Rule<()> {
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

/// Refuses a node that has accounts of the tenant already.
pub(super) fn require_alone(ctx: &Context<'_>, tenant: TenantId, id: NodeId, node: &NodeRow) -> Rule<()> {
    let others = ctx.count(
        "SELECT coalesce(max(accounts), 0) FROM node_tenants WHERE tenant_id = ?1 AND node_id = ?2",
        (tenant.to_bytes(), id.to_bytes()),
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

/// Something of its plan's placement that a node of an account does not fulfil.
pub(super) struct Unmet {
    node: Vec<u8>,
    name: String,
    term: String,
    wanted: String,
    has: String,
}

impl Unmet {
    fn is_same(&self, other: &Self) -> bool {
        self.node == other.node && self.term == other.term && self.wanted == other.wanted
    }

    /// What follows "the node".
    fn words(&self) -> String {
        let Self { name, wanted, has, .. } = self;
        match self.term.as_str() {
            "pool" => format!("{name} is not in the pool {wanted} (is in {has})"),
            "label" => format!("{name} does not have the label {wanted}"),
            _ => format!("{name} has {has} of the tenant's accounts, and the plan keeps them apart"),
        }
    }
}

/// What the account's nodes do not fulfil of what its plan asks for now.
pub(super) fn unmet(ctx: &Context<'_>, account: AccountId) -> Rule<Vec<Unmet>> {
    ctx.all(
        "SELECT node_id, node_name, term, wanted, has FROM unmet WHERE account_id = ?1 ORDER BY 1, 3, 4",
        [account.to_bytes()],
        |row| {
            Ok(Unmet {
                node: row.get(0)?,
                name: row.get(1)?,
                term: row.get(2)?,
                wanted: row.get(3)?,
                has: row.get(4)?,
            })
        },
    )
}

/// Refuses a plan that asks for what the account's nodes are not and its old plan (with what was unmet of that) did
/// not ask for: accounts cannot be moved to other nodes yet.
pub(super) fn require_met(ctx: &Context<'_>, account: AccountId, before: &[Unmet]) -> Rule<()> {
    let mut new = unmet(ctx, account)?;
    new.retain(|unmet| !before.iter().any(|old| old.is_same(unmet)));
    if new.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = new.iter().map(|unmet| format!("the node {}", unmet.words())).collect();
    let message = format!("the account cannot stay where it is with this plan: {}", words.join("; "));
    Err(Refusal::new(RefusalCode::PlacementUnmet, "/plan_id", message).into())
}

/// How many accounts, or nodes, an answer names.
pub(super) const MOST_NAMED: u64 = 50;

/// And how many it counts besides: what else waits for the writer would wait for the rest.
const MOST_COUNTED: u64 = 10_000;

/// The accounts with the plan whose nodes are not what it asks for, in words.
pub(super) fn misplaced(ctx: &Context<'_>, plan: PlanId) -> Rule<Vec<String>> {
    let found = "FROM accounts a JOIN unmet u ON u.account_id = a.id WHERE a.plan_id = ?1";
    let mut words = ctx.all(
        &format!(
            "SELECT a.username, u.node_id, u.node_name, u.term, u.wanted, u.has {found} ORDER BY 1, 3, 4, 5 LIMIT ?2"
        ),
        (plan.to_bytes(), MOST_NAMED),
        |row| {
            let unmet = Unmet {
                node: row.get(1)?,
                name: row.get(2)?,
                term: row.get(3)?,
                wanted: row.get(4)?,
                has: row.get(5)?,
            };
            Ok(format!(
                "the account {} stays where it is: the node {}",
                row.get::<_, String>(0)?,
                unmet.words()
            ))
        },
    )?;
    // Without the limit the planner looks at the nodes of all accounts there are.
    let some = format!("SELECT count(*) FROM (SELECT 1 {found} LIMIT ?2)");
    let all = ctx.count(&some, (plan.to_bytes(), MOST_NAMED + MOST_COUNTED))?;
    if let Some(more) = all.checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        let least = if more == MOST_COUNTED { "at least " } else { "" };
        words.push(format!("and {least}{more} more (list accounts with placement_met=false)"));
    }
    Ok(words)
}
