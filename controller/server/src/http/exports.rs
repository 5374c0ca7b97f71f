//! `/v1/tenants/{id}/export`, `/v1/accounts/{id}/export`: everything that is held on somebody, for who is asked for it. It changes
//! nothing, and is a write all the same: that it was done is on record before the first byte is given out.

use axum::{
    body::Body as AnswerBody,
    extract::{Path, State},
    response::Response,
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
};
use npanel_model::{AccountId, TenantId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::schema;
use npanel_state::ExportOf;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{id, indexed},
    app::App,
    asked::Asked,
    preview::Ended,
    problem::{Failure, Kind},
};
use crate::export::{Begun, Export, begin};

const MEDIA_TYPE: &str = "application/gzip";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(of_tenant)).routes(routes!(of_account))
}

/// Get everything that is held on a tenant, on its accounts and on the tenants beneath it, as one archive: a tar, compressed by gzip,
/// of JSON documents as they were at one moment. Its manifest says what is not in it: secrets, and the files of sites. On record.
#[utoipa::path(post, path = "/v1/tenants/{id}/export", operation_id = "tenant.export", tag = "tenants",
    params(("id" = schema::TenantId, Path, description = "The tenant")),
    responses((status = 200, description = "The archive", content_type = "application/gzip")))]
async fn of_tenant(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let id: TenantId = id("tenant", &text)?;
    let command = Command::ExportTenant(command::ExportTenant { tenant_id: id.to_bytes() });
    export(&app, &asked, ExportOf::Tenant(id), command).await
}

/// Get everything that is held on an account as one archive: a tar, compressed by gzip, of JSON documents as they were at one moment.
/// Its manifest says what is not in it: secrets, and the files of its sites. On record.
#[utoipa::path(post, path = "/v1/accounts/{id}/export", operation_id = "account.export", tag = "accounts",
    params(("id" = schema::AccountId, Path, description = "The account")),
    responses((status = 200, description = "The archive", content_type = "application/gzip")))]
async fn of_account(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let id: AccountId = id("account", &text)?;
    let command = Command::ExportAccount(command::ExportAccount { account_id: id.to_bytes() });
    export(&app, &asked, ExportOf::Account(id), command).await
}

async fn export(app: &App, asked: &Asked, of: ExportOf, command: Command) -> Result<Response, Ended> {
    let place = app.export_places().try_acquire_owned();
    let place =
        place.map_err(|_| Failure::new(Kind::Busy, "this controller makes other exports just now"))?;
    let written = app.propose(asked, &[], command).await?;
    if written.replayed {
        let detail = "this export was made before, under the same idempotency key: ask for another with another key, for each is \
                      on record";
        return Err(Failure::new(Kind::GoneSince, detail).into());
    }
    let made_by = asked.caller.who().to_string();
    tracing::info!(caller = made_by, of = of.noun(), id = of.id(), "an export is made");
    let begun = begin(app.reader().clone(), Export { of, made_by, place }).await;
    let begun =
        begun.map_err(|error| Failure::internal(&error))?.ok_or_else(|| Failure::not_found(of.noun()))?;
    Ok(indexed(&written, answer(begun)))
}

fn answer(begun: Begun) -> Response {
    let mut response = Response::new(AnswerBody::from_stream(begun.pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{}\"", begun.file)) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}
