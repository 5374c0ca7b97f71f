//! How much of the change feed is kept.

use npanel_proto::command::PurgeChanges;

use crate::context::{Context, Rule};

/// So many rows are kept, however new: about 150 MB.
pub(crate) const KEPT: u64 = 1_000_000;
/// Older ones are not, however few: 7 days.
pub(crate) const KEPT_MILLIS: i64 = 7 * 24 * 3600 * 1000;

/// Takes out what is too old or too much, the oldest first: whole log entries, so that who reads on from one misses
/// nothing of it.
pub(super) fn purge(ctx: &Context<'_>, body: &PurgeChanges) -> Rule<()> {
    ctx.require_controller()?;
    let rows = count(ctx)?;
    let excess = rows.saturating_sub(KEPT);
    let too_old = ctx.now.as_millis() - KEPT_MILLIS;
    let oldest = ctx.all(
        "SELECT log_index, time_millis FROM changes ORDER BY log_index, position LIMIT ?1",
        [body.most],
        |row| Ok((row.get::<_, u64>(0)?, row.get::<_, i64>(1)?)),
    )?;
    let Some(last) = last_to_go(&oldest, excess, too_old) else { return Ok(()) };
    let gone = ctx.run("DELETE FROM changes WHERE log_index <= ?1", [last])?;
    ctx.run("UPDATE change_feed SET gone_index = ?1, counted_rows = counted_rows - ?2", (last, gone))?;
    Ok(())
}

/// The last log entry that goes, of the oldest rows with their times.
fn last_to_go(oldest: &[(u64, i64)], excess: u64, too_old: i64) -> Option<u64> {
    let goes = |number: u64, time: i64| number < excess || time < too_old;
    (0..)
        .zip(oldest)
        .take_while(|(number, (_, time))| goes(*number, *time))
        .map(|(_, (index, _))| *index)
        .last()
}

/// How many rows there are. Those that were counted before are not counted again.
fn count(ctx: &Context<'_>) -> Rule<u64> {
    let counted = ctx.find(
        "UPDATE change_feed SET
             counted_rows = counted_rows + (SELECT count(*) FROM changes WHERE log_index > counted_index),
             counted_index = ?1
         RETURNING counted_rows",
        [ctx.index],
        |row| row.get(0),
    )?;
    Ok(counted.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_or_too_old_goes_and_nothing_else() {
        let oldest = [(3, 10), (3, 10), (5, 20), (8, 30)];
        assert_eq!(last_to_go(&oldest, 0, 10), None);
        assert_eq!(last_to_go(&oldest, 0, 11), Some(3));
        assert_eq!(last_to_go(&oldest, 1, 0), Some(3), "an entry goes as a whole");
        assert_eq!(last_to_go(&oldest, 3, 0), Some(5));
        assert_eq!(last_to_go(&oldest, 1, 30), Some(5));
        assert_eq!(last_to_go(&oldest, 9, 0), Some(8));
        assert_eq!(last_to_go(&[], 9, 9), None);
    }
}
