//! Webhooks.

use npanel_model::{EventPattern, Revision, Secret, TenantId, Timestamp, WebhookId, WebhookUrl};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{change::present, schema};

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// The tenant of whose events, and of those beneath it, it is told: the caller's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// Where it is: `https`, and a public address unless the operator allows others.
    #[schema(value_type = schema::WebhookUrl)]
    pub url: WebhookUrl,
    /// Of which events: `*`, `<kind>.*` or types such as `account.created`.
    #[schema(value_type = Vec<schema::EventPattern>, min_items = 1, max_items = 100, example = json!(["account.*", "domain.deleted"]))]
    pub events: Vec<EventPattern>,
}

/// A change of a webhook. What is absent stays as it is; its secret always does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// Where it is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::WebhookUrl)]
    pub url: Option<WebhookUrl>,
    /// Of which events it is told.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::EventPattern>, min_items = 1, max_items = 100, example = json!(["account.*", "domain.deleted"]))]
    pub events: Option<Vec<EventPattern>>,
    /// Whether it is told. One that is enabled again is told what it missed, as far as that is kept.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub enabled: Option<bool>,
}

/// A webhook: an address that is told what changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    #[schema(value_type = schema::WebhookId)]
    pub id: WebhookId,
    /// The tenant of whose events, and of those beneath it, it is told.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Where it is.
    #[schema(value_type = schema::WebhookUrl)]
    pub url: WebhookUrl,
    /// Of which events it is told.
    #[schema(value_type = Vec<schema::EventPattern>)]
    pub events: Vec<EventPattern>,
    /// What its messages are signed by. Only in the answer to its creation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, example = "shown-once")]
    pub secret: Option<Secret>,
    /// Since when and why it is told nothing more; `null`: it is told.
    pub disabled: Option<WebhookDisabled>,
    /// How far it was told, within some seconds; within minutes while nothing concerns it.
    pub delivery: WebhookDelivery,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What is delivered is no
    /// change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}

/// Why a webhook is told nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDisabled {
    /// Since when.
    #[schema(value_type = schema::Timestamp)]
    pub at: Timestamp,
    /// Why.
    #[schema(example = "it has failed for seven days")]
    pub reason: String,
}

/// How far a webhook was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// The events up to this index were delivered, or did not concern it.
    pub index: u64,
    /// How often it could not be told since it last could.
    pub failures: u32,
    /// Since when that is so; `null`: it is not.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub failing_since: Option<Timestamp>,
    /// When it is tried again; `null` unless it could not be told.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub next_attempt_at: Option<Timestamp>,
    /// Why it could not be told the last time; `null` if it could.
    #[schema(example = "the connection was refused")]
    pub last_error: Option<String>,
    /// When something was last delivered; `null`: nothing was yet.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub delivered_at: Option<Timestamp>,
}
