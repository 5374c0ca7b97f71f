//! `/v1/plans`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AntiAffinity, Megabytes, OperationId, PlanId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ChangePlanPlacement, CreatePlan, Page, Plan, PlanPlacement, UpdatePlan, schema};
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
    by(ByName) PlansQuery {
        /// Only of this tenant.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: npanel_model::TenantId,
        /// Only with this name.
        #[param(value_type = Option<schema::PlanName>)]
        name: String,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
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
        inodes: row.inodes,
        bandwidth_mb_per_month: row.bandwidth_mb_per_month,
        subdomains: row.subdomains,
        mailboxes: row.mailboxes,
        ftp_users: row.ftp_users,
        cron_jobs: row.cron_jobs,
        cpu_percent: row.allotment.cpu_percent.into(),
        memory_limit_mb: row.allotment.memory_limit_mb.into(),
        processes: row.allotment.processes.into(),
        io_mb_per_second: row.allotment.io_mb_per_second.into(),
        io_operations_per_second: row.allotment.io_operations_per_second.into(),
        php_versions: row.php_versions,
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
    let limits = command::PlanLimits {
        inodes: limit(value.inodes),
        bandwidth_mb_per_month: limit(value.bandwidth_mb_per_month),
        subdomains: limit(value.subdomains),
        mailboxes: limit(value.mailboxes),
        ftp_users: limit(value.ftp_users),
        cron_jobs: limit(value.cron_jobs),
        cpu_percent: limit(value.cpu_percent),
        memory_limit_mb: limit(value.memory_limit_mb),
        processes: limit(value.processes),
        io_mb_per_second: limit(value.io_mb_per_second),
        io_operations_per_second: limit(value.io_operations_per_second),
    };
    let command = command::CreatePlan {
        // Of a later level than the rest: only where it is said.
        limits: (limits != command::PlanLimits::default()).then_some(limits),
        php_versions: texts(value.php_versions),
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
            labels: texts(placement.labels),
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
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.name.as_str()), |row| shown(&caller, row)))
}

/// Show a plan.
#[utoipa::path(get, path = "/v1/plans/{id}", operation_id = "plan.get", tag = "plans",
    params(("id" = schema::PlanId, Path, description = "The plan")),
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
    params(("id" = schema::PlanId, Path, description = "The plan")), request_body = UpdatePlan,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Plan),
        (status = 202, description = "Changed, and not converged at the timeout", body = Plan)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdatePlan>,
) -> Result<Response, Ended> {
    let id: PlanId = id("plan", &text)?;
    let limits = command::PlanLimitsChange {
        inodes: value.inodes.map(changed_limit),
        bandwidth_mb_per_month: value.bandwidth_mb_per_month.map(changed_limit),
        subdomains: value.subdomains.map(changed_limit),
        mailboxes: value.mailboxes.map(changed_limit),
        ftp_users: value.ftp_users.map(changed_limit),
        cron_jobs: value.cron_jobs.map(changed_limit),
        cpu_percent: value.cpu_percent.map(changed_limit),
        memory_limit_mb: value.memory_limit_mb.map(changed_limit),
        processes: value.processes.map(changed_limit),
        io_mb_per_second: value.io_mb_per_second.map(changed_limit),
        io_operations_per_second: value.io_operations_per_second.map(changed_limit),
    };
    let command = command::UpdatePlan {
        plan_id: id.to_bytes(),
        name: value.name.map(String::from),
        disk_mb: value.disk_mb.map(|disk| disk.0),
        domains: value.domains.map(changed_limit),
        databases: value.databases.map(changed_limit),
        php_version: value.php_version.map(String::from),
        memory_mb: value.memory_mb.map(|memory| memory.0),
        placement: value.placement.map(placement_change),
        limits: (limits != command::PlanLimitsChange::default()).then_some(limits),
        php_versions: value.php_versions.map(|versions| command::PhpVersions { versions: texts(versions) }),
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
    command::PlanPlacementChange {
        strategy: change.strategy.map(|to| to.map(|strategy| strategy.to_string()).unwrap_or_default()),
        anti_affinity: change.anti_affinity.map(|to| to.to_string()),
        pool: change.pool.map(|to| to.map(String::from).unwrap_or_default()),
        labels: change.labels.map(|labels| command::NodeLabels { labels: texts(labels) }),
    }
}

fn texts<T>(values: Vec<T>) -> Vec<String>
where
    String: From<T>,
{
    values.into_iter().map(String::from).collect()
}

/// Remove an unused plan.
#[utoipa::path(delete, path = "/v1/plans/{id}", operation_id = "plan.delete", tag = "plans",
    params(("id" = schema::PlanId, Path, description = "The plan")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let plan_id = id::<PlanId>("plan", &text)?.to_bytes();
    let command = Command::DeletePlan(command::DeletePlan { plan_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
