//! Operations: each accepted write of something that converges, and what it still waits for.

use npanel_model::{Action, OperationId, RequestId, TenantId, Timestamp};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Page, QueryError, Reader,
    convergence::Condition,
    list::{Scope, Where},
    row::{self, FromRow},
};
use crate::ObjectKind;

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
    /// What it still waits for, with what the nodes last said of it. Empty in lists.
    pub waiting_for: Vec<(ObjectKind, Condition)>,
}

/// Filters of operations.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Only about this object.
    pub object_id: Option<Vec<u8>>,
}

const OPERATIONS: &str = "SELECT * FROM operations";

impl FromRow for Operation {
    fn from_row(row: &SqliteRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", OperationId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            action: row::text(row, "action")?,
            object_kind: row.try_get("object_kind")?,
            object_id: row.try_get("object_id")?,
            request_id: RequestId::from_bytes(row.try_get::<&[u8], _>("request_id")?).ok(),
            placement_report: row.try_get("placement_report")?,
            created_at: row::time(row, "created_millis")?,
            finished_at: row::optional_time(row, "finished_millis")?,
            waiting_for: Vec::new(),
        })
    }
}

impl Reader {
    /// The operation with what it waits for, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn operation(&self, scope: TenantId, id: OperationId) -> Result<Option<Operation>, QueryError> {
        let Some(mut operation) =
            self.one::<Operation>(OPERATIONS, Scope::Tenant(scope), id.to_bytes()).await?
        else {
            return Ok(None);
        };
        if operation.finished_at.is_none() {
            operation.waiting_for = self.waiting_for(id).await?;
        }
        Ok(Some(operation))
    }

    async fn waiting_for(&self, id: OperationId) -> Result<Vec<(ObjectKind, Condition)>, QueryError> {
        let rows = sqlx::query(
            "SELECT DISTINCT kind, object_id, node_id FROM operation_targets WHERE operation_id = ?1
             ORDER BY kind, object_id, node_id",
        )
        .bind(id.to_bytes())
        .fetch_all(&self.pool())
        .await?;
        let mut found = Vec::new();
        for row in rows {
            let Some(kind) = ObjectKind::from_text(row.try_get("kind")?) else { continue };
            let object: Vec<u8> = row.try_get("object_id")?;
            let node: Vec<u8> = row.try_get("node_id")?;
            let conditions =
                self.conditions(kind, [object.clone()]).await?.remove(&object).unwrap_or_default();
            found.extend(
                conditions
                    .into_iter()
                    .filter(|condition| condition.node_id.to_bytes() == node)
                    .map(|condition| (kind, condition)),
            );
        }
        Ok(found)
    }

    /// Whether the operation is finished; `None` if there is no such operation. A point read, for waiting.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn is_finished(&self, id: OperationId) -> Result<Option<bool>, QueryError> {
        let row = sqlx::query("SELECT finished_millis IS NOT NULL AS finished FROM operations WHERE id = ?1")
            .bind(id.to_bytes())
            .fetch_optional(&self.pool())
            .await?;
        Ok(row.map(|row| row.try_get("finished")).transpose()?)
    }

    /// Operations that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn operations(
        &self,
        scope: TenantId,
        filter: OperationFilter,
        page: &Page,
    ) -> Result<Vec<Operation>, QueryError> {
        let wheres = vec![Where::bytes("object_id", filter.object_id)];
        self.list(OPERATIONS, Scope::Tenant(scope), wheres, page).await
    }
}
