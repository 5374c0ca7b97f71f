//! The change feed: what was written down of changes, in the order of the log.

use npanel_model::{TenantId, Timestamp};
use rusqlite::{Connection, Row};

use super::{QueryError, Reader};
use crate::{
    context::tenant_id,
    rules::{FEED_KEPT, FEED_KEPT_MILLIS},
};

/// That an object has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// The log entry that it comes from.
    pub index: u64,
    /// Which of that entry's, from 0.
    pub position: u64,
    /// When, by the leader's clock.
    pub time: Timestamp,
    /// Whose the object is.
    pub tenant_id: TenantId,
    /// The object's kind, such as "account".
    pub kind: String,
    /// The object.
    pub object_id: Vec<u8>,
    /// "created", "changed", "deleted" or "observed".
    pub change: String,
    /// Who did it, as the audit writes it.
    pub actor: String,
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPart {
    /// The events, whole log entries of them.
    pub events: Vec<FeedEvent>,
    /// Up to this log entry it has been looked; the next part is after it.
    pub reaches: u64,
    /// Whether there may be more by now.
    pub has_more: bool,
}

/// Why there is no such part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedGone {
    /// The events up to this log entry are kept no longer.
    pub gone_index: u64,
}

impl Reader {
    /// What `scope` sees of the feed (all, if none is given) after a log entry. So many rows are looked through, and those
    /// of one more entry.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn feed(
        &self,
        scope: Option<TenantId>,
        after: u64,
        most: u32,
    ) -> Result<Result<FeedPart, FeedGone>, QueryError> {
        self.at_length(move |db| part(db, scope, after, most)).await
    }

    /// Whether there is something in the feed that is kept no longer, as of a time.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn has_changes_to_purge(&self, now: Timestamp) -> Result<bool, QueryError> {
        let too_old = now.as_millis() - FEED_KEPT_MILLIS;
        self.at_length(move |db| {
            let oldest: Option<i64> = first(
                db,
                "SELECT time_millis FROM changes ORDER BY log_index, position LIMIT 1",
                |row| row.get(0),
            )?;
            if oldest.is_some_and(|time| time < too_old) {
                return Ok(true);
            }
            let rows: Option<u64> = first(
                db,
                "SELECT counted_rows + (SELECT count(*) FROM changes WHERE log_index > counted_index) FROM change_feed",
                |row| row.get(0),
            )?;
            Ok(rows.is_some_and(|rows| rows > FEED_KEPT))
        })
        .await
    }
}

fn first<T>(
    db: &Connection,
    select: &str,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, QueryError> {
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query([])?;
    Ok(rows.next()?.map(read).transpose()?)
}

fn part(
    db: &Connection,
    scope: Option<TenantId>,
    after: u64,
    most: u32,
) -> Result<Result<FeedPart, FeedGone>, QueryError> {
    // Each statement may see a later state than the one before: first how far it goes, last what has gone.
    let applied: u64 = first(db, "SELECT applied_index FROM raft", |row| row.get(0))?.unwrap_or(0);
    let (rows, last): (u32, Option<u64>) = db
        .prepare_cached(
            "SELECT count(*), max(log_index) FROM (
                 SELECT log_index FROM changes WHERE log_index > ?1 AND log_index <= ?2 ORDER BY log_index LIMIT ?3)",
        )?
        .query_row((after, applied, most), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let has_more = rows == most;
    let reaches = if has_more { last.unwrap_or(applied) } else { applied.max(after) };
    let mut events = Vec::new();
    if rows > 0 {
        let seen = match scope {
            Some(_) => {
                "AND (EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?3 AND tenant_id = c.tenant_id)
                   OR EXISTS (SELECT 1 FROM former_tenant_tree WHERE ancestor_id = ?3 AND tenant_id = c.tenant_id))"
            }
            None => "AND ?3 IS NULL",
        };
        let mut select = db.prepare_cached(&format!(
            "SELECT log_index, position, time_millis, tenant_id, kind, object_id, change, actor FROM changes c
             WHERE log_index > ?1 AND log_index <= ?2 {seen} ORDER BY log_index, position"
        ))?;
        let mut rows = select.query((after, reaches, scope.map(TenantId::to_bytes)))?;
        while let Some(row) = rows.next()? {
            events.push(event(row)?);
        }
    }
    let gone_index = first(db, "SELECT gone_index FROM change_feed", |row| row.get(0))?.unwrap_or(0);
    let lost =
        first(db, "SELECT restored_from, restored_index FROM cluster", |row| Ok((row.get(0)?, row.get(1)?)))?;
    let gone_index = gone_before(after, gone_index, lost.unwrap_or_default());
    if after < gone_index {
        return Ok(Err(FeedGone { gone_index }));
    }
    Ok(Ok(FeedPart { events, reaches, has_more }))
}

/// What is there to be told begins after this. Who has been told of what a restoration has undone does not learn of that by the
/// events after it. `lost`: where the log before it ended, and where the restoration is.
fn gone_before(after: u64, gone_index: u64, (from, restored): (u64, u64)) -> u64 {
    if (from + 1..restored).contains(&after) { gone_index.max(restored) } else { gone_index }
}

fn event(row: &Row<'_>) -> rusqlite::Result<FeedEvent> {
    Ok(FeedEvent {
        index: row.get(0)?,
        position: row.get(1)?,
        time: Timestamp::from_millis(row.get(2)?),
        tenant_id: tenant_id(row, 3)?,
        kind: row.get(4)?,
        object_id: row.get(5)?,
        change: row.get(6)?,
        actor: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_of_what_a_restoration_has_undone_begins_anew() {
        let lost = (100, 5_000);
        for (after, gone) in [(0, 7), (100, 7), (101, 5_000), (4_999, 5_000), (5_000, 7), (6_000, 7)] {
            assert_eq!(gone_before(after, 7, lost), gone, "after {after}");
        }
        assert_eq!(gone_before(3, 7, (0, 0)), 7, "never restored");
    }
}
