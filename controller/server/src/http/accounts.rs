//! `/v1/accounts`.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    response::Response,
};
use http::request::Parts;
use npanel_model::{AccountId, IdError, OperationId, PlanId, Username};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    Account, Assignment, AssignmentState, Bulk, BulkAnswer, CreateAccount, Operation, Page, PlacementReport,
    Suspend, Suspension, SuspensionOf, UnmetTerm, UpdateAccount, schema,
};
use npanel_state::{AccountFilter, PLACING_IS_THE_PLATFORMS};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made, updated},
    app::{App, Written},
    asked::Asked,
    body::Body,
    bulk::{self, Making as _},
    convergence::convergence,
    domains,
    list::{List, list_query},
    placements,
    preview::Ended,
    problem::Failure,
    public_suffix,
    query::{DeleteAccountQuery, Query},
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(create_bulk))
        .routes(routes!(get, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(unsuspend))
}

list_query! {
    /// Which accounts.
    by(ByUsername) converging AccountsQuery {
        /// Only with this plan.
        #[param(value_type = Option<schema::PlanId>)]
        plan_id: PlanId,
        /// Only with this user name.
        #[param(value_type = Option<schema::Username>)]
        username: String,
        /// Only what is suspended, or only what is not.
        suspended: bool,
        /// Only where the nodes are what the plan asks for, or only where they are not; for the platform.
        placement_met: bool,
        /// Only what has no more of anything than its plan allows, or only what has more.
        within_plan: bool,
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
        php_version: row.php_version,
        php_version_is_own: row.php_chosen,
        suspension: row
            .suspension
            .map(|row| suspension(SuspensionOf::Account, row))
            .or_else(|| row.tenant_suspension.map(|row| suspension(SuspensionOf::Tenant, row))),
        assignments: row.assignments.iter().map(assignment).collect(),
        placement: None,
        placement_unmet: Vec::new(),
        created_at: row.created_at,
        deleted_at: row.deleted_at,
        retained_until: row.retained_until,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

/// A suspension on the wire.
pub(super) fn suspension(of: SuspensionOf, row: npanel_state::Suspension) -> Suspension {
    // As the audit writes whoever leads.
    let automatic = row.by.starts_with("controller/");
    Suspension { of, reason: row.reason, kind: row.kind, automatic, since: row.since, by: row.by }
}

fn assignment(row: &npanel_state::Assignment) -> Assignment {
    let state = match row.state.as_str() {
        "incoming" => AssignmentState::Incoming,
        "outgoing" => AssignmentState::Outgoing,
        _ => AssignmentState::Active,
    };
    Assignment { part: row.part, node_id: row.node_id, state, epoch: row.epoch }
}

/// An account of the caller's, for a write of what belongs to one.
pub(super) async fn row_for_write(
    app: &App,
    caller: &Caller,
    id: AccountId,
) -> Result<npanel_state::Account, Failure> {
    app.find_for_write("account", || app.reader().account(caller.purview(), id)).await
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
    // Where an account is not as its plan wants it is for those who say where accounts are.
    let whole = || app.reader().whole_account(caller.purview(), id, caller.is_platform);
    let whole = app.find("account", whole).await?;
    let mut account = shown(whole.account);
    let report = whole.placement_report.as_deref().and_then(placement);
    account.placement = report.map(|report| placements::visible(caller, report));
    account.placement_unmet = whole.unmet.into_iter().map(unmet_term).collect();
    Ok(account)
}

fn unmet_term(term: npanel_state::UnmetTerm) -> UnmetTerm {
    UnmetTerm { node_id: term.node_id, term: term.term, wanted: term.wanted, has: term.has }
}

/// A placement report as operations keep it.
pub(super) fn placement(json: &str) -> Option<PlacementReport> {
    if json.is_empty() {
        return None;
    }
    serde_json::from_str(json)
        .inspect_err(|error| tracing::warn!(%error, "a placement report is not readable"))
        .ok()
}

/// Make a hosting account, with its first domain if one is named.
#[utoipa::path(post, path = "/v1/accounts", operation_id = "account.create", tag = "accounts",
    request_body = CreateAccount,
    responses((status = 201, description = "Made, and converged if that was waited for", body = Account),
        (status = 202, description = "Made, and not converged at the timeout", body = Account)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateAccount>,
) -> Result<Response, Ended> {
    let accepted = Making.make(&app, &asked, value, &bytes).await?;
    let id = made(&accepted, AccountId::from_bytes)?;
    let path = format!("/v1/accounts/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

/// Make up to 1,000 hosting accounts by one call, each by itself.
#[utoipa::path(post, path = "/v1/accounts:bulk", operation_id = "account.create_bulk", tag = "accounts",
    extensions(("x-action" = json!("account.create"))), request_body = Bulk<CreateAccount>,
    responses((status = 200, description = "What became of each", body = BulkAnswer<Account>)))]
async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Body<Bulk<Value>>,
) -> Result<Json<BulkAnswer<Account>>, Failure> {
    bulk::make(&Making, &app, &asked, body).await.map(Json)
}

/// How an account is made.
struct Making;

impl bulk::Making for Making {
    type Create = CreateAccount;
    type Id = AccountId;
    type Made = Account;

    async fn make(
        &self,
        app: &App,
        asked: &Asked,
        value: CreateAccount,
        bytes: &[u8],
    ) -> Result<Written, Ended> {
        app.propose(asked, bytes, Command::CreateAccount(creation(value)?)).await
    }

    fn id(&self, bytes: &[u8]) -> Result<AccountId, IdError> {
        AccountId::from_bytes(bytes)
    }

    async fn read(&self, app: &App, asked: &Asked, id: AccountId) -> Result<Account, Failure> {
        read(app, &asked.caller, id).await
    }
}

fn creation(value: CreateAccount) -> Result<command::CreateAccount, Failure> {
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
    Ok(command::CreateAccount {
        account_id: account_id.to_bytes(),
        tenant_id: value.tenant_id.to_bytes(),
        plan_id: value.plan_id.to_bytes(),
        username: value.username.into(),
        contact: value.contact.map(String::from).unwrap_or_default(),
        domain,
        operation_id: operation_id.to_bytes(),
        placement: value.placement.map(placements::wish),
        ..command::CreateAccount::default()
    })
}

/// List accounts.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "account.list", tag = "accounts",
    params(AccountsQuery), responses((status = 200, description = "Some of them", body = Page<Account>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<AccountsQuery>,
) -> Result<Json<Page<Account>>, Failure> {
    let converging = query.converging();
    let AccountsQuery { plan_id, username, suspended, placement_met, within_plan, .. } = query;
    if placement_met.is_some() && !caller.is_platform {
        return Err(Failure::invalid("placement_met", PLACING_IS_THE_PLATFORMS));
    }
    let filter = AccountFilter { plan_id, username, suspended, placement_met, within_plan, converging };
    // Where accounts are not as their plans want it is for those who say where accounts are.
    let (with_unmet, part) = (caller.is_platform, paging.rows());
    let found = app.reader().accounts_and_unmet(caller.purview(), filter, &part, with_unmet);
    let (rows, mut unmet) = found.await?;
    let show = |row: npanel_state::Account| {
        let terms = unmet.remove(&row.id).unwrap_or_default();
        Account { placement_unmet: terms.into_iter().map(unmet_term).collect(), ..shown(row) }
    };
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.username.as_str()), show))
}

