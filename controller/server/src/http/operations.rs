//! `/v1/operations`.

use axum::{
    Json,
    extract::{Path, State},
};
use npanel_model::OperationId;
use npanel_sdk_types::{Operation, OperationStatus, Page, Progress, schema};
use npanel_state::OperationFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::id,
    app::App,
    convergence::target_condition,
    list::{List, list_query},
    problem::Failure,
    query::{Query, WaitQuery},
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

list_query! {
    /// Which operations.
    OperationsQuery {
        /// Only about this object, of whatever kind.
        #[param(value_type = Option<schema::ObjectId>)]
        object_id: uuid::Uuid,
        /// Only of this tenant itself.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: npanel_model::TenantId,
        /// Only of this action.
        #[param(value_type = Option<schema::Action>)]
        action: npanel_model::Action,
        /// Only what is finished, or only what is not.
        finished: bool,
        /// Only what was asked then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: npanel_model::Timestamp,
    }
}

fn shown(row: npanel_state::Operation) -> Operation {
    let status = match row.finished_at {
        Some(_) => OperationStatus::Succeeded,
        None if row.is_failing => OperationStatus::Failed,
        None => OperationStatus::Converging,
    };
    Operation {
        id: row.id,
        action: row.action,
        tenant_id: row.tenant_id,
        object_kind: row.object_kind,
        object_id: uuid::Uuid::from_slice(&row.object_id).map(|id| id.to_string()).unwrap_or_default(),
        request_id: row.request_id,
        status,
        progress: Progress { done: row.done, total: row.total },
        conditions: row.targets.into_iter().map(target_condition).collect(),
        created_at: row.created_at,
        finished_at: row.finished_at,
    }
}

/// An operation of the caller's.
pub(super) async fn read(app: &App, caller: &Caller, id: OperationId) -> Result<Operation, Failure> {
    app.find("operation", || app.reader().operation(caller.purview(), id)).await.map(shown)
}

/// List operations.
#[utoipa::path(get, path = "/v1/operations", operation_id = "operation.list", tag = "operations",
    params(OperationsQuery), responses((status = 200, description = "Some of them", body = Page<Operation>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<OperationsQuery>,
) -> Result<Json<Page<Operation>>, Failure> {
    let filter = OperationFilter {
        object_id: query.object_id.map(|id| id.as_bytes().to_vec()),
        tenant_id: query.tenant_id,
        action: query.action,
        finished: query.finished,
        created_since: query.created_since,
    };
    let rows = app.reader().operations(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show an operation, at once or when it is finished.
#[utoipa::path(get, path = "/v1/operations/{id}", operation_id = "operation.get", tag = "operations",
    params(("id" = schema::OperationId, Path, description = "The operation"), WaitQuery),
    responses((status = 200, description = "The operation as it is now", body = Operation)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(wait): Query<WaitQuery>,
) -> Result<Json<Operation>, Failure> {
    let operation = read(&app, &caller, id("operation", &text)?).await?;
    match wait.time() {
        Some(time) if operation.finished_at.is_none() => {
            app.is_finished_within(operation.id, time).await?;
            read(&app, &caller, operation.id).await.map(Json)
        }
        _ => Ok(Json(operation)),
    }
}
