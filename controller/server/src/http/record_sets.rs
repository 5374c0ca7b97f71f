//! `/v1/zones/{zone_id}/record-sets`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{IdError, OperationId, RecordData, RecordSetId, RecordType, ZoneId, validate_record_set};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    Bulk, BulkAnswer, CreateRecordSet, Operation, Page, RecordSet, UpdateRecordSet, schema,
};
use npanel_state::RecordSetFilter;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made, updated},
    app::{App, Written},
    asked::Asked,
    body::Body,
    bulk::{self, Making as _},
    convergence::convergence,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
    zones,
};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(create_bulk))
        .routes(routes!(get, update, delete))
}

list_query! {
    /// Which record sets.
    RecordSetsQuery {
        /// Only with this name, relative to the zone.
        #[param(value_type = Option<schema::RecordName>)]
        name: String,
        /// Only of this type.
        #[serde(rename = "type")]
        #[param(value_type = Option<schema::RecordType>)]
        kind: RecordType,
    }
}

fn shown(row: npanel_state::RecordSet, zone: &npanel_state::Zone) -> RecordSet {
    RecordSet {
        id: row.id,
        zone_id: row.zone_id,
        name: row.name,
        kind: row.kind,
        ttl_seconds: row.ttl,
        records: row.records,
        created_at: row.created_at,
        revision: row.revision,
        convergence: convergence(zone.convergence.clone()),
    }
}

async fn read(app: &App, caller: &Caller, zone: ZoneId, id: RecordSetId) -> Result<RecordSet, Failure> {
    let row = app.find("record set", || app.reader().record_set(caller.purview(), zone, id)).await?;
    Ok(shown(row, &zones::row(app, caller, zone).await?))
}

/// Add a record set to a zone.
#[utoipa::path(post, path = "/v1/zones/{zone_id}/record-sets", operation_id = "dns.add_record",
    tag = "record-sets", params(("zone_id" = schema::ZoneId, Path, description = "The zone")),
    request_body = CreateRecordSet,
    responses((status = 201, description = "Made, and converged if that was waited for", body = RecordSet),
        (status = 202, description = "Made, and not converged at the timeout", body = RecordSet)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Path(zone): Path<String>,
    Body { value, bytes }: Body<CreateRecordSet>,
) -> Result<Response, Ended> {
    let zone: ZoneId = id("zone", &zone)?;
    let accepted = Making { zone }.make(&app, &asked, value, &bytes).await?;
    let id = made(&accepted, RecordSetId::from_bytes)?;
    let path = format!("/v1/zones/{zone}/record-sets/{id}");
    Ok(created(&app, &asked, &accepted, path, || read(&app, &asked.caller, zone, id)).await?)
}

/// Add up to 1,000 record sets to a zone by one call, each by itself.
#[utoipa::path(post, path = "/v1/zones/{zone_id}/record-sets:bulk", operation_id = "dns.add_record_bulk",
    tag = "record-sets", params(("zone_id" = schema::ZoneId, Path, description = "The zone")),
    extensions(("x-action" = json!("dns.add_record"))), request_body = Bulk<CreateRecordSet>,
    responses((status = 200, description = "What became of each", body = BulkAnswer<RecordSet>)))]
async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    Path(zone): Path<String>,
    body: Body<Bulk<Value>>,
) -> Result<Json<BulkAnswer<RecordSet>>, Failure> {
    let zone: ZoneId = id("zone", &zone)?;
    app.find_for_write("zone", || app.reader().zone(asked.caller.purview(), zone)).await?;
    let making = Making { zone };
    bulk::make(&making, &app, &asked, body).await.map(Json)
}

/// How a record set is made.
struct Making {
    zone: ZoneId,
}

impl bulk::Making for Making {
    type Create = CreateRecordSet;
    type Id = RecordSetId;
    type Made = RecordSet;

    async fn make(
        &self,
        app: &App,
        asked: &Asked,
        value: CreateRecordSet,
        bytes: &[u8],
    ) -> Result<Written, Ended> {
        let records = validate_record_set(&value.name, value.kind, &value.records)
            .map_err(|error| Failure::invalid("records", error.to_string()))?;
        let command = command::AddRecordSet {
            record_set_id: RecordSetId::generate().to_bytes(),
            zone_id: self.zone.to_bytes(),
            name: value.name.into(),
            r#type: value.kind.as_str().to_owned(),
            ttl_seconds: value.ttl_seconds.seconds(),
            records: records.iter().map(RecordData::canonical).collect(),
            operation_id: OperationId::generate().to_bytes(),
        };
        app.propose(asked, bytes, Command::AddRecordSet(command)).await
    }

