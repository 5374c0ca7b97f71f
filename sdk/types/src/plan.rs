//! Plans.

use npanel_model::{Limit, Megabytes, PhpVersion, PlanId, PlanName, Revision, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChangePlanPlacement, PlanPlacement, change::present};

pub(crate) fn unlimited() -> Limit {
    Limit::Unlimited
}

/// A new plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlan {
    /// The tenant that it belongs to; the caller's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub tenant_id: Option<TenantId>,
    /// Its name: 1 to 63 of a-z, 0-9 and inner hyphens, unique within its tenant.
    #[schema(value_type = String, example = "starter")]
    pub name: PlanName,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[schema(value_type = u64, example = 10240)]
    pub disk_mb: Megabytes,
    /// How many domains an account may have; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = Option<u64>)]
    pub domains: Limit,
    /// How many databases an account may have; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = Option<u64>)]
    pub databases: Limit,
    /// The PHP version of its accounts.
    #[schema(value_type = String, example = "8.2")]
    pub php_version: PhpVersion,
    /// The memory that an account is promised on its node, in units of 2^20 bytes; 0 or absent: none.
    #[serde(default)]
    #[schema(value_type = u64, example = 256)]
    pub memory_mb: Megabytes,
    /// How its accounts are placed; absent: anywhere, as the cluster says. Only the platform says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlanPlacement>,
}

/// A change of a plan. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlan {
    /// Its name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<PlanName>,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub disk_mb: Option<Megabytes>,
    /// How many domains an account may have; `null`: unlimited. Accounts that have more keep them and can add none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub domains: Option<Limit>,
    /// How many databases an account may have; `null`: unlimited. Accounts that have more keep them and can add
    /// none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub databases: Option<Limit>,
    /// The PHP version of its accounts; at once that of all which have none of their own choice.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub php_version: Option<PhpVersion>,
    /// The memory that an account is promised on its node, in units of 2^20 bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub memory_mb: Option<Megabytes>,
    /// How its accounts are placed. New ones go by it; those that are there stay where they are, and show where that is
    /// not what the plan asks for. `null`: anywhere, as the cluster says. Only the platform says so.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ChangePlanPlacement>)]
    pub placement: Option<Option<ChangePlanPlacement>>,
}

/// What an account gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: PlanId,
    /// The tenant that it belongs to.
    #[schema(value_type = String, format = "uuid")]
    pub tenant_id: TenantId,
    /// Its name.
    #[schema(value_type = String, example = "starter")]
    pub name: PlanName,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[schema(value_type = u64, example = 10240)]
    pub disk_mb: Megabytes,
    /// How many domains an account may have; `null`: unlimited.
    #[schema(value_type = Option<u64>)]
    pub domains: Limit,
    /// How many databases an account may have; `null`: unlimited.
    #[schema(value_type = Option<u64>)]
    pub databases: Limit,
    /// The PHP version of its accounts.
    #[schema(value_type = String, example = "8.2")]
    pub php_version: PhpVersion,
    /// The memory that an account is promised on its node, in units of 2^20 bytes.
    #[schema(value_type = u64, example = 256)]
    pub memory_mb: Megabytes,
    /// How its accounts are placed. Shown to the platform only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlanPlacement>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = u64)]
    pub revision: Revision,
}
