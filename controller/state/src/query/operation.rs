//! Operations: each accepted write of something that converges, and what it still waits for.

use npanel_model::{Action, Generation, NodeId, OperationId, RequestId, TenantId, Timestamp};

use super::{
    Page, QueryError, Reader,
    convergence::Condition,
    convergence::conditions,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::{
    ObjectKind, Purview,
    rules::{EVENTS_KEPT_MILLIS, SESSIONS_KEPT_MILLIS},
};

/// An operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Whose object it was about.
    pub tenant_id: TenantId,
    /// What was asked.
    pub action: Action,
    /// The noun of its object: "account", "domain", "record_set", ...
    pub object_kind: String,
    /// The object's id.
    pub object_id: Vec<u8>,
    /// The request that asked.
    pub request_id: Option<RequestId>,
    /// JSON: every node's verdict when something was placed; empty otherwise.
    pub placement_report: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When everything it waits for was done; `None` while it goes on.
    pub finished_at: Option<Timestamp>,
    /// How many things it is to do on nodes.
    pub total: u64,
    /// How many of them are done.
    pub done: u64,
    /// Whether a node has tried one of the others and failed, or has not what it needs for it.
    pub is_failing: bool,
    /// Each of them. Empty in lists.
    pub targets: Vec<OperationTarget>,
}

/// Something that an operation is to do on a node.
#[derive(Debug, Clone)]
pub struct OperationTarget {
    /// The kind of object.
    pub kind: ObjectKind,
    /// The object's id.
    pub object_id: Vec<u8>,
    /// The node.
    pub node_id: NodeId,
    /// The generation to be reached, or a later one.
    pub generation: Generation,
    /// How it stands.
    pub progress: TargetProgress,
}

/// How a target of an operation stands.
#[derive(Debug, Clone)]
pub enum TargetProgress {
    /// The node has done it.
    Done {
        /// When that was written down.
        at: Timestamp,
        /// How long each stage took: a JSON array of `[stage, microseconds]`; may be empty.
        stages: String,
    },
    /// The node has not; what it last said of the object, if it ever did.
    Open(Option<Condition>),
}

/// Filters of operations.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Only about this object.
    pub object_id: Option<Vec<u8>>,
    /// Only of this tenant itself.
    pub tenant_id: Option<TenantId>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only what is finished, or only what is not.
    pub finished: Option<bool>,
    /// Only what was asked then or later.
    pub created_since: Option<Timestamp>,
}

const OPERATIONS: &str = "SELECT *,
    (SELECT count(*) FROM operation_targets t WHERE t.operation_id = operations.id)
        + (SELECT count(*) FROM left_behind l WHERE l.operation_id = operations.id)
        + (SELECT count(*) FROM plans p JOIN accounts a ON a.plan_id = p.id AND a.id > p.followed_by
            WHERE p.following_operation_id = operations.id AND a.deleted_millis IS NULL)
        + (SELECT count(*) FROM tenants f JOIN tenant_tree t ON t.ancestor_id = f.id
            CROSS JOIN accounts a ON a.tenant_id = t.tenant_id
            WHERE f.followed_by_operation_id = operations.id AND a.deleted_millis IS NULL
                AND a.tenant_suspended = NOT EXISTS (SELECT 1 FROM suspended_tenants s WHERE s.tenant_id = t.tenant_id))
        + coalesce((SELECT r.total FROM secret_rotation r WHERE r.operation_id = operations.id), 0) AS total,
    (SELECT count(*) FROM operation_targets t WHERE t.operation_id = operations.id AND t.done_millis IS NOT NULL)
        + coalesce((SELECT r.done FROM secret_rotation r WHERE r.operation_id = operations.id), 0) AS done,
    EXISTS (SELECT 1 FROM operation_targets t JOIN node_objects o
        ON o.node_id = t.node_id AND o.kind = t.kind AND o.object_id = t.object_id
        WHERE t.operation_id = operations.id AND t.done_millis IS NULL
            AND o.observed_state = 'failed' AND o.observed_generation >= t.generation)
        OR EXISTS (SELECT 1 FROM left_behind l WHERE l.operation_id = operations.id) AS is_failing
    FROM operations";

