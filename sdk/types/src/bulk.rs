//! Many things made by one call.

use npanel_model::OperationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChangePreview, Problem, schema};

/// The most that one call makes.
pub const MOST_IN_BULK: usize = 1000;

/// Things that are to be made by one call, each by itself: one that fails does not keep the others from being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk<T> {
    /// 1 to 1,000 of them, as each would be sent by itself.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<T>,
}

/// What became of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer<T> {
    /// One for each that was sent, in the same order.
    pub items: Vec<BulkItem<T>>,
    /// How many were made; of a dry run, how many would be.
    #[schema(value_type = schema::Count)]
    pub succeeded: u64,
    /// How many failed, or were not begun in time.
    #[schema(value_type = schema::Count)]
    pub failed: u64,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkItem<T> {
    /// The HTTP status that it would have had by itself.
    #[schema(minimum = 200, maximum = 599, example = 201)]
    pub status: u16,
    /// What was made.
    #[serde(default = "nothing", skip_serializing_if = "Option::is_none")]
    pub object: Option<T>,
    /// Its operation, if nodes have something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::OperationId>)]
    pub operation_id: Option<OperationId>,
    /// Of a dry run: what it would come to by itself. Those before it are not made either, and do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<ChangePreview>,
    /// Why it was not made. Its `field` is one of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

fn nothing<T>() -> Option<T> {
    None
}
