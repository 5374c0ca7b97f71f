//! How far the nodes are with an object.

use std::collections::HashMap;

use npanel_model::{Generation, NodeId, OperationId, Revision, Timestamp};
use rusqlite::Connection;

use super::{
    QueryError, Reader,
    list::parts_shown,
    point::{of_ids, point},
    row::{self, AnyRow},
};
use crate::ObjectKind;

/// Where an object is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectStatus {
    /// Some node has not applied the newest generation yet.
    Converging,
    /// Every node has.
    Ready,
    /// Some node tried and failed; it tries again.
    Failed,
    /// It is being removed.
    Deleting,
}

/// What one node last said of an object.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The node.
    pub node_id: NodeId,
    /// "pending", "converged", "failed", "retained" or "removed"; "unplaced": the node is gone for good; "behind": the
    /// node has not what the account's plan wants by now.
    pub state: String,
    /// A stable word in CamelCase; may be empty.
    pub reason: String,
    /// For people; may be empty.
    pub message: String,
    /// The generation it speaks of; 0 before the first report.
    pub observed_generation: Generation,
    /// Since when.
    pub since: Timestamp,
    /// How long each stage took: a JSON array of `[stage, microseconds]`; may be empty.
    pub stages: String,
    /// Whether the node is trusted no longer, so that nobody knows how it is with the object now.
    pub is_of_revoked_node: bool,
    settled: bool,
}

/// Intent and observation of one object, over all its nodes.
#[derive(Debug, Clone)]
pub struct Convergence {
    /// When the object was last changed, as a place in the log.
    pub revision: Revision,
    /// The newest generation.
    pub generation: Generation,
    /// The oldest generation that some node is at; `None` while a node never reported.
    pub observed_generation: Option<Generation>,
    /// The sum of it.
    pub status: ObjectStatus,
    /// One per node.
    pub conditions: Vec<Condition>,
    /// The operation of the last write.
    pub operation_id: OperationId,
}

/// What an object's own row says.
pub(super) struct Intent {
    pub(super) id: Vec<u8>,
    pub(super) revision: Revision,
    pub(super) generation: Generation,
    pub(super) deleting: bool,
    pub(super) operation_id: OperationId,
}

impl Intent {
    pub(super) fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::get(row, "id")?,
            revision: row::revision(row)?,
            generation: row::generation(row, "generation")?,
            deleting: row::optional_time(row, "deleted_millis")?.is_some(),
            operation_id: row::id(row, "operation_id", OperationId::from_bytes)?,
        })
    }

    pub(super) fn with(self, conditions: Vec<Condition>) -> Convergence {
        let observed = conditions.iter().map(|condition| condition.observed_generation).min();
        Convergence {
            revision: self.revision,
            generation: self.generation,
            observed_generation: observed.filter(|generation| *generation >= Generation::FIRST),
            status: status(self.deleting, self.generation, &conditions),
            conditions,
            operation_id: self.operation_id,
        }
    }
}

/// The state of what no node carries: the one that did is gone for good.
const UNPLACED: &str = "unplaced";

/// The state of an account whose node has not the PHP that its plan wants.
const BEHIND: &str = "behind";

/// A failure of what was asked before is none of what is asked now.
fn status(deleting: bool, newest: Generation, conditions: &[Condition]) -> ObjectStatus {
    let failed = |condition: &Condition| {
        [UNPLACED, BEHIND].contains(&condition.state.as_str())
            || (condition.state == "failed" && condition.observed_generation >= newest)
    };
    if deleting {
        ObjectStatus::Deleting
    } else if conditions.iter().any(failed) {
        ObjectStatus::Failed
    } else if conditions.iter().all(|condition| condition.settled) {
        ObjectStatus::Ready
    } else {
        ObjectStatus::Converging
    }
}

/// The conditions of many objects of a kind.
pub(super) fn conditions(
    db: &Connection,
    kind: ObjectKind,
    objects: &[Vec<u8>],
) -> Result<HashMap<Vec<u8>, Vec<Condition>>, QueryError> {
    let of_nodes = format!(
        "SELECT object_id, node_id, observed_state, reason, message, observed_generation, since_millis, stages,
                settled, EXISTS (SELECT 1 FROM nodes n WHERE n.id = node_id AND n.revoked_index IS NOT NULL) AS revoked
         FROM node_objects WHERE kind = '{}' AND object_id",
        kind.as_str()
    );
    let mut all = of_ids(db, &of_nodes, objects, "ORDER BY object_id, node_id", |row| {
        Ok((row::get::<Vec<u8>>(row, "object_id")?, condition(row)?))
    })?;
    let (some_unplaced, some_behind) = exceptions(db)?;
    if some_unplaced {
        all.extend(unplaced_of(db, kind, objects)?);
    }
    if some_behind && kind == ObjectKind::Account {
        all.extend(left_behind(db, "l.account_id", objects)?);
    }
    let mut found: HashMap<Vec<u8>, Vec<Condition>> = HashMap::new();
    for (object, condition) in all {
        found.entry(object).or_default().push(condition);
    }
    Ok(found)
}

