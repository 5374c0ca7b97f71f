//! Which events a request wants.

use npanel_model::{AccountId, NodeId, Timestamp};
use npanel_sdk_types::schema;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{Cursor, Listed};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NodeEventsQuery {
    /// How many items at most: 1 to 200; 100 if absent.
    #[param(minimum = 1, maximum = 200, example = 100)]
    pub(super) limit: Option<u32>,
    /// The cursor that the answer before gave as `next`: the events that are older follow.
    #[param(value_type = Option<String>, max_length = 400, example = "mYoBhPSzTTQBkKXSfAAwAIAAAAAAAAAD")]
    pub(super) after: Option<Cursor>,
    /// Only of this node.
    #[param(value_type = Option<schema::NodeId>)]
    pub(super) node_id: Option<NodeId>,
    /// Only of this account and what it has.
    #[param(value_type = Option<schema::AccountId>)]
    pub(super) account_id: Option<AccountId>,
    /// Only about this kind of object: `account`, `domain`, `database`, `database_user`, `zone`, `node`.
    #[param(value_type = Option<String>, max_length = 40, example = "domain")]
    pub(super) object_kind: Option<String>,
    /// Only about this object.
    #[param(value_type = Option<schema::ObjectId>)]
    pub(super) object_id: Option<uuid::Uuid>,
    /// Only with this reason.
    #[param(value_type = Option<String>, max_length = 100, example = "DriftRepaired")]
    pub(super) reason: Option<String>,
    /// Only of this time or later.
    #[param(value_type = Option<schema::Timestamp>)]
    pub(super) since: Option<Timestamp>,
}

impl Listed for NodeEventsQuery {
    fn limit(&self) -> Option<u32> {
        self.limit
    }

    fn after(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}
