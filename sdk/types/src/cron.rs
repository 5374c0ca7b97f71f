//! Scheduled jobs of accounts.

use npanel_model::{AccountId, Revision, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, schema};

/// A scheduled job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CronJob {
    /// When: the five fields of crontab(5), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`; by the node's
    /// local time. While the job runs it is not started again.
    #[schema(value_type = schema::CronSchedule)]
    pub schedule: npanel_model::CronSchedule,
    /// What: one line for `/bin/sh`, run as the account, in its home. `%` means itself.
    #[schema(value_type = schema::CronCommand)]
    pub command: npanel_model::CronCommand,
}

/// All scheduled jobs of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCronJobs {
    /// Exactly these; others go. At most 100.
    #[schema(max_items = 100)]
    pub jobs: Vec<CronJob>,
}

/// The scheduled jobs of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CronTable {
    /// The account's id.
    #[schema(value_type = schema::AccountId)]
    pub id: AccountId,
    /// Its jobs. They rest while the account is suspended.
    pub jobs: Vec<CronJob>,
    /// When the first were set.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When they were last changed, as a place in the fleet's log: what `If-Match` is compared with.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with them.
    #[serde(flatten)]
    pub convergence: Convergence,
}
