//! Tenants.

use npanel_model::{Limit, Revision, TenantId, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Suspension, change::present, schema};

/// A new tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// The tenant above it; the caller's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub parent_id: Option<TenantId>,
    /// Its name: 1 to 63 of a-z, 0-9 and inner hyphens, unique among its siblings.
    #[schema(value_type = schema::TenantName)]
    pub name: TenantName,
    /// How many accounts it and the tenants beneath it may have; `null` or absent: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub account_limit: Limit,
    /// Whether it may promise more than it has.
    #[serde(default)]
    pub may_oversell: bool,
    /// How much disk space the plans of its accounts, and of those beneath it, may promise together, in units of 2^20
    /// bytes; `null` or absent: unlimited. Not held to while it may oversell.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub disk_limit_mb: Limit,
    /// How much bandwidth in a month these plans may promise, in units of 2^20 bytes; `null` or absent: unlimited.
    /// Not held to while it may oversell; otherwise a plan without a limit of it is refused.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_limit_mb_per_month: Limit,
    /// How many domains it and the tenants beneath it may have; `null` or absent: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub domain_limit: Limit,
    /// How many mailboxes; `null` or absent: unlimited. Kept and shown; held to once there are mailboxes.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub mailbox_limit: Limit,
    /// How many databases; `null` or absent: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub database_limit: Limit,
    /// How many requests to the API its keys and those of the tenants beneath it may make in a minute; `null` or
    /// absent: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub api_requests_per_minute: Limit,
}

impl CreateTenant {
    /// A tenant with no limits, which may not oversell.
    pub fn new(name: TenantName) -> Self {
        Self {
            parent_id: None,
            name,
            account_limit: Limit::Unlimited,
            may_oversell: false,
            disk_limit_mb: Limit::Unlimited,
            bandwidth_limit_mb_per_month: Limit::Unlimited,
            domain_limit: Limit::Unlimited,
            mailbox_limit: Limit::Unlimited,
            database_limit: Limit::Unlimited,
            api_requests_per_minute: Limit::Unlimited,
        }
    }
}

/// A change of a tenant. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTenant {
    /// Its name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::TenantName)]
    pub name: Option<TenantName>,
    /// How many accounts it and the tenants beneath it may have; `null`: unlimited. Less than there are takes none
    /// away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub account_limit: Option<Limit>,
    /// Whether it may promise more than it has. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub may_oversell: Option<bool>,
    /// How much disk space the plans of its accounts, and of those beneath it, may promise together, in units of 2^20
    /// bytes; `null`: unlimited. Not held to while it may oversell. Less than there is takes nothing away. Only a
    /// tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub disk_limit_mb: Option<Limit>,
    /// How much bandwidth in a month these plans may promise, in units of 2^20 bytes; `null`: unlimited. Not held to
    /// while it may oversell; otherwise a plan without a limit of it is refused. Less than there is takes nothing
    /// away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_limit_mb_per_month: Option<Limit>,
    /// How many domains it and the tenants beneath it may have; `null`: unlimited. Less than there is takes nothing
    /// away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub domain_limit: Option<Limit>,
    /// How many mailboxes; `null`: unlimited. Kept and shown; held to once there are mailboxes. Less than there is
    /// takes nothing away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub mailbox_limit: Option<Limit>,
    /// How many databases; `null`: unlimited. Less than there is takes nothing away. Only a tenant above it can set
    /// it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub database_limit: Option<Limit>,
    /// How many requests to the API its keys and those of the tenants beneath it may make in a minute; `null`:
    /// unlimited. Less than there is takes nothing away. Only a tenant above it can set it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub api_requests_per_minute: Option<Limit>,
}

/// A tenant: the platform itself, a reseller, or a reseller's reseller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    #[schema(value_type = schema::TenantId)]
    pub id: TenantId,
    /// The tenant above it; `null` for the platform itself.
    #[schema(value_type = Option<schema::TenantId>)]
    pub parent_id: Option<TenantId>,
    /// Its name.
    #[schema(value_type = schema::TenantName)]
    pub name: TenantName,
    /// How many accounts it and the tenants beneath it may have; `null`: unlimited.
    #[schema(value_type = schema::Limit)]
    pub account_limit: Limit,
    /// Whether it may promise more than it has.
    pub may_oversell: bool,
    /// How much disk space the plans of its accounts, and of those beneath it, may promise together, in units of 2^20
    /// bytes; `null`: unlimited. Not held to while it may oversell.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub disk_limit_mb: Limit,
    /// How much bandwidth in a month these plans may promise, in units of 2^20 bytes; `null`: unlimited. Not held to
    /// while it may oversell; otherwise a plan without a limit of it is refused.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_limit_mb_per_month: Limit,
    /// How many domains it and the tenants beneath it may have; `null`: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub domain_limit: Limit,
    /// How many mailboxes; `null`: unlimited. Kept and shown; held to once there are mailboxes.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub mailbox_limit: Limit,
    /// How many databases; `null`: unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub database_limit: Limit,
    /// How many requests to the API its keys and those of the tenants beneath it may make in a minute; `null`:
    /// unlimited.
    #[serde(default = "crate::plan::unlimited")]
    #[schema(value_type = schema::Limit)]
    pub api_requests_per_minute: Limit,
    /// What of all that it and the tenants beneath it have.
    #[serde(default)]
    pub usage: TenantUsage,
    /// Why nothing of it is served and its keys change nothing; `null`: it is not suspended itself. One above it may be.
    #[serde(default)]
    pub suspension: Option<Suspension>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}

/// What a tenant and those beneath it have, without what is being deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantUsage {
    /// Accounts.
    #[schema(value_type = schema::Count)]
    pub accounts: u64,
    /// The disk space that their plans promise, in units of 2^20 bytes.
    #[schema(value_type = schema::TotalMegabytes)]
    pub disk_mb: u64,
    /// The bandwidth that those of their plans promise which have a limit of it, in units of 2^20 bytes.
    #[schema(value_type = schema::TotalMegabytes)]
    pub bandwidth_mb_per_month: u64,
    /// Domains.
    #[schema(value_type = schema::Count)]
    pub domains: u64,
    /// Databases.
    #[schema(value_type = schema::Count)]
    pub databases: u64,
}
