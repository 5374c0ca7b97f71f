//! Suspensions, as accounts and domains show them.

use npanel_model::{SuspensionKind, Timestamp};

use super::{
    QueryError,
    row::{self, AnyRow},
};

/// Why something is not served, since when, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// For people; may be empty.
    pub reason: String,
    /// For programs.
    pub kind: SuspensionKind,
    /// Since when.
    pub since: Timestamp,
    /// Who did it, as the audit writes a principal.
    pub by: String,
}

/// The columns of a row that may be suspended.
pub(super) struct Columns {
    pub(super) since: &'static str,
    pub(super) reason: &'static str,
    pub(super) kind: &'static str,
    pub(super) by: &'static str,
}

/// A tenant's, account's or domain's own.
pub(super) const OWN: Columns = Columns {
    since: "suspended_millis",
    reason: "suspended_reason",
    kind: "suspended_kind",
    by: "suspended_by",
};

/// That of the tenant which an account has followed, or of one above it.
pub(super) const OF_TENANT: Columns = Columns {
    since: "tenant_suspended_millis",
    reason: "tenant_suspended_reason",
    kind: "tenant_suspended_kind",
    by: "tenant_suspended_by",
};

pub(super) fn of_row(row: &impl AnyRow, columns: &Columns) -> Result<Option<Suspension>, QueryError> {
    let Some(since) = row::optional_time(row, columns.since)? else { return Ok(None) };
    let kind: &str = row::get(row, columns.kind)?;
    Ok(Some(Suspension {
        reason: row::get(row, columns.reason)?,
        // It was not always said.
        kind: kind.parse().unwrap_or(SuspensionKind::Other),
        since,
        by: row::get(row, columns.by)?,
    }))
}
