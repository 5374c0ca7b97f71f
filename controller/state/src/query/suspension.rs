//! Suspensions, as accounts and domains show them.

use npanel_model::Timestamp;

use super::{
    QueryError,
    row::{self, AnyRow},
};

/// Why something is not served, since when, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// For people; may be empty.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who did it, as the audit writes a principal.
    pub by: String,
}

/// The columns of a row that may be suspended.
pub(super) struct Columns {
    pub(super) since: &'static str,
    pub(super) reason: &'static str,
    pub(super) by: &'static str,
}

/// An account's or domain's own.
pub(super) const OWN: Columns =
    Columns { since: "suspended_millis", reason: "suspended_reason", by: "suspended_by" };

pub(super) fn of_row(row: &impl AnyRow, columns: &Columns) -> Result<Option<Suspension>, QueryError> {
    let Some(since) = row::optional_time(row, columns.since)? else { return Ok(None) };
    Ok(Some(Suspension { reason: row::get(row, columns.reason)?, since, by: row::get(row, columns.by)? }))
}
