//! Errors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Why a request was refused or failed (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem; the same for the same `code`.
    #[serde(rename = "type")]
    #[schema(max_length = 200, example = "/problems/name_taken")]
    pub kind: String,
    /// The kind of problem in a few words.
    #[schema(example = "The name is taken")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// The kind of problem as a stable word for programs.
    #[schema(example = "name_taken")]
    pub code: String,
    /// What is the matter with this very request.
    #[schema(example = "the domain example.com is taken")]
    pub detail: String,
    /// The field of the body, or the query parameter, that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "name")]
    pub field: Option<String>,
    /// The request's id, as in the header `X-Request-Id` and in the controller's log.
    #[schema(value_type = schema::RequestId)]
    pub request_id: String,
}