/// Whether anything is unplaced, and whether anything was left behind: hardly ever, and both are looked through for every object.
fn exceptions(db: &Connection) -> Result<(bool, bool), QueryError> {
    let select =
        "SELECT EXISTS (SELECT 1 FROM unplaced) AS unplaced, EXISTS (SELECT 1 FROM left_behind) AS behind";
    let found = point(db, select, [], |row| Ok((row::get(row, "unplaced")?, row::get(row, "behind")?)))?;
    Ok(found.unwrap_or((true, true)))
}

/// Accounts that could not follow their plan, and why.
fn left_behind(
    db: &Connection,
    of: &'static str,
    ids: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, Condition)>, QueryError> {
    let select = format!(
        "SELECT a.id, a.generation, a.php_version AS has, l.php_version AS wanted, l.since_millis, s.node_id
         FROM left_behind l JOIN accounts a ON a.id = l.account_id
             JOIN assignments s ON s.account_id = a.id AND s.part = 'web' AND s.state = 'active'
         WHERE a.deleted_millis IS NULL AND {of}"
    );
    of_ids(db, &select, ids, "ORDER BY a.id", |row| Ok((row::get(row, "id")?, behind(row)?)))
}

/// Objects that no node carries, and why.
fn unplaced_of(
    db: &Connection,
    kind: ObjectKind,
    objects: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, Condition)>, QueryError> {
    let (table, owner, parts) = (kind.table(), kind.placed_by(), parts_shown(kind));
    let select = format!(
        "SELECT o.id, u.part, u.node_id, u.node_name, u.since_millis
         FROM unplaced u JOIN {table} o ON o.{owner} = u.owner_id
         WHERE u.part IN ({parts}) AND o.deleted_millis IS NULL AND o.id"
    );
    of_ids(db, &select, objects, "ORDER BY o.id, u.part", |row| Ok((row::get(row, "id")?, unplaced(row)?)))
}

impl Reader {
    /// The accounts that an operation left behind, and why.
    pub(super) async fn behind_of(
        &self,
        operation: OperationId,
    ) -> Result<Vec<(Vec<u8>, Condition)>, QueryError> {
        self.at_length(move |db| left_behind(db, "l.operation_id", &[operation.to_bytes()])).await
    }

    /// Completes rows with the convergence of their objects.
    pub(super) async fn converge<R, T>(
        &self,
        kind: ObjectKind,
        rows: Vec<(Intent, R)>,
        join: impl Fn(R, Convergence) -> T,
    ) -> Result<Vec<T>, QueryError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let objects = rows.iter().map(|(intent, _)| intent.id.clone()).collect();
        let mut conditions =
            self.of_objects(objects, move |db, objects| conditions(db, kind, objects)).await?;
        let complete = |(intent, rest): (Intent, R)| {
            let of_object = conditions.remove(&intent.id).unwrap_or_default();
            join(rest, intent.with(of_object))
        };
        Ok(rows.into_iter().map(complete).collect())
    }
}

fn unplaced(row: &impl AnyRow) -> Result<Condition, QueryError> {
    let (part, node): (&str, &str) = (row::get(row, "part")?, row::get(row, "node_name")?);
    Ok(Condition {
        node_id: row::id(row, "node_id", NodeId::from_bytes)?,
        state: UNPLACED.to_owned(),
        reason: "Unplaced".to_owned(),
        message: format!(
            "the node {node}, which carried the {part} part, is gone for good; the part is placed anew as soon as a node \
             can take it"
        ),
        observed_generation: Generation(0),
        since: row::time(row, "since_millis")?,
        stages: String::new(),
        is_of_revoked_node: false,
        settled: false,
    })
}

fn behind(row: &impl AnyRow) -> Result<Condition, QueryError> {
    let (has, wanted): (&str, &str) = (row::get(row, "has")?, row::get(row, "wanted")?);
    Ok(Condition {
        node_id: row::id(row, "node_id", NodeId::from_bytes)?,
        state: BEHIND.to_owned(),
        reason: "PhpUnavailable".to_owned(),
        message: format!(
            "the account's plan wants PHP {wanted}, which its node has not; it keeps PHP {has} until the node has it"
        ),
        observed_generation: row::generation(row, "generation")?,
        since: row::time(row, "since_millis")?,
        stages: String::new(),
        is_of_revoked_node: false,
        settled: true,
    })
}

fn condition(row: &impl AnyRow) -> Result<Condition, QueryError> {
    Ok(Condition {
        node_id: row::id(row, "node_id", NodeId::from_bytes)?,
        state: row::get(row, "observed_state")?,
        reason: row::get(row, "reason")?,
        message: row::get(row, "message")?,
        observed_generation: row::generation(row, "observed_generation")?,
        since: row::time(row, "since_millis")?,
        stages: row::get(row, "stages")?,
        is_of_revoked_node: row::get(row, "revoked")?,
        settled: row::get(row, "settled")?,
    })
}