impl FromRow for Operation {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", OperationId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            action: row::text(row, "action")?,
            object_kind: row::get(row, "object_kind")?,
            object_id: row::get(row, "object_id")?,
            request_id: RequestId::from_bytes(row::get::<&[u8]>(row, "request_id")?).ok(),
            placement_report: row::get(row, "placement_report")?,
            created_at: row::time(row, "created_millis")?,
            finished_at: row::optional_time(row, "finished_millis")?,
            total: row::number(row, "total")?,
            done: row::number(row, "done")?,
            is_failing: row::get(row, "is_failing")?,
            targets: Vec::new(),
        })
    }
}

impl Reader {
    /// The operation with its targets, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn operation(
        &self,
        scope: impl Into<Purview>,
        id: OperationId,
    ) -> Result<Option<Operation>, QueryError> {
        let Some(mut operation) = self
            .one::<Operation>(OPERATIONS, Scope::Accounts(scope.into(), "account_id"), id.to_bytes())
            .await?
        else {
            return Ok(None);
        };
        operation.targets = self.targets(id).await?;
        Ok(Some(operation))
    }

    async fn targets(&self, id: OperationId) -> Result<Vec<OperationTarget>, QueryError> {
        let rows = sqlx::query(
            "SELECT kind, object_id, node_id, generation, done_millis, stages FROM operation_targets
             WHERE operation_id = ?1 ORDER BY kind, object_id, node_id, generation",
        )
        .bind(id.to_bytes())
        .fetch_all(&self.pool())
        .await?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(kind) = ObjectKind::from_text(row::get(row, "kind")?) else { continue };
            let object_id: Vec<u8> = row::get(row, "object_id")?;
            let node_id = row::id(row, "node_id", NodeId::from_bytes)?;
            let progress = match row::optional_time(row, "done_millis")? {
                Some(at) => TargetProgress::Done { at, stages: row::get(row, "stages")? },
                None => TargetProgress::Open(self.condition_on(kind, &object_id, node_id)?),
            };
            let generation = row::generation(row, "generation")?;
            targets.push(OperationTarget { kind, object_id, node_id, generation, progress });
        }
        let behind = self.behind_of(id).await?.into_iter();
        targets.extend(behind.map(|(object_id, condition)| OperationTarget {
            kind: ObjectKind::Account,
            object_id,
            node_id: condition.node_id,
            generation: condition.observed_generation,
            progress: TargetProgress::Open(Some(condition)),
        }));
        Ok(targets)
    }

    fn condition_on(
        &self,
        kind: ObjectKind,
        object: &[u8],
        node: NodeId,
    ) -> Result<Option<Condition>, QueryError> {
        let mut conditions = self.at_once(|db| conditions(db, kind, &[object.to_vec()]))?;
        let of_object = conditions.remove(object).unwrap_or_default();
        Ok(of_object.into_iter().find(|condition| condition.node_id == node))
    }

    /// Whether any operation ended longer ago than operations are kept, or events or sessions are there that are kept no longer.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn has_operations_to_purge(&self, now: Timestamp) -> Result<bool, QueryError> {
        let found = sqlx::query(
            "SELECT 1 WHERE EXISTS (
                 SELECT 1 FROM operations
                 WHERE finished_millis < ?1 - 1000 * (SELECT operation_retention_seconds FROM cluster))
             OR (SELECT feature_level FROM cluster) >= 4 AND (
                 EXISTS (SELECT 1 FROM events WHERE recorded_millis < ?1 - ?2)
                 OR EXISTS (SELECT 1 FROM sessions WHERE expires_millis < ?1 - ?3))",
        )
        .bind(now.as_millis())
        .bind(EVENTS_KEPT_MILLIS)
        .bind(SESSIONS_KEPT_MILLIS)
        .fetch_optional(&self.pool())
        .await?;
        Ok(found.is_some())
    }

    /// Whether the operation is finished; `None` if there is no such operation. A point read, for waiting.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn is_finished(&self, id: OperationId) -> Result<Option<bool>, QueryError> {
        let select = "SELECT finished_millis IS NOT NULL AS finished FROM operations WHERE id = ?1";
        self.point(select, [id.to_bytes()], |row| row::get(row, "finished"))
    }

    /// Operations that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn operations(
        &self,
        scope: impl Into<Purview>,
        filter: OperationFilter,
        page: &Page,
    ) -> Result<Vec<Operation>, QueryError> {
        let wheres = vec![
            Where::bytes("object_id", filter.object_id),
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::text("action", filter.action.map(|action| action.as_str().to_owned())),
            Where::Holds("finished_millis IS NOT NULL", filter.finished),
            Where::Since(filter.created_since),
        ];
        self.list(OPERATIONS, Scope::Accounts(scope.into(), "account_id"), wheres, page).await
    }
}
