//! `/v1/cron-tables`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AccountId, OperationId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{CronJob, CronTable, Page, SetCronJobs, schema};
use npanel_state::OwnedFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, id, updated},
    app::App,
    asked::Asked,
    body::Body,
    convergence::convergence,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, set))
}

list_query! {
    /// Whose scheduled jobs.
    converging CronTablesQuery {
        /// Only of this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: AccountId,
    }
}

fn shown(row: npanel_state::CronTable) -> CronTable {
    CronTable {
        id: row.id,
        jobs: row
            .jobs
            .into_iter()
            .map(|job| CronJob { schedule: job.schedule, command: job.command })
            .collect(),
        created_at: row.created_at,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

async fn read(app: &App, caller: &Caller, id: AccountId) -> Result<CronTable, Failure> {
    app.find("table of scheduled jobs", || app.reader().cron_table(caller.purview(), id)).await.map(shown)
}

/// List the accounts' scheduled jobs.
#[utoipa::path(get, path = "/v1/cron-tables", operation_id = "cron.list_jobs", tag = "cron",
    params(CronTablesQuery), responses((status = 200, description = "Some of them", body = Page<CronTable>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<CronTablesQuery>,
) -> Result<Json<Page<CronTable>>, Failure> {
    let filter = OwnedFilter {
        account_id: query.account_id,
        converging: query.converging(),
        ..OwnedFilter::default()
    };
    let rows = app.reader().cron_tables(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show an account's scheduled jobs. Not found if none were ever set.
#[utoipa::path(get, path = "/v1/cron-tables/{id}", operation_id = "cron.get_jobs", tag = "cron",
    params(("id" = schema::AccountId, Path, description = "The account")),
    responses((status = 200, description = "Its jobs", body = CronTable)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<CronTable>, Failure> {
    read(&app, &caller, id("table of scheduled jobs", &text)?).await.map(Tagged)
}

/// Set an account's scheduled jobs: exactly these.
#[utoipa::path(put, path = "/v1/cron-tables/{id}", operation_id = "cron.set_jobs", tag = "cron",
    params(("id" = schema::AccountId, Path, description = "The account")), request_body = SetCronJobs,
    responses((status = 200, description = "Set, and converged if that was waited for", body = CronTable),
        (status = 202, description = "Set, and not converged at the timeout", body = CronTable)))]
async fn set(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<SetCronJobs>,
) -> Result<Response, Ended> {
    let id: AccountId = id("account", &text)?;
    let job = |job: CronJob| command::CronJob { schedule: job.schedule.into(), command: job.command.into() };
    let command = command::SetCronJobs {
        account_id: id.to_bytes(),
        jobs: value.jobs.into_iter().map(job).collect(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &bytes, Command::SetCronJobs(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}
