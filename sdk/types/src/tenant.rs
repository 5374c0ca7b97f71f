//! Tenants.

use npanel_model::{Limit, Revision, TenantId, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::present;

/// A new tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// The tenant above it; the caller's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub parent_id: Option<TenantId>,
    /// Its name: 1 to 63 of a-z, 0-9 and inner hyphens, unique among its siblings.
    #[schema(value_type = String, example = "acme-hosting")]
    pub name: TenantName,
    /// How many accounts it and the tenants beneath it may have; `null` or absent: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = Option<u64>)]
    pub account_limit: Limit,
    /// Whether it may promise more than it has.
    #[serde(default)]
    pub may_oversell: bool,
}

/// A change of a tenant. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTenant {
    /// Its name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<TenantName>,
    /// How many accounts it and the tenants beneath it may have; `null`: unlimited. Less than there are takes none
    /// away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub account_limit: Option<Limit>,
    /// Whether it may promise more than it has. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub may_oversell: Option<bool>,
}

/// A tenant: the platform itself, a reseller, or a reseller's reseller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: TenantId,
    /// The tenant above it; `null` for the platform itself.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub parent_id: Option<TenantId>,
    /// Its name.
    #[schema(value_type = String, example = "acme-hosting")]
    pub name: TenantName,
    /// How many accounts it and the tenants beneath it may have; `null`: unlimited.
    #[schema(value_type = Option<u64>)]
    pub account_limit: Limit,
    /// Whether it may promise more than it has.
    pub may_oversell: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = u64)]
    pub revision: Revision,
}
