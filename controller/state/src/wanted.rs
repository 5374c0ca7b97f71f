//! What each node should hold: the intent half of `node_objects`, and the operations that wait for it.

use npanel_model::{AccountId, Action, Generation, NodeId, NodeRole, TenantId};

use crate::context::{Context, Rule, typed};

/// A kind of object that nodes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// The web part of an account.
    Account,
    /// A domain's site.
    Site,
    /// A database.
    Database,
    /// A database user.
    DatabaseUser,
    /// A zone.
    Zone,
    /// An account's scheduled jobs.
    CronTable,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: &[ObjectKind] =
        &[Self::Account, Self::Site, Self::Database, Self::DatabaseUser, Self::Zone, Self::CronTable];

    /// The kind as the database and commands write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Site => "site",
            Self::Database => "database",
            Self::DatabaseUser => "database_user",
            Self::Zone => "zone",
            Self::CronTable => "cron_table",
        }
    }

    /// The kind with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// The API's noun that the object is the node's side of.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Site => "domain",
            other => other.as_str(),
        }
    }

    /// The part of an account that it belongs to, or of DNS, as the role of nodes that carry it.
    pub(crate) fn role(self) -> NodeRole {
        match self {
            Self::Account | Self::Site | Self::CronTable => NodeRole::Web,
            Self::Database | Self::DatabaseUser => NodeRole::Database,
            Self::Zone => NodeRole::Dns,
        }
    }

    /// The column of that table that says what is placed: the account's id, or the zone's own.
    pub(crate) fn placed_by(self) -> &'static str {
        match self {
            Self::Account | Self::CronTable | Self::Zone => "id",
            Self::Site | Self::Database | Self::DatabaseUser => "account_id",
        }
    }

    /// The table of that noun.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::Site => "domains",
            Self::Database => "databases",
            Self::DatabaseUser => "database_users",
            Self::Zone => "zones",
            Self::CronTable => "cron_tables",
        }
    }
}

/// The object that a command is about, as the rules pass it on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) id: &'a [u8],
    pub(crate) tenant: TenantId,
    pub(crate) generation: Generation,
}

/// Puts the object, at its generation, on a node; the operation waits for it there.
pub(crate) fn want(ctx: &Context<'_>, node: NodeId, subject: Subject<'_>, operation: &[u8]) -> Rule<()> {
    ctx.run(
        "INSERT INTO node_objects (node_id, kind, object_id, tenant_id, generation, tombstone_seconds,
             observed_generation, observed_state, reason, message, since_millis, stages, settled, changed_index)
         VALUES (?1, ?2, ?3, ?4, ?5, NULL, 0, 'pending', '', '', ?6, '', 0, ?7)
         ON CONFLICT (node_id, kind, object_id)
         DO UPDATE SET generation = excluded.generation, tombstone_seconds = NULL, settled = 0,
             changed_index = excluded.changed_index",
        (
            node.to_bytes(),
            subject.kind.as_str(),
            subject.id,
            subject.tenant.to_bytes(),
            subject.generation.0,
            ctx.now.as_millis(),
            ctx.index,
        ),
    )?;
    await_on(ctx, node, subject, operation)
}

/// Asks every node that has the object to remove it. Returns how many there are.
pub(crate) fn unwant(
    ctx: &Context<'_>,
    subject: Subject<'_>,
    retention_seconds: u64,
    operation: &[u8],
) -> Rule<usize> {
    let nodes = nodes_of(ctx, subject)?;
    ctx.run(
        "UPDATE node_objects SET generation = ?3, tombstone_seconds = ?4, settled = 0,
             changed_index = ?5
         WHERE object_id = ?1 AND kind = ?2",
        (subject.id, subject.kind.as_str(), subject.generation.0, retention_seconds, ctx.index),
    )?;
    for node in &nodes {
        await_on(ctx, *node, subject, operation)?;
    }
    Ok(nodes.len())
}

/// Tells every node that has the object, and is not to remove it, of its new generation.
pub(crate) fn rewant(ctx: &Context<'_>, subject: Subject<'_>, operation: &[u8]) -> Rule<()> {
    let nodes = ctx.all(
        "SELECT node_id FROM node_objects WHERE object_id = ?1 AND kind = ?2 AND tombstone_seconds IS NULL
         ORDER BY node_id",
        (subject.id, subject.kind.as_str()),
        |row| typed(row, 0, NodeId::from_bytes),
    )?;
    for node in nodes {
        want(ctx, node, subject, operation)?;
    }
    Ok(())
}

