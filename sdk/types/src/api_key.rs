//! API keys.

use npanel_model::{ActionPattern, ApiKeyId, Label, Revision, Secret, TenantId, Timestamp};
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
    /// The key itself. Only in the answer to its creation, and not when that is replayed.
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
