//! Suspensions.

use npanel_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be suspended, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Why, for people: at most 500 characters in one line.
    #[serde(default)]
    #[schema(example = "unpaid invoice 4711")]
    pub reason: String,
}

/// Whose suspension it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionOf {
    /// Of the account, and with it of everything that it has.
    Account,
    /// Of the domain by itself.
    Domain,
}

/// Why something is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suspension {
    /// Whose suspension it is; a domain's own is shown before its account's.
    pub of: SuspensionOf,
    /// Why, for people; may be empty.
    pub reason: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Who did it.
    #[schema(example = "api_key/0190a5d2-0000-7000-8000-000000000001")]
    pub by: String,
}
