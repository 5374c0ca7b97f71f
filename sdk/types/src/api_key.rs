//! API keys.

use npanel_model::{
    AccessRole, AccountId, ActionPattern, ApiKeyId, Label, Network, Revision, Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::present;

/// A new API key. It can be given no more than the key that makes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// The tenant that it acts for: the caller's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub tenant_id: Option<TenantId>,
    /// What people call it.
    #[schema(value_type = String, example = "billing")]
    pub name: Label,
    /// What it may do: `*`, `<noun>.*` or single actions.
    #[schema(value_type = Vec<String>, example = json!(["account.*", "domain.list"]))]
    pub actions: Vec<ActionPattern>,
    /// The role that it is confined to: `support` makes a key that only looks; all that is the tenant's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "support")]
    pub role: Option<AccessRole>,
    /// The accounts that it is confined to, at most 100; all if absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 100)]
    pub accounts: Vec<AccountId>,
    /// The networks that it may be used from, at most 50; from anywhere if absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 50, example = json!(["192.0.2.0/24"]))]
    pub networks: Vec<Network>,
    /// When it ends; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A change of an API key. What is absent stays as it is; its secret and what it may do always do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKey {
    /// What people call it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Label>,
    /// When it ends; `null`: never.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<Timestamp>>,
}

/// Another secret for an API key. The id stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// How long the secret before counts as well, in seconds: 0 to 604,800; a day if absent. Any older one ends at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 604800)]
    pub overlap_seconds: Option<u32>,
}

/// An API key. Its secret is stored hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: ApiKeyId,
    /// The tenant that it acts for.
    #[schema(value_type = String, format = "uuid")]
    pub tenant_id: TenantId,
    /// What people call it.
    #[schema(example = "billing")]
    pub name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    pub actions: Vec<ActionPattern>,
    /// The role that it is confined to; `null`: to none.
    #[schema(value_type = Option<String>)]
    pub role: Option<AccessRole>,
    /// The accounts that it is confined to; `null`: to none in particular.
    #[schema(value_type = Option<Vec<String>>)]
    pub accounts: Option<Vec<AccountId>>,
    /// The networks that it may be used from; none: from anywhere.
    #[schema(value_type = Vec<String>)]
    pub networks: Vec<Network>,
    /// Until when the secret before the last rotation counts; `null` if it was never rotated.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub former_secret_until: Option<Timestamp>,
    /// The key itself. Only in the answer to its creation or rotation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub key: Option<Secret>,
    /// When it ends; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = u64)]
    pub revision: Revision,
}
