//! `/v1/zones`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{Fqdn, OperationId, ZoneId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{CreateZone, Operation, Page, Zone, schema};
use npanel_state::OwnedFilter;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made},
    app::App,
    asked::Asked,
    body::Body,
    convergence::convergence,
    domains,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
    public_suffix,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, delete))
}

list_query! {
    /// Which zones.
    converging ZonesQuery {
        /// Only of this account.
        #[param(value_type = Option<schema::AccountId>)]
        account_id: npanel_model::AccountId,
        /// Only with this name.
        #[param(value_type = Option<schema::Fqdn>)]
        name: Fqdn,
    }
}

fn shown(row: npanel_state::Zone) -> Zone {
    Zone {
        id: row.id,
        account_id: row.account_id,
        name: row.name,
        provider: row.provider,
        name_servers: row.name_servers,
        node_ids: row.nodes,
        created_at: row.created_at,
        revision: row.convergence.revision,
        convergence: convergence(row.convergence),
    }
}

/// A zone of the caller's; also for its record sets.
pub(super) async fn row(app: &App, caller: &Caller, id: ZoneId) -> Result<npanel_state::Zone, Failure> {
    app.find("zone", || app.reader().zone(caller.purview(), id)).await
}

async fn read(app: &App, caller: &Caller, id: ZoneId) -> Result<Zone, Failure> {
    row(app, caller, id).await.map(shown)
}

/// Create a zone.
#[utoipa::path(post, path = "/v1/zones", operation_id = "dns.create_zone", tag = "zones",
    request_body = CreateZone,
    responses((status = 201, description = "Made, and converged if that was waited for", body = Zone),
        (status = 202, description = "Made, and not converged at the timeout", body = Zone)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateZone>,
) -> Result<Response, Ended> {
    public_suffix::refuse("name", &value.name)?;
    let command = domains::zone(value.account_id, &value.name, OperationId::generate());
    let accepted = app.propose(&asked, &bytes, Command::CreateZone(command)).await?;
    let id = made(&accepted, ZoneId::from_bytes)?;
    let path = format!("/v1/zones/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, id)).await?)
}

/// List zones.
#[utoipa::path(get, path = "/v1/zones", operation_id = "dns.list_zones", tag = "zones",
    params(ZonesQuery), responses((status = 200, description = "Some of them", body = Page<Zone>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<ZonesQuery>,
) -> Result<Json<Page<Zone>>, Failure> {
    let (account_id, converging) = (query.account_id, query.converging());
    let filter = OwnedFilter { account_id, name: query.name.map(String::from), suspended: None, converging };
    let rows = app.reader().zones(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a zone.
#[utoipa::path(get, path = "/v1/zones/{id}", operation_id = "dns.get_zone", tag = "zones",
    params(("id" = schema::ZoneId, Path, description = "The zone")),
    responses((status = 200, description = "The zone", body = Zone)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Zone>, Failure> {
    read(&app, &caller, id("zone", &text)?).await.map(Tagged)
}

/// Remove a zone.
#[utoipa::path(delete, path = "/v1/zones/{id}", operation_id = "dns.delete_zone", tag = "zones",
    params(("id" = schema::ZoneId, Path, description = "The zone")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let command = command::DeleteZone {
        zone_id: id::<ZoneId>("zone", &text)?.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::DeleteZone(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
