//! The keys that secrets are sealed by.

use npanel_model::{OperationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// How a cluster key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterKeyState {
    /// New: it seals nothing before a majority of the controllers has it.
    Offered,
    /// It seals.
    Current,
    /// It is kept until nothing needs it and every controller has the current one.
    Former,
    /// It is gone.
    Destroyed,
}

impl ClusterKeyState {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Current => "current",
            Self::Former => "former",
            Self::Destroyed => "destroyed",
        }
    }
}

/// A key that wraps the tenants' data keys. The key itself is nowhere in the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterKey {
    /// From 1 upward.
    pub version: u64,
    /// Its name, in hexadecimal; empty for a cluster's first.
    #[schema(example = "9f86d081884c7d65")]
    pub name: String,
    /// How it stands.
    pub state: ClusterKeyState,
    /// The controllers that do not have it, by name. Of one that is destroyed, none is named.
    #[schema(example = json!(["c3"]))]
    pub missing_on: Vec<String>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was destroyed.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub destroyed_at: Option<Timestamp>,
}

/// The tenants' data keys together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataKeys {
    /// How many tenants there are, each with a data key that seals.
    pub tenants: u64,
    /// How many former data keys are kept still.
    pub former: u64,
    /// How many secrets are sealed by former data keys.
    pub sealed_by_former: u64,
    /// When the oldest of those that seal was made.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub oldest_at: Option<Timestamp>,
}

/// A rotation of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretsRotation {
    /// Its operation.
    #[schema(value_type = schema::OperationId)]
    pub operation_id: OperationId,
    /// Whether it changes the cluster key.
    pub cluster_key: bool,
    /// Whether it changes data keys.
    pub data_keys: bool,
    /// The one tenant whose data key it changes; `null`: all.
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// How much was made or sealed anew.
    pub done: u64,
    /// How much there was to do when it began.
    pub total: u64,
    /// What it waits for, for people.
    #[schema(example = json!(["the controller c3 does not have the new key"]))]
    pub waits_for: Vec<String>,
    /// When it began.
    #[schema(value_type = schema::Timestamp)]
    pub begun_at: Timestamp,
    /// When it was done; `null` while it goes on.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub finished_at: Option<Timestamp>,
}

/// The keys that secrets are sealed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretsStatus {
    /// The cluster keys, the newest first.
    pub cluster_keys: Vec<ClusterKey>,
    /// The tenants' data keys.
    pub data_keys: DataKeys,
    /// The rotation that is under way, or the last one.
    pub rotation: Option<SecretsRotation>,
}

/// Keys are to be changed, and all that is sealed by them sealed anew. Without `cluster_key` and `data_keys`, both are; of one
/// tenant, its data key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecrets {
    /// Change the cluster key.
    #[serde(default)]
    pub cluster_key: bool,
    /// Change data keys.
    #[serde(default)]
    pub data_keys: bool,
    /// Only this tenant's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
}
