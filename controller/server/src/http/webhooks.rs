//! `/v1/webhooks`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::{TenantId, Timestamp, WebhookId};
use npanel_pki::{Field, WebhookSecret};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    CreateWebhook, Page, UpdateWebhook, Webhook, WebhookDelivery, WebhookDisabled, schema,
};
use npanel_state::WebhookFilter;
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

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, update, delete))
}

list_query! {
    /// Which webhooks.
    WebhooksQuery {
        /// Only of this tenant itself.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: TenantId,
        /// Only those that are told, or only those that are not.
        enabled: bool,
        /// Only what was made then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

fn shown(row: npanel_state::Webhook) -> Webhook {
    let is_failing = row.failures > 0;
    Webhook {
        id: row.id,
        tenant_id: row.tenant_id,
        url: row.url,
        events: row.events,
        secret: None,
        disabled: row.disabled.map(|(at, reason)| WebhookDisabled { at, reason }),
        delivery: WebhookDelivery {
            index: row.next_index.saturating_sub(1),
            failures: row.failures,
            failing_since: row.failing_since,
            next_attempt_at: is_failing.then_some(row.next_attempt_at),
            last_error: is_failing.then_some(row.last_error),
            delivered_at: row.delivered_at,
        },
        created_at: row.created_at,
        revision: row.revision,
    }
}

async fn read(app: &App, caller: &Caller, id: WebhookId) -> Result<Webhook, Failure> {
    app.find("webhook", || app.reader().webhook(caller.purview(), id)).await.map(shown)
}

/// Make a webhook. It is told of what comes from then on.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "webhook.create", tag = "webhooks",
    request_body = CreateWebhook,
    responses((status = 201, description = "Made; the secret is shown this once", body = Webhook)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<CreateWebhook>,
) -> Result<Response, Ended> {
    let (webhook, secret) = (WebhookId::generate(), WebhookSecret::generate());
    let command = creation(&app, &asked.caller, value, webhook, &secret).await;
    let accepted = app.propose_if_made(&asked, &bytes, command.map(Command::CreateWebhook)).await?;
    let id = made(&accepted, WebhookId::from_bytes)?;
    // A repetition made no webhook: its secret signs nothing.
    let once = (id == webhook).then(|| secret.reveal());
    Ok(created(&app, &asked, &accepted, format!("/v1/webhooks/{id}"), || async {
        Ok(Webhook { secret: once, ..read(&app, &asked.caller, id).await? })
    })
    .await?)
}

async fn creation(
    app: &App,
    caller: &Caller,
    value: CreateWebhook,
    webhook: WebhookId,
    secret: &WebhookSecret,
) -> Result<command::CreateWebhook, Failure> {
    let tenant: TenantId = value.tenant_id.unwrap_or(caller.tenant_id);
    app.find_for_write("tenant", || app.reader().tenant(caller.purview(), tenant))
        .await
        .map_err(|failure| failure.at("tenant_id"))?;
    let object = webhook.to_bytes();
    let sealed = app.data_key(tenant).await?.seal(Field::webhook_secret(tenant, &object), secret.expose());
    Ok(command::CreateWebhook {
        webhook_id: webhook.to_bytes(),
        tenant_id: tenant.to_bytes(),
        url: value.url.into(),
        events: value.events.into_iter().map(String::from).collect(),
        sealed_secret: sealed.map_err(|error| Failure::internal(&error))?,
    })
}

/// List webhooks.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "webhook.list", tag = "webhooks",
    params(WebhooksQuery), responses((status = 200, description = "Some of them", body = Page<Webhook>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<WebhooksQuery>,
) -> Result<Json<Page<Webhook>>, Failure> {
    let WebhooksQuery { tenant_id, enabled, created_since, .. } = query;
    let filter = WebhookFilter { tenant_id, enabled, created_since };
    let rows = app.reader().webhooks(caller.purview(), filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a webhook, and how far it was told (never its secret).
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "webhook.get", tag = "webhooks",
    params(("id" = schema::WebhookId, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook", body = Webhook)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Webhook>, Failure> {
    read(&app, &caller, id("webhook", &text)?).await.map(Tagged)
}

/// Change where a webhook is, of what it is told, or whether it is; never its secret.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", operation_id = "webhook.update", tag = "webhooks",
    params(("id" = schema::WebhookId, Path, description = "The webhook")), request_body = UpdateWebhook,
    responses((status = 200, description = "Changed", body = Webhook)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateWebhook>,
) -> Result<Response, Ended> {
    let id: WebhookId = id("webhook", &text)?;
    let patterns =
        |events: Vec<_>| command::EventPatterns { patterns: events.into_iter().map(String::from).collect() };
    let command = command::UpdateWebhook {
        webhook_id: id.to_bytes(),
        url: value.url.map(String::from),
        events: value.events.map(patterns),
        enabled: value.enabled,
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateWebhook(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, &asked.caller, id)).await?)
}

/// Remove a webhook. What it was not told yet, it is not told any more.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", operation_id = "webhook.delete", tag = "webhooks",
    params(("id" = schema::WebhookId, Path, description = "The webhook")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let webhook_id = id::<WebhookId>("webhook", &text)?.to_bytes();
    let command = Command::DeleteWebhook(command::DeleteWebhook { webhook_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