/// Show an account.
#[utoipa::path(get, path = "/v1/accounts/{id}", operation_id = "account.get", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account")),
    responses((status = 200, description = "The account", body = Account)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Account>, Failure> {
    read(&app, &caller, id("account", &text)?).await.map(Tagged)
}

/// Change an account's contact, plan or PHP version.
#[utoipa::path(patch, path = "/v1/accounts/{id}", operation_id = "account.update", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account")), request_body = UpdateAccount,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Account),
        (status = 202, description = "Changed, and not converged at the timeout", body = Account)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateAccount>,
) -> Result<Response, Ended> {
    let id: AccountId = id("account", &text)?;
    let command = command::UpdateAccount {
        account_id: id.to_bytes(),
        contact: value.contact.map(|contact| contact.map(String::from).unwrap_or_default()),
        plan_id: value.plan_id.map(PlanId::to_bytes),
        php_version: value.php_version.map(|version| version.map(String::from).unwrap_or_default()),
        allow_exceeding: value.allow_exceeding,
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateAccount(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Stop serving an account's sites and lock its database users; DNS goes on.
#[utoipa::path(post, path = "/v1/accounts/{id}/suspend", operation_id = "account.suspend", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account")), request_body = Suspend,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Account),
        (status = 202, description = "Changed, and not converged at the timeout", body = Account)))]
async fn suspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<Suspend>,
) -> Result<Response, Ended> {
    let id: AccountId = id("account", &text)?;
    let command = command::SuspendAccount {
        account_id: id.to_bytes(),
        reason: value.reason,
        operation_id: OperationId::generate().to_bytes(),
        kind: value.kind.map(|kind| kind.to_string()).unwrap_or_default(),
    };
    let accepted = app.propose(&asked, &bytes, Command::SuspendAccount(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Serve a suspended account again. Domains that were suspended by themselves stay so.
#[utoipa::path(post, path = "/v1/accounts/{id}/unsuspend", operation_id = "account.unsuspend", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account")),
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Account),
        (status = 202, description = "Changed, and not converged at the timeout", body = Account)))]
async fn unsuspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let id: AccountId = id("account", &text)?;
    let command = command::UnsuspendAccount {
        account_id: id.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::UnsuspendAccount(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// A deletion as it is asked for, in whichever order the query says it.
struct Deletion {
    asked: Asked,
    query: DeleteAccountQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for Deletion {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(query) = Query::<DeleteAccountQuery>::from_request_parts(parts, state).await?;
        Ok(Self { asked: Asked::by(parts, state, query.write()).await?, query })
    }
}

/// Remove an account and all it has. Its data is kept for the cluster's retention time, or as long as is said; of one that is
/// deleted already, that is changed.
#[utoipa::path(delete, path = "/v1/accounts/{id}", operation_id = "account.delete", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account"),
        ("retention_seconds" = Option<u64>, Query, minimum = 0, maximum = 31_536_000, example = 86_400,
            description = "For how long its data is kept: at most a year; the cluster's time if absent. Less than that needs \
                           `account.erase`. It counts from the deletion.")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(
    State(app): State<App>,
    Deletion { asked, query }: Deletion,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let command = command::DeleteAccount {
        account_id: id::<AccountId>("account", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: query.retention_seconds(),
    };
    // As of a body: asked for with another time, it is another request.
    let words = query.retention_seconds().map(|seconds| seconds.to_string()).unwrap_or_default();
    let accepted = app.propose(&asked, words.as_bytes(), Command::DeleteAccount(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
