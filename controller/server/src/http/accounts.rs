//! `/v1/accounts`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AccountId, OperationId, Username};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    Account, Assignment, AssignmentState, CreateAccount, Operation, Page, PlacementReport,
};
use npanel_state::AccountFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{created, deleted, id, made},
    app::App,
    asked::Asked,
    body::Body,
    convergence::convergence,
    domains,
    problem::Failure,
    public_suffix,
    query::{Query, WaitQuery, list_query},
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, delete))
}

list_query! {
    /// Which accounts.
    AccountsQuery, AccountId {
        /// Only of this tenant.
        #[param(value_type = Option<String>, format = "uuid")]
        tenant_id: npanel_model::TenantId,
        /// Only with this plan.
        #[param(value_type = Option<String>, format = "uuid")]
        plan_id: npanel_model::PlanId,
        /// Only with this user name.
        username: String,
    }
}

fn shown(row: npanel_state::Account) -> Account {
    Account {
        id: row.id,
        tenant_id: row.tenant_id,
        plan_id: row.plan_id,
        username: row.username,
        uid: row.uid,
        contact: row.contact,
        assignments: row.assignments.iter().map(assignment).collect(),
        placement: None,
        created_at: row.created_at,
        convergence: convergence(row.convergence),
    }
}

fn assignment(row: &npanel_state::Assignment) -> Assignment {
    let state = match row.state.as_str() {
        "incoming" => AssignmentState::Incoming,
        "outgoing" => AssignmentState::Outgoing,
        _ => AssignmentState::Active,
    };
    Assignment { part: row.part, node_id: row.node_id, state, epoch: row.epoch }
}

/// An account of the caller's; also for the nouns that belong to one.
pub(super) async fn row(app: &App, caller: &Caller, id: AccountId) -> Result<npanel_state::Account, Failure> {
    app.find("account", || app.reader().account(caller.tenant_id, id)).await
}

/// Refuses a database's or database user's own name that has the account's prefix on it: it would be there twice.
pub(super) fn refuse_prefix(account: &Username, name: &str) -> Result<(), Failure> {
    if !name.starts_with(&format!("{account}_")) {
        return Ok(());
    }
    let detail = format!("{account}_ is put before the name: give the name without it (got {name:?})");
    Err(Failure::invalid("name", detail))
}

async fn read(app: &App, caller: &Caller, id: AccountId) -> Result<Account, Failure> {
    let mut account = shown(row(app, caller, id).await?);
    let operation = app.reader().operation(caller.tenant_id, account.convergence.operation_id).await?;
    account.placement = operation.and_then(|operation| placement(&operation.placement_report));
    Ok(account)
}

fn placement(json: &str) -> Option<PlacementReport> {
    if json.is_empty() {
        return None;
    }
    serde_json::from_str(json)
        .inspect_err(|error| tracing::warn!(%error, "a placement report is not readable"))
        .ok()
}

/// Make a hosting account, with its first domain if one is named.
#[utoipa::path(post, path = "/v1/accounts", operation_id = "account.create", tag = "accounts",
    params(WaitQuery), request_body = CreateAccount,
    responses((status = 201, description = "Made, and converged if that was waited for", body = Account),
        (status = 202, description = "Made, and not converged at the timeout", body = Account)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Query(wait): Query<WaitQuery>,
    Body { value, bytes }: Body<CreateAccount>,
) -> Result<Response, Failure> {
    if value.domain.is_none() && value.document_root.is_some() {
        return Err(Failure::invalid("document_root", "a document root is a domain's; there is no domain"));
    }
    if let Some(name) = &value.domain {
        public_suffix::refuse("domain", name)?;
    }
    let (account_id, operation_id) = (AccountId::generate(), OperationId::generate());
    let domain = value
        .domain
        .map(|name| domains::command(account_id, name, value.document_root, value.create_zone, operation_id));
    let command = command::CreateAccount {
        account_id: account_id.to_bytes(),
        tenant_id: value.tenant_id.to_bytes(),
        plan_id: value.plan_id.to_bytes(),
        username: value.username.into(),
        contact: value.contact.map(String::from).unwrap_or_default(),
        domain,
        operation_id: operation_id.to_bytes(),
        ..command::CreateAccount::default()
    };
    let accepted = app.propose(&asked, &bytes, Command::CreateAccount(command)).await?;
    let id = made(&accepted, AccountId::from_bytes)?;
    let path = format!("/v1/accounts/{id}");
    created(&app, &accepted, Some(wait), path, || read(&app, &asked.caller, id)).await
}

/// List accounts.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "account.list", tag = "accounts",
    params(AccountsQuery), responses((status = 200, description = "Some of them", body = Page<Account>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<AccountsQuery>,
) -> Result<Json<Page<Account>>, Failure> {
    let paging = query.paging()?;
    let filter =
        AccountFilter { tenant_id: query.tenant_id, plan_id: query.plan_id, username: query.username };
    let rows = app.reader().accounts(caller.tenant_id, filter, &paging.rows(&app).await).await?;
    Ok(paging.page(rows, |row| row.id.to_string(), shown))
}

/// Show an account.
#[utoipa::path(get, path = "/v1/accounts/{id}", operation_id = "account.get", tag = "accounts",
    params(("id" = String, Path, format = "uuid", description = "The account")),
    responses((status = 200, description = "The account", body = Account)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Json<Account>, Failure> {
    read(&app, &caller, id("account", &text)?).await.map(Json)
}

/// Remove an account and all it has. Its data is kept for the cluster's retention time.
#[utoipa::path(delete, path = "/v1/accounts/{id}", operation_id = "account.delete", tag = "accounts",
    params(("id" = String, Path, format = "uuid", description = "The account"), WaitQuery),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Query(wait): Query<WaitQuery>,
) -> Result<Response, Failure> {
    let command = command::DeleteAccount {
        account_id: id::<AccountId>("account", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: None,
    };
    let accepted = app.propose(&asked, &[], Command::DeleteAccount(command)).await?;
    deleted(&app, &asked, &accepted, Some(wait)).await
}
