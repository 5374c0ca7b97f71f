//! Plans.

use npanel_model::{Limit, Megabytes, PhpVersion, PlanId, PlanName, Revision, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChangePlanPlacement, PlanPlacement, change::present, schema};

pub(crate) fn unlimited() -> Limit {
    Limit::Unlimited
}

/// A new plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlan {
    /// The tenant that it belongs to; the caller's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// Its name: 1 to 63 of a-z, 0-9 and inner hyphens, unique within its tenant.
    #[schema(value_type = schema::PlanName)]
    pub name: PlanName,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[schema(value_type = schema::DiskSpace)]
    pub disk_mb: Megabytes,
    /// How many domains an account may have that are beneath no other of its own; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub domains: Limit,
    /// How many databases an account may have; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub databases: Limit,
    /// How many files and directories an account may have; `null` or absent: unlimited. Kept and shown; held to once
    /// nodes set quotas.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub inodes: Limit,
    /// How much an account's sites may send in a month, in units of 2^20 bytes; `null` or absent: unlimited. Promised
    /// within its tenant's limit; held to once it is measured.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_mb_per_month: Limit,
    /// How many domains an account may have beneath another domain of its own, which do not count as `domains`;
    /// `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub subdomains: Limit,
    /// How many mailboxes an account may have; `null` or absent: unlimited. Kept and shown; held to once there are
    /// mailboxes.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub mailboxes: Limit,
    /// How many FTP users an account may have; `null` or absent: unlimited. Kept and shown; held to once there are
    /// FTP users.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub ftp_users: Limit,
    /// How many scheduled jobs an account may have; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub cron_jobs: Limit,
    /// How much of one processor all processes of an account may take, in hundredths: 5 to 51200; `null` or absent:
    /// unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::CpuLimit)]
    pub cpu_percent: Limit,
    /// How much of memory all processes of an account may take, in units of 2^20 bytes: 64 to 16777216; beyond it the
    /// kernel ends some of them; `null` or absent: unlimited. What is promised is `memory_mb`.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::MemoryLimit)]
    pub memory_limit_mb: Limit,
    /// How many processes and threads an account may have: 16 to 4194304; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::ProcessLimit)]
    pub processes: Limit,
    /// How much all processes of an account may read from the disk of the homes in a second, and as much that they
    /// may write, in units of 2^20 bytes: 1 to 1048576; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::IoLimit)]
    pub io_mb_per_second: Limit,
    /// How many reads from that disk all processes of an account may make in a second, and as many writes: 10 to
    /// 10000000; `null` or absent: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::IoOperationsLimit)]
    pub io_operations_per_second: Limit,
    /// The PHP version of its accounts.
    #[schema(value_type = schema::PhpVersion)]
    pub php_version: PhpVersion,
    /// The PHP versions that its accounts may choose, at most 100, its own among them; absent or none: all that their nodes have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::PhpVersion>, max_items = 100)]
    pub php_versions: Vec<PhpVersion>,
    /// The memory that an account is promised on its node, in units of 2^20 bytes; 0 or absent: none.
    #[serde(default)]
    #[schema(value_type = schema::Megabytes)]
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
    #[schema(value_type = schema::PlanName)]
    pub name: Option<PlanName>,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::DiskSpace)]
    pub disk_mb: Option<Megabytes>,
    /// How many domains an account may have that are beneath no other of its own; `null`: unlimited. Accounts that have
    /// more keep them and can add none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub domains: Option<Limit>,
    /// How many databases an account may have; `null`: unlimited. Accounts that have more keep them and can add
    /// none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub databases: Option<Limit>,
    /// How many files and directories an account may have; `null`: unlimited. Kept and shown; held to once nodes set
    /// quotas.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub inodes: Option<Limit>,
    /// How much an account's sites may send in a month, in units of 2^20 bytes; `null`: unlimited. Promised within
    /// its tenant's limit; held to once it is measured.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_mb_per_month: Option<Limit>,
    /// How many domains an account may have beneath another domain of its own, which do not count as `domains`;
    /// `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub subdomains: Option<Limit>,
    /// How many mailboxes an account may have; `null`: unlimited. Kept and shown; held to once there are mailboxes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub mailboxes: Option<Limit>,
    /// How many FTP users an account may have; `null`: unlimited. Kept and shown; held to once there are FTP users.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub ftp_users: Option<Limit>,
    /// How many scheduled jobs an account may have; `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub cron_jobs: Option<Limit>,
    /// How much of one processor all processes of an account may take, in hundredths: 5 to 51200; `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::CpuLimit)]
    pub cpu_percent: Option<Limit>,
    /// How much of memory all processes of an account may take, in units of 2^20 bytes: 64 to 16777216; beyond it the
    /// kernel ends some of them; `null`: unlimited. What is promised is `memory_mb`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::MemoryLimit)]
    pub memory_limit_mb: Option<Limit>,
    /// How many processes and threads an account may have: 16 to 4194304; `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ProcessLimit)]
    pub processes: Option<Limit>,
    /// How much all processes of an account may read from the disk of the homes in a second, and as much that they
    /// may write, in units of 2^20 bytes: 1 to 1048576; `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::IoLimit)]
    pub io_mb_per_second: Option<Limit>,
    /// How many reads from that disk all processes of an account may make in a second, and as many writes: 10 to
    /// 10000000; `null`: unlimited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::IoOperationsLimit)]
    pub io_operations_per_second: Option<Limit>,
    /// The PHP versions that its accounts may choose, at most 100, its own among them; none: all that their nodes have. Accounts that
    /// have chosen another keep it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::PhpVersion>, max_items = 100)]
    pub php_versions: Option<Vec<PhpVersion>>,
    /// The PHP version of its accounts; at once that of all which have none of their own choice.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::PhpVersion)]
    pub php_version: Option<PhpVersion>,
    /// The memory that an account is promised on its node, in units of 2^20 bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Megabytes)]
    pub memory_mb: Option<Megabytes>,
    /// How its accounts are placed. New ones go by it; those that are there stay where they are, and show where that is
    /// not what the plan asks for. `null`: anywhere, as the cluster says. Only the platform says so.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ChangePlanPlacement>)]
    pub placement: Option<Option<ChangePlanPlacement>>,
}

