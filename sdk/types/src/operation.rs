//! Operations.

use npanel_model::{Action, OperationId, RequestId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Condition, schema};

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Nodes are at work on it.
    Converging,
    /// Every node concerned has done it.
    Succeeded,
    /// A node could not do it; it is tried again, and may still succeed.
    Failed,
}

impl OperationStatus {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converging => "converging",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// How much of an operation is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What nodes have done.
    pub done: u64,
    /// All that nodes are to do.
    pub total: u64,
}

impl Progress {
    /// In hundredths; all of nothing is done.
    pub fn percent(self) -> u64 {
        (self.done * 100).checked_div(self.total).unwrap_or(100)
    }
}

/// One accepted write and its way to convergence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    #[schema(value_type = schema::OperationId)]
    pub id: OperationId,
    /// What was asked.
    #[schema(value_type = schema::Action)]
    pub action: Action,
    /// The tenant that it was for.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// What kind of object it made, changed or removed.
    #[schema(example = "account")]
    pub object_kind: String,
    /// The object that it made, changed or removed.
    #[schema(value_type = schema::ObjectId)]
    pub object_id: String,
    /// The request that asked for it; `null` for the fleet's own doings.
    #[schema(value_type = Option<schema::RequestId>)]
    pub request_id: Option<RequestId>,
    /// How far it is.
    pub status: OperationStatus,
    /// How much of it the nodes have done.
    #[serde(default)]
    pub progress: Progress,
    /// Everything that nodes do for it, and how that stands. Where one operation is read, not in lists.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// When it was accepted.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was done; `null` before.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub finished_at: Option<Timestamp>,
}
