//! Suspensions.

use npanel_model::{SuspensionKind, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// What is to be suspended, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Why, for people: at most 500 characters in one line.
    #[serde(default)]
    #[schema(value_type = schema::Reason)]
    pub reason: String,
    /// What kind of reason that is, for programs: `billing`, `abuse`, `limit_exceeded` or `other`; absent: `other`, or what
    /// it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SuspensionKind>)]
    pub kind: Option<SuspensionKind>,
}

/// Whose suspension it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionOf {
    /// Of the tenant or one above it, and with it of everything that they have.
    Tenant,
    /// Of the account, and with it of everything that it has.
    Account,
    /// Of the domain by itself.
    Domain,
}

/// Why something is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suspension {
    /// Whose suspension it is; a domain's own is shown before its account's, and that before their tenant's.
    pub of: SuspensionOf,
    /// Why, for people; may be empty.
    #[schema(value_type = schema::Reason)]
    pub reason: String,
    /// What kind of reason that is: `billing`, `abuse`, `limit_exceeded` or `other`.
    #[schema(value_type = schema::SuspensionKind)]
    pub kind: SuspensionKind,
    /// Whether the fleet did it by itself.
    #[serde(default)]
    pub automatic: bool,
    /// Since when.
    #[schema(value_type = schema::Timestamp)]
    pub since: Timestamp,
    /// Who did it.
    #[schema(example = "api_key/0190a5d2-0000-7000-8000-000000000001")]
    pub by: String,
}
