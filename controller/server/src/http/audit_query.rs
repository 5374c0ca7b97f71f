//! Which part of the audit a request wants.

use npanel_audit::object_from_text;
use npanel_model::{Action, TenantId, Timestamp};
use npanel_sdk_types::schema;
use npanel_state::AuditFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    list::list_query,
    problem::{Failure, Kind},
};

list_query! {
    /// Which accepted writes.
    AuditQuery {
        /// Only of this actor, such as `api_key/<id>`.
        #[param(value_type = Option<String>, max_length = 100, example = "api_key/0190a5d2-7c00-7000-8000-000000000012")]
        actor: String,
        /// Only of this action.
        #[param(value_type = Option<schema::Action>)]
        action: Action,
        /// Only about this kind of object.
        #[param(value_type = Option<String>, max_length = 40, example = "account")]
        object_kind: String,
        /// Only about this object.
        #[param(value_type = Option<String>, max_length = 100, example = "0190a5d2-7c00-7000-8000-000000000003")]
        object_id: String,
        /// Only of this tenant itself.
        #[param(value_type = Option<schema::TenantId>)]
        tenant_id: TenantId,
        /// Only of this time or later.
        #[param(value_type = Option<schema::Timestamp>)]
        since: Timestamp,
        /// Only from before this time.
        #[param(value_type = Option<schema::Timestamp>)]
        until: Timestamp,
    }
}

impl AuditQuery {
    pub(super) fn filter(self) -> Result<AuditFilter, Failure> {
        let kind = self.object_kind.as_deref().unwrap_or_default();
        let object = self.object_id.map(|text| object_from_text(kind, &text)).transpose();
        let refused = |error: npanel_audit::ObjectTextError| {
            Failure::new(Kind::InvalidQuery, error.to_string()).at("object_id")
        };
        Ok(AuditFilter {
            object: object.map_err(refused)?,
            actor: self.actor,
            action: self.action.map(|action| action.to_string()),
            object_kind: self.object_kind,
            tenant_id: self.tenant_id,
            since: self.since,
            until: self.until,
        })
    }
}

list_query! {
    /// Which checkpoints.
    CheckpointsQuery {}
}

/// Which entry, in which tree.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InclusionQuery {
    /// The entry's position.
    #[param(value_type = schema::Count)]
    pub(super) position: u64,
    /// The tree with so many entries; that of the newest checkpoint if absent.
    #[param(value_type = Option<schema::Count>)]
    pub(super) tree_size: Option<u64>,
}

/// From which tree to which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsistencyQuery {
    /// How many entries the earlier tree has.
    #[param(value_type = schema::Count)]
    pub(super) first_size: u64,
    /// How many the later one has; as many as that of the newest checkpoint if absent.
    #[param(value_type = Option<schema::Count>)]
    pub(super) second_size: Option<u64>,
}
