//! `/v1/domains`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AccountId, DocumentRoot, DomainId, Fqdn, IdError, OperationId, ZoneId, ZoneProvider};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    Bulk, BulkAnswer, CreateDomain, Domain, Operation, Page, Suspend, SuspensionOf, UpdateDomain, schema,
};
use npanel_state::OwnedFilter;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accounts::suspension,
    answer::{Tagged, created, deleted, id, made, updated},
    app::{App, Written},
    asked::Asked,
    body::Body,
    bulk::{self, Making as _},
    convergence::convergence,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
    public_suffix,
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
    /// Which domains.
    by(ByName) converging DomainsQuery {
        /// Only of this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: AccountId,
        /// Only with this name.
        #[param(value_type = Option<schema::Fqdn>)]
        name: Fqdn,
        /// Only what is suspended, by itself or with its account; or only what is not.
        suspended: bool,
    }
}

fn shown(row: npanel_state::Domain) -> Domain {
    let own = row.suspension.map(|row| suspension(SuspensionOf::Domain, row));
    let accounts = row.account_suspension.map(|row| suspension(SuspensionOf::Account, row));
    let tenants = row.tenant_suspension.map(|row| suspension(SuspensionOf::Tenant, row));
    Domain {
        id: row.id,
        account_id: row.account_id,
        name: row.name,
        document_root: row.document_root,
        zone_id: row.zone_id,
        suspension: own.or(accounts).or(tenants),
        created_at: row.created_at,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

async fn read(app: &App, caller: &Caller, id: DomainId) -> Result<Domain, Failure> {
    app.find("domain", || app.reader().domain(caller.purview(), id)).await.map(shown)
}

/// The command that makes a domain. A new zone comes without record sets: the state machine adds the address
/// of the web node, which only the leader knows.
pub(super) fn command(
    account: AccountId,
    name: Fqdn,
    document_root: Option<DocumentRoot>,
    create_zone: bool,
    operation: OperationId,
) -> command::CreateDomain {
    let zone = create_zone.then(|| zone(account, &name, operation));
    command::CreateDomain {
        domain_id: DomainId::generate().to_bytes(),
        account_id: account.to_bytes(),
        document_root: document_root.unwrap_or_else(|| DocumentRoot::of_domain(&name)).into(),
        name: name.into(),
        operation_id: operation.to_bytes(),
        zone,
    }
}

/// The command that makes a zone.
pub(super) fn zone(account: AccountId, name: &Fqdn, operation: OperationId) -> command::CreateZone {
    command::CreateZone {
        zone_id: ZoneId::generate().to_bytes(),
        account_id: account.to_bytes(),
        name: name.to_string(),
        provider: ZoneProvider::PowerDns.as_str().to_owned(),
        operation_id: operation.to_bytes(),
        ..command::CreateZone::default()
    }
}

/// Put a domain on an account: zone, certificate, site.
#[utoipa::path(post, path = "/v1/domains", operation_id = "domain.create", tag = "domains",
    request_body = CreateDomain,
    responses((status = 201, description = "Made, and converged if that was waited for", body = Domain),
        (status = 202, description = "Made, and not converged at the timeout", body = Domain)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateDomain>,
) -> Result<Response, Ended> {
    let accepted = Making.make(&app, &asked, value, &bytes).await?;
    let id = made(&accepted, DomainId::from_bytes)?;
    let path = format!("/v1/domains/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

/// Put up to 1,000 domains on accounts by one call, each by itself.
#[utoipa::path(post, path = "/v1/domains:bulk", operation_id = "domain.create_bulk", tag = "domains",
    extensions(("x-action" = json!("domain.create"))), request_body = Bulk<CreateDomain>,
    responses((status = 200, description = "What became of each", body = BulkAnswer<Domain>)))]
async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Body<Bulk<Value>>,
) -> Result<Json<BulkAnswer<Domain>>, Failure> {
    bulk::make(&Making, &app, &asked, body).await.map(Json)
}

/// How a domain is made.
struct Making;

impl bulk::Making for Making {
    type Create = CreateDomain;
    type Id = DomainId;
    type Made = Domain;

    async fn make(
        &self,
        app: &App,
        asked: &Asked,
        value: CreateDomain,
        bytes: &[u8],
    ) -> Result<Written, Ended> {
        public_suffix::refuse("name", &value.name)?;
        let operation = OperationId::generate();
        let command =
            command(value.account_id, value.name, value.document_root, value.create_zone, operation);
        app.propose(asked, bytes, Command::CreateDomain(command)).await
    }

    fn id(&self, bytes: &[u8]) -> Result<DomainId, IdError> {
        DomainId::from_bytes(bytes)
    }

    async fn read(&self, app: &App, asked: &Asked, id: DomainId) -> Result<Domain, Failure> {
        read(app, &asked.caller, id).await
    }
}

/// List domains.
#[utoipa::path(get, path = "/v1/domains", operation_id = "domain.list", tag = "domains",
    params(DomainsQuery), responses((status = 200, description = "Some of them", body = Page<Domain>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<DomainsQuery>,
) -> Result<Json<Page<Domain>>, Failure> {
    let (account_id, converging) = (query.account_id, query.converging());
    let filter = OwnedFilter {
        account_id,
        name: query.name.map(String::from),
        suspended: query.suspended,
        converging,
    };
    let rows = app.reader().domains(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.name.as_str()), shown))
}

