//! API keys.

use npanel_model::{
    AccessRole, AccountId, ActionPattern, ApiKeyId, Label, Network, Revision, Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    change::{at_most, present},
    schema,
};

/// A new API key. It can be given no more than the key that makes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// The tenant that it acts for: the caller's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// What people call it.
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// What it may do: `*`, `<noun>.*` or single actions.
    #[serde(deserialize_with = "at_most::<200, _, _>")]
    #[schema(value_type = Vec<schema::ActionPattern>, min_items = 1, max_items = 200, example = json!(["account.*", "domain.list"]))]
    pub actions: Vec<ActionPattern>,
    /// The role that it is confined to: `support` makes a key that only looks; all that is the tenant's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AccessRole>)]
    pub role: Option<AccessRole>,
    /// The accounts that it is confined to, at most 100; all if absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::AccountId>, max_items = 100)]
    pub accounts: Vec<AccountId>,
    /// The networks that it may be used from, at most 50; from anywhere if absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Network>, max_items = 50, example = json!(["192.0.2.0/24"]))]
    pub networks: Vec<Network>,
    /// When it ends; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub expires_at: Option<Timestamp>,
}

/// A change of an API key. What is absent stays as it is; its secret and what it may do always do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKey {
    /// What people call it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Label)]
    pub name: Option<Label>,
    /// When it ends; `null`: never.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub expires_at: Option<Option<Timestamp>>,
}

/// Another secret for an API key. The id stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// How long the secret before counts as well, in seconds: 0 to 604,800; a day if absent. Any older one ends at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604800, example = 86400)]
    pub overlap_seconds: Option<u32>,
}

/// An API key. Its secret is stored hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    #[schema(value_type = schema::ApiKeyId)]
    pub id: ApiKeyId,
    /// The tenant that it acts for.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// What people call it.
    #[schema(example = "billing")]
    pub name: String,
    /// What it may do.
    #[schema(value_type = Vec<schema::ActionPattern>)]
    pub actions: Vec<ActionPattern>,
    /// The role that it is confined to; `null`: to none.
    #[schema(value_type = Option<schema::AccessRole>)]
    pub role: Option<AccessRole>,
    /// The accounts that it is confined to; `null`: to none in particular.
    #[schema(value_type = Option<Vec<schema::AccountId>>)]
    pub accounts: Option<Vec<AccountId>>,
    /// The networks that it may be used from; none: from anywhere.
    #[schema(value_type = Vec<schema::Network>)]
    pub networks: Vec<Network>,
    /// Until when the secret before the last rotation counts; `null` if it was never rotated.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub former_secret_until: Option<Timestamp>,
    /// The key itself. Only in the answer to its creation or rotation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, example = "npk_0190a5d2-7c00-7000-8000-000000000012.shown-once")]
    pub key: Option<Secret>,
    /// When it ends; `null`: never.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}