    fn id(&self, bytes: &[u8]) -> Result<RecordSetId, IdError> {
        RecordSetId::from_bytes(bytes)
    }

    async fn read(&self, app: &App, asked: &Asked, id: RecordSetId) -> Result<RecordSet, Failure> {
        read(app, &asked.caller, self.zone, id).await
    }
}

/// List a zone's record sets.
#[utoipa::path(get, path = "/v1/zones/{zone_id}/record-sets", operation_id = "dns.list_records",
    tag = "record-sets",
    params(("zone_id" = schema::ZoneId, Path, description = "The zone"), RecordSetsQuery),
    responses((status = 200, description = "Some of them", body = Page<RecordSet>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(zone): Path<String>,
    List { query, paging }: List<RecordSetsQuery>,
) -> Result<Json<Page<RecordSet>>, Failure> {
    let zone = zones::row(&app, &caller, id("zone", &zone)?).await?;
    let filter = RecordSetFilter { name: query.name, kind: query.kind };
    let rows = app.reader().record_sets(caller.purview(), zone.id, filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), |row| shown(row, &zone)))
}

/// Show a record set.
#[utoipa::path(get, path = "/v1/zones/{zone_id}/record-sets/{id}", operation_id = "dns.get_record",
    tag = "record-sets",
    params(("zone_id" = schema::ZoneId, Path, description = "The zone"),
        ("id" = schema::RecordSetId, Path, description = "The record set")),
    responses((status = 200, description = "The record set", body = RecordSet)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path((zone, text)): Path<(String, String)>,
) -> Result<Tagged<RecordSet>, Failure> {
    read(&app, &caller, id("zone", &zone)?, id("record set", &text)?).await.map(Tagged)
}

/// Change a record set's records or how long they may be kept.
#[utoipa::path(patch, path = "/v1/zones/{zone_id}/record-sets/{id}", operation_id = "dns.update_record", tag = "record-sets",
    params(("zone_id" = schema::ZoneId, Path, description = "The zone"),
        ("id" = schema::RecordSetId, Path, description = "The record set")), request_body = UpdateRecordSet,
    responses((status = 200, description = "Changed, and converged if that was waited for", body = RecordSet),
        (status = 202, description = "Changed, and not converged at the timeout", body = RecordSet)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path((zone, text)): Path<(String, String)>,
    Body { value, bytes }: Body<UpdateRecordSet>,
) -> Result<Response, Ended> {
    let id: RecordSetId = id("record set", &text)?;
    let zone: ZoneId = super::answer::id("zone", &zone)?;
    let tenant = asked.caller.purview();
    let set = app.find_for_write("record set", || app.reader().record_set(tenant.clone(), zone, id)).await;
    let command = set.and_then(|set| change(&set, &value)).map(Command::UpdateRecordSet);
    let accepted = app.propose_if_made(&asked, &bytes, command).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, zone, id)).await?)
}

fn change(
    set: &npanel_state::RecordSet,
    value: &UpdateRecordSet,
) -> Result<command::UpdateRecordSet, Failure> {
    let records = match &value.records {
        Some(records) => validate_record_set(&set.name, set.kind, records)
            .map_err(|error| Failure::invalid("records", error.to_string()))?,
        None => Vec::new(),
    };
    Ok(command::UpdateRecordSet {
        record_set_id: set.id.to_bytes(),
        ttl_seconds: value.ttl_seconds.map(npanel_model::Ttl::seconds),
        records: records.iter().map(RecordData::canonical).collect(),
        operation_id: OperationId::generate().to_bytes(),
    })
}

/// Remove a record set.
#[utoipa::path(delete, path = "/v1/zones/{zone_id}/record-sets/{id}", operation_id = "dns.delete_record",
    tag = "record-sets",
    params(("zone_id" = schema::ZoneId, Path, description = "The zone"),
        ("id" = schema::RecordSetId, Path, description = "The record set")),
    responses((status = 200, description = "Removed, as was waited for", body = Operation),
        (status = 202, description = "Being removed", body = Operation)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    Path((zone, text)): Path<(String, String)>,
) -> Result<Response, Ended> {
    let (zone, set): (ZoneId, RecordSetId) = (id("zone", &zone)?, id("record set", &text)?);
    let tenant = asked.caller.purview();
    // The command names the record set alone; that it is in this zone is the path's claim. A repetition of a
    // deletion that happened does not find it any more, and is answered by its idempotency key.
    if let Some(other) = app.look_twice(|| app.reader().zone_of_record_set(tenant.clone(), set)).await?
        && other != zone
    {
        return Err(Failure::not_found("record set").into());
    }
    let command = command::DeleteRecordSet {
        record_set_id: set.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let accepted = app.propose(&asked, &[], Command::DeleteRecordSet(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}
