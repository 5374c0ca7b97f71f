//! `/v1/api-keys`. That a key gets no more than its maker has is the state machine's rule.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{AccountId, ApiKeyId, Timestamp};
use npanel_pki::ApiKeyText;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ApiKey, CreateApiKey, Page, RotateApiKey, UpdateApiKey, schema};
use npanel_state::{ApiKeyFilter, Credential};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made, updated},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};
use crate::auth::Caller;

/// A day, in which programs are told of the new secret.
const USUAL_OVERLAP_SECONDS: u32 = 24 * 3600;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(rotate))
}

list_query! {
    /// Which API keys.
    ApiKeysQuery {
        /// Only of this tenant.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: npanel_model::TenantId,
        /// Only with this name.
        #[param(value_type = Option<schema::Label>)]
        name: String,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

fn shown(row: npanel_state::ApiKey) -> ApiKey {
    ApiKey {
        id: row.id,
        tenant_id: row.tenant_id,
        name: row.name,
        actions: row.actions,
        role: row.role,
        accounts: row.accounts,
        networks: row.networks,
        former_secret_until: row.former_secret_until,
        key: None,
        expires_at: row.expires_at,
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Failure> {
    app.find("API key", || app.reader().api_key(caller.purview(), id)).await.map(shown)
}

/// Make an API key.
#[utoipa::path(post, path = "/v1/api-keys", operation_id = "api_key.create", tag = "api-keys",
    request_body = CreateApiKey,
    responses((status = 201, description = "Made; the key is shown this once", body = ApiKey)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateApiKey>,
) -> Result<Response, Ended> {
    let expires_millis = end(value.expires_at)?;
    let key = ApiKeyText::generate();
    let command = command::CreateApiKey {
        api_key_id: key.id.to_bytes(),
        tenant_id: value.tenant_id.unwrap_or(asked.caller.tenant_id).to_bytes(),
        name: value.name.into(),
        secret_hash: key.secret.hash().to_bytes(),
        actions: value.actions.into_iter().map(String::from).collect(),
        expires_millis,
        role: value.role.map(|role| role.as_str().to_owned()).unwrap_or_default(),
        accounts: value.accounts.into_iter().map(AccountId::to_bytes).collect(),
        networks: value.networks.iter().map(ToString::to_string).collect(),
    };
    let accepted = app.propose(&asked, &bytes, Command::CreateApiKey(command)).await?;
    let id = made(&accepted, ApiKeyId::from_bytes)?;
    // A repetition made no key: its secret opens nothing.
    let once = (id == key.id).then(|| key.reveal());
    Ok(created(&app, &asked, &accepted, format!("/v1/api-keys/{id}"), || async {
        Ok(ApiKey { key: once, ..read(&app, &asked.caller, id).await? })
    })
    .await?)
}

/// List API keys.
#[utoipa::path(get, path = "/v1/api-keys", operation_id = "api_key.list", tag = "api-keys",
    params(ApiKeysQuery), responses((status = 200, description = "Some of them", body = Page<ApiKey>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<ApiKeysQuery>,
) -> Result<Json<Page<ApiKey>>, Failure> {
    let filter =
        ApiKeyFilter { tenant_id: query.tenant_id, name: query.name, created_since: query.created_since };
    let rows = app.reader().api_keys(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show an API key (never its secret).
#[utoipa::path(get, path = "/v1/api-keys/{id}", operation_id = "api_key.get", tag = "api-keys",
    params(("id" = schema::ApiKeyId, Path, description = "The API key")),
    responses((status = 200, description = "The API key", body = ApiKey)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<ApiKey>, Failure> {
    read(&app, &caller, id("API key", &text)?).await.map(Tagged)
}

/// Change an API key's name or end; never its secret.
#[utoipa::path(patch, path = "/v1/api-keys/{id}", operation_id = "api_key.update", tag = "api-keys",
    params(("id" = schema::ApiKeyId, Path, description = "The API key")), request_body = UpdateApiKey,
    responses((status = 200, description = "Changed", body = ApiKey)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateApiKey>,
) -> Result<Response, Ended> {
    let id: ApiKeyId = id("API key", &text)?;
    let command = command::UpdateApiKey {
        api_key_id: id.to_bytes(),
        name: value.name.map(String::from),
        expires_millis: value.expires_at.map(end).transpose()?,
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateApiKey(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// A key's end as commands carry it, where 0 is never: no real end may come to that.
fn end(at: Option<Timestamp>) -> Result<i64, Failure> {
    match at.map(Timestamp::as_millis) {
        None => Ok(0),
        Some(millis) if millis > 0 => Ok(millis),
        Some(_) => {
            Err(Failure::invalid("expires_at", "a key ends after 1970-01-01T00:00:00Z, or never (null)"))
        }
    }
}

/// Put a new secret in the place of an API key's; the one before counts for a while yet.
#[utoipa::path(post, path = "/v1/api-keys/{id}/rotate", operation_id = "api_key.rotate", tag = "api-keys",
    params(("id" = schema::ApiKeyId, Path, description = "The API key")), request_body = RotateApiKey,
    responses((status = 200, description = "Rotated; the key is shown this once", body = ApiKey)))]
async fn rotate(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<RotateApiKey>,
) -> Result<Response, Ended> {
    let id: ApiKeyId = id("API key", &text)?;
    let key = ApiKeyText { id, ..ApiKeyText::generate() };
    let command = command::RotateApiKey {
        api_key_id: id.to_bytes(),
        secret_hash: key.secret.hash().to_bytes(),
        overlap_seconds: value.overlap_seconds.unwrap_or(USUAL_OVERLAP_SECONDS),
    };
    let accepted = app.propose(&asked, &bytes, Command::RotateApiKey(command)).await?;
    // A repetition gave it no secret: this one opens nothing.
    let now = app.reader().access(Credential::ApiKey(id)).await?;
    let is_this = now.is_some_and(|access| access.is_opened_by(&key.secret.hash().to_bytes()));
    let once = is_this.then(|| key.reveal());
    Ok(updated(&app, &asked, &accepted, || async {
        Ok(ApiKey { key: once, ..read(&app, &asked.caller, id).await? })
    })
    .await?)
}

/// Revoke an API key.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", operation_id = "api_key.delete", tag = "api-keys",
    params(("id" = schema::ApiKeyId, Path, description = "The API key")),
    responses((status = 204, description = "Revoked")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let api_key_id = id::<ApiKeyId>("API key", &text)?.to_bytes();
    let command = Command::DeleteApiKey(command::DeleteApiKey { api_key_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
