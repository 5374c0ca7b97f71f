//! Lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Some of a list, in the order in which its items were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to give as `after` to get the items that follow; `null` at the end.
    #[schema(example = "mYoBhPSzTTQBkKXSfAAwAIAAAAAAAAAD")]
    pub next: Option<String>,
}