/// Gives an object that lives a new generation, and tells its nodes.
pub(crate) fn touch(
    ctx: &Context<'_>,
    kind: ObjectKind,
    id: &[u8],
    tenant: TenantId,
    operation: &[u8],
) -> Rule<()> {
    match raise(ctx, kind, id, tenant, operation)? {
        Some(generation) => rewant(ctx, Subject { kind, id, tenant, generation }, operation),
        None => Ok(()),
    }
}

/// Puts an object that lives on nodes that never had it, at a new generation: whatever one of them may have left of it
/// from a former life is older.
pub(crate) fn want_anew(
    ctx: &Context<'_>,
    kind: ObjectKind,
    id: &[u8],
    tenant: TenantId,
    nodes: &[NodeId],
    operation: &[u8],
) -> Rule<()> {
    let Some(generation) = raise(ctx, kind, id, tenant, operation)? else { return Ok(()) };
    nodes.iter().try_for_each(|node| want(ctx, *node, Subject { kind, id, tenant, generation }, operation))
}

/// The new generation; `None` if the object does not live.
fn raise(
    ctx: &Context<'_>,
    kind: ObjectKind,
    id: &[u8],
    tenant: TenantId,
    operation: &[u8],
) -> Rule<Option<Generation>> {
    let table = kind.table();
    let raised = ctx.find(
        &format!(
            "UPDATE {table} SET generation = generation + 1, operation_id = ?2
             WHERE id = ?1 AND deleted_millis IS NULL RETURNING generation"
        ),
        (id, operation),
        |row| Ok(Generation(row.get(0)?)),
    )?;
    if raised.is_some() {
        ctx.note_object(tenant, kind, id, "changed");
    }
    Ok(raised)
}

fn nodes_of(ctx: &Context<'_>, subject: Subject<'_>) -> Rule<Vec<NodeId>> {
    ctx.all(
        "SELECT node_id FROM node_objects WHERE object_id = ?1 AND kind = ?2 ORDER BY node_id",
        (subject.id, subject.kind.as_str()),
        |row| typed(row, 0, NodeId::from_bytes),
    )
}

/// An operation waits for an object once: for the newest generation that it asked for.
fn await_on(ctx: &Context<'_>, node: NodeId, subject: Subject<'_>, operation: &[u8]) -> Rule<()> {
    ctx.run(
        "DELETE FROM operation_targets
         WHERE node_id = ?1 AND kind = ?2 AND object_id = ?3 AND generation < ?4 AND operation_id = ?5",
        (node.to_bytes(), subject.kind.as_str(), subject.id, subject.generation.0, operation),
    )?;
    ctx.run(
        "INSERT INTO operation_targets (node_id, kind, object_id, generation, operation_id) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
        (node.to_bytes(), subject.kind.as_str(), subject.id, subject.generation.0, operation),
    )?;
    Ok(())
}

/// From this level on it is kept which account's an operation is.
const ACCOUNT_KEPT: u32 = 4;

/// Records the operation of a write. To be called before its targets are added; see [`close_if_done`].
pub(crate) fn open_operation(
    ctx: &Context<'_>,
    operation: &[u8],
    action: Action,
    tenant: TenantId,
    noun: &'static str,
    object: &[u8],
    placement_report: &str,
) -> Rule<()> {
    ctx.run(
        "INSERT INTO operations (id, tenant_id, action, object_kind, object_id, request_id, placement_report, created_millis,
             account_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            operation,
            tenant.to_bytes(),
            action.as_str(),
            noun,
            object,
            ctx.request_id,
            placement_report,
            ctx.now.as_millis(),
            ctx.account.get().filter(|_| ctx.level >= ACCOUNT_KEPT).map(AccountId::to_bytes),
        ),
    )?;
    Ok(())
}

/// Finishes the operation if it waits for nothing (any more).
pub(crate) fn close_if_done(ctx: &Context<'_>, operation: &[u8]) -> Rule<()> {
    ctx.run(
        "UPDATE operations SET finished_millis = ?2
         WHERE id = ?1 AND finished_millis IS NULL
           AND NOT EXISTS (SELECT 1 FROM operation_targets WHERE operation_id = ?1 AND done_millis IS NULL)
           AND NOT EXISTS (SELECT 1 FROM plans WHERE following_operation_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM left_behind WHERE operation_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM tenants WHERE followed_by_operation_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM nodes WHERE written_off_by = ?1)",
        (operation, ctx.now.as_millis()),
    )?;
    Ok(())
}
