//! The change feed.

use npanel_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// That an object has changed. What it is like now is for its own route to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The place in the log: the same on every controller, and higher with every later change.
    pub index: u64,
    /// Which of the events of that place, from 0: a write may change several objects.
    pub position: u64,
    /// When, by the controllers' clock.
    #[schema(value_type = schema::Timestamp)]
    pub time: Timestamp,
    /// The kind of object and what became of it: `created`, `changed`, `deleted`, or `observed` when a node said how it
    /// stands there.
    #[serde(rename = "type")]
    #[schema(example = "account.created")]
    pub kind: String,
    /// The kind of object.
    #[schema(example = "account")]
    pub object_kind: String,
    /// The object.
    #[schema(example = "0190a5d2-7c00-7000-8000-000000000003")]
    pub object_id: String,
    /// Whose it is.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Who did it: `api_key/<id>`, `token/<id>`, `node/<id>` or `controller/<id>`.
    #[schema(example = "controller/1")]
    pub actor: String,
}