impl CreatePlan {
    /// A plan with nothing limited but disk space.
    pub fn new(name: PlanName, disk_mb: Megabytes, php_version: PhpVersion) -> Self {
        Self {
            tenant_id: None,
            name,
            disk_mb,
            domains: Limit::Unlimited,
            databases: Limit::Unlimited,
            inodes: Limit::Unlimited,
            bandwidth_mb_per_month: Limit::Unlimited,
            subdomains: Limit::Unlimited,
            mailboxes: Limit::Unlimited,
            ftp_users: Limit::Unlimited,
            cron_jobs: Limit::Unlimited,
            cpu_percent: Limit::Unlimited,
            memory_limit_mb: Limit::Unlimited,
            processes: Limit::Unlimited,
            io_mb_per_second: Limit::Unlimited,
            io_operations_per_second: Limit::Unlimited,
            php_version,
            php_versions: Vec::new(),
            memory_mb: Megabytes(0),
            placement: None,
        }
    }
}

/// What an account gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its id.
    #[schema(value_type = schema::PlanId)]
    pub id: PlanId,
    /// The tenant that it belongs to.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Its name.
    #[schema(value_type = schema::PlanName)]
    pub name: PlanName,
    /// The disk space that an account gets, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub disk_mb: Megabytes,
    /// How many domains an account may have that are beneath no other of its own; `null`: unlimited.
    #[schema(value_type = schema::Limit)]
    pub domains: Limit,
    /// How many databases an account may have; `null`: unlimited.
    #[schema(value_type = schema::Limit)]
    pub databases: Limit,
    /// How many files and directories an account may have; `null`: unlimited. Kept and shown; held to once nodes set
    /// quotas.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub inodes: Limit,
    /// How much an account's sites may send in a month, in units of 2^20 bytes; `null`: unlimited. Promised within
    /// its tenant's limit; held to once it is measured.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub bandwidth_mb_per_month: Limit,
    /// How many domains an account may have beneath another domain of its own, which do not count as `domains`;
    /// `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub subdomains: Limit,
    /// How many mailboxes an account may have; `null`: unlimited. Kept and shown; held to once there are mailboxes.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub mailboxes: Limit,
    /// How many FTP users an account may have; `null`: unlimited. Kept and shown; held to once there are FTP users.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub ftp_users: Limit,
    /// How many scheduled jobs an account may have; `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub cron_jobs: Limit,
    /// How much of one processor all processes of an account may take, in hundredths: 5 to 51200; `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::CpuLimit)]
    pub cpu_percent: Limit,
    /// How much of memory all processes of an account may take, in units of 2^20 bytes: 64 to 16777216; beyond it the
    /// kernel ends some of them; `null`: unlimited. What is promised is `memory_mb`.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::MemoryLimit)]
    pub memory_limit_mb: Limit,
    /// How many processes and threads an account may have: 16 to 4194304; `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::ProcessLimit)]
    pub processes: Limit,
    /// How much all processes of an account may read from the disk of the homes in a second, and as much that they
    /// may write, in units of 2^20 bytes: 1 to 1048576; `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::IoLimit)]
    pub io_mb_per_second: Limit,
    /// How many reads from that disk all processes of an account may make in a second, and as many writes: 10 to
    /// 10000000; `null`: unlimited.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::IoOperationsLimit)]
    pub io_operations_per_second: Limit,
    /// The PHP versions that its accounts may choose; none: all that their nodes have.
    #[serde(default)]
    #[schema(value_type = Vec<schema::PhpVersion>)]
    pub php_versions: Vec<PhpVersion>,
    /// The PHP version of its accounts.
    #[schema(value_type = schema::PhpVersion)]
    pub php_version: PhpVersion,
    /// The memory that an account is promised on its node, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub memory_mb: Megabytes,
    /// How its accounts are placed. Shown to the platform only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlanPlacement>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}