/// Show a domain.
#[utoipa::path(get, path = "/v1/domains/{id}", operation_id = "domain.get", tag = "domains",
    params(("id" = schema::DomainId, Path, description = "The domain")),
    responses((status = 200, description = "The domain", body = Domain)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Domain>, Failure> {
    read(&app, &caller, id("domain", &text)?).await.map(Tagged)
}

/// Change where a domain is served from.
#[utoipa::path(patch, path = "/v1/domains/{id}", operation_id = "domain.update", tag = "domains",
    params(("id" = schema::DomainId, Path, description = "The domain")), request_body = UpdateDomain,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Domain),
        (status = 202, description = "Changed, and not converged at the timeout", body = Domain)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateDomain>,
) -> Result<Response, Ended> {
    let id: DomainId = id("domain", &text)?;
    let command = command::UpdateDomain {
        domain_id: id.to_bytes(),
        document_root: value.document_root.map(String::from),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateDomain(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Answer with a suspension page.
#[utoipa::path(post, path = "/v1/domains/{id}/suspend", operation_id = "domain.suspend", tag = "domains",
    params(("id" = schema::DomainId, Path, description = "The domain")), request_body = Suspend,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Domain),
        (status = 202, description = "Changed, and not converged at the timeout", body = Domain)))]
async fn suspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<Suspend>,
) -> Result<Response, Ended> {
    let id: DomainId = id("domain", &text)?;
    let command = command::SuspendDomain {
        domain_id: id.to_bytes(),
        reason: value.reason,
        operation_id: OperationId::generate().to_bytes(),
        kind: value.kind.map(|kind| kind.to_string()).unwrap_or_default(),
    };
    let accepted = app.propose(&asked, &bytes, Command::SuspendDomain(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Serve a suspended domain again, unless its account is suspended.
#[utoipa::path(post, path = "/v1/domains/{id}/unsuspend", operation_id = "domain.unsuspend", tag = "domains",
    params(("id" = schema::DomainId, Path, description = "The domain")),
    responses((status = 200, description = "Changed, and converged if that was waited for", body = Domain),
        (status = 202, description = "Changed, and not converged at the timeout", body = Domain)))]
async fn unsuspend(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let id: DomainId = id("domain", &text)?;
    let command = command::UnsuspendDomain {
        domain_id: id.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::UnsuspendDomain(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Undo a domain.
#[utoipa::path(delete, path = "/v1/domains/{id}", operation_id = "domain.delete", tag = "domains",
    params(("id" = schema::DomainId, Path, description = "The domain")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let command = command::DeleteDomain {
        domain_id: id::<DomainId>("domain", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::DeleteDomain(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
