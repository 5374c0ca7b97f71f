//! `/v1/plans`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AntiAffinity, Megabytes, NodeLabel, OperationId, PlanId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ChangePlanPlacement, CreatePlan, Page, Plan, PlanPlacement, UpdatePlan};
use npanel_state::PlanFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made, updated},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
    tenants::{changed_limit, limit},
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, update, delete))
}

list_query! {
    /// Which plans.
    PlansQuery {
        /// Only of this tenant.
        #[param(value_type = Option<String>, format = "uuid")]
        tenant_id: npanel_model::TenantId,
        /// Only with this name.
        name: String,
        /// Only what was made then or later.
        #[param(value_type = Option<String>, format = DateTime)]
        created_since: npanel_model::Timestamp,
    }
}

fn shown(caller: &Caller, row: npanel_state::Plan) -> Plan {
    Plan {
        id: row.id,
        tenant_id: row.tenant_id,
        name: row.name,
        disk_mb: row.disk,
        domains: row.domains,
        databases: row.databases,
        php_version: row.php_version,
        memory_mb: row.memory,
        placement: caller.is_platform.then_some(PlanPlacement {
            strategy: row.placement.strategy,
            anti_affinity: row.placement.anti_affinity,
            pool: row.placement.pool,
            labels: row.placement.labels,
        }),
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: PlanId) -> Result<Plan, Failure> {
    app.find("plan", || app.reader().plan(caller.purview(), id)).await.map(|row| shown(caller, row))
}

/// Make a plan.
#[utoipa::path(post, path = "/v1/plans", operation_id = "plan.create", tag = "plans",
    request_body = CreatePlan, responses((status = 201, description = "Made", body = Plan)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreatePlan>,
) -> Result<Response, Ended> {
    if value.disk_mb == Megabytes(0) {
        return Err(Failure::invalid("disk_mb", "an account needs disk space: at least 1 (got 0)").into());
    }
    let command = command::CreatePlan {
        plan_id: PlanId::generate().to_bytes(),
        tenant_id: value.tenant_id.unwrap_or(asked.caller.tenant_id).to_bytes(),
        name: value.name.into(),
        disk_mb: value.disk_mb.0,
        domains: limit(value.domains),
        databases: limit(value.databases),
        php_version: value.php_version.into(),
        memory_mb: value.memory_mb.0,
        placement: value.placement.map(|placement| command::PlanPlacement {
            strategy: placement.strategy.map(|strategy| strategy.to_string()).unwrap_or_default(),
            anti_affinity: placement.anti_affinity.to_string(),
            pool: placement.pool.map(String::from).unwrap_or_default(),
            labels: placement.labels.into_iter().map(String::from).collect(),
        }),
    };
    let accepted = app.propose(&asked, &bytes, Command::CreatePlan(command)).await?;
    let id = made(&accepted, PlanId::from_bytes)?;
    Ok(created(&app, &asked, &accepted, format!("/v1/plans/{id}"), || read(&app, &asked.caller, id)).await?)
}

/// List plans.
#[utoipa::path(get, path = "/v1/plans", operation_id = "plan.list", tag = "plans",
    params(PlansQuery), responses((status = 200, description = "Some of them", body = Page<Plan>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<PlansQuery>,
) -> Result<Json<Page<Plan>>, Failure> {
    let filter =
        PlanFilter { tenant_id: query.tenant_id, name: query.name, created_since: query.created_since };
    let rows = app.reader().plans(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), |row| shown(&caller, row)))
}

/// Show a plan.
#[utoipa::path(get, path = "/v1/plans/{id}", operation_id = "plan.get", tag = "plans",
    params(("id" = String, Path, format = "uuid", description = "The plan")),
    responses((status = 200, description = "The plan", body = Plan)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Plan>, Failure> {
    read(&app, &caller, id("plan", &text)?).await.map(Tagged)
}

/// Change a plan, and with it what its accounts get.
#[utoipa::path(patch, path = "/v1/plans/{id}", operation_id = "plan.update", tag = "plans",
    params(("id" = String, Path, format = "uuid", description = "The plan")), request_body = UpdatePlan,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Plan),
        (status = 202, description = "Changed, and not converged at the timeout", body = Plan)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdatePlan>,
) -> Result<Response, Ended> {
    let id: PlanId = id("plan", &text)?;
    let command = command::UpdatePlan {
        plan_id: id.to_bytes(),
        name: value.name.map(String::from),
        disk_mb: value.disk_mb.map(|disk| disk.0),
        domains: value.domains.map(changed_limit),
        databases: value.databases.map(changed_limit),
        php_version: value.php_version.map(String::from),
        memory_mb: value.memory_mb.map(|memory| memory.0),
        placement: value.placement.map(placement_change),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdatePlan(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Without a placement, a plan's accounts are placed as if none had ever been said.
fn placement_change(change: Option<ChangePlanPlacement>) -> command::PlanPlacementChange {
    let change = change.unwrap_or_else(|| ChangePlanPlacement {
        strategy: Some(None),
        anti_affinity: Some(AntiAffinity::Preferred),
        pool: Some(None),
        labels: Some(Vec::new()),
    });
    let texts = |labels: Vec<NodeLabel>| labels.into_iter().map(String::from).collect();
    command::PlanPlacementChange {
        strategy: change.strategy.map(|to| to.map(|strategy| strategy.to_string()).unwrap_or_default()),
        anti_affinity: change.anti_affinity.map(|to| to.to_string()),
        pool: change.pool.map(|to| to.map(String::from).unwrap_or_default()),
        labels: change.labels.map(|labels| command::NodeLabels { labels: texts(labels) }),
    }
}

/// Remove an unused plan.
#[utoipa::path(delete, path = "/v1/plans/{id}", operation_id = "plan.delete", tag = "plans",
    params(("id" = String, Path, format = "uuid", description = "The plan")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let plan_id = id::<PlanId>("plan", &text)?.to_bytes();
    let command = Command::DeletePlan(command::DeletePlan { plan_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
