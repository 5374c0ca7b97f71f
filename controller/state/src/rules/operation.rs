//! Operations that are over and old; and with them what else is kept for a time, and goes by itself when nothing new comes.

use npanel_proto::command::PurgeOperations;

use super::{event, session};
use crate::context::{Context, Rule};

/// An answer to a repeated write names its operation for a day, so it is kept for at least as long.
pub(super) const SHORTEST_RETENTION_SECONDS: u64 = 24 * 3600;

/// Ten years: what is to be kept for longer is for the audit.
pub(super) const LONGEST_RETENTION_SECONDS: u64 = 3650 * 24 * 3600;

/// From this level on, events and sessions that are over go also when no new ones come.
const OTHERS_AGE: u32 = 4;

/// Takes out what ended longer ago than operations are kept, the oldest first, so many rows at most: a large operation's
/// targets go over several batches, itself with the last of them.
pub(super) fn purge(ctx: &Context<'_>, body: &PurgeOperations) -> Rule<()> {
    ctx.require_controller()?;
    if ctx.level >= OTHERS_AGE {
        event::purge(ctx, body.most)?;
        session::purge(ctx, body.most.into())?;
    }
    let kept = ctx.find("SELECT operation_retention_seconds FROM cluster", [], |row| row.get::<_, i64>(0))?;
    let oldest = ctx.now.as_millis().saturating_sub(kept.unwrap_or(i64::MAX).saturating_mul(1000));
    let over = ctx.all(
        "SELECT id FROM operations WHERE finished_millis < ?1 ORDER BY finished_millis, id LIMIT ?2",
        (oldest, body.most),
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    let mut left = body.most as usize;
    for operation in over {
        left -= ctx.run(
            "DELETE FROM operation_targets
             WHERE operation_id = ?1 AND (node_id, kind, object_id, generation) IN (
                 SELECT node_id, kind, object_id, generation FROM operation_targets WHERE operation_id = ?1
                 ORDER BY node_id, kind, object_id, generation LIMIT ?2)",
            (&operation, left),
        )?;
        if left == 0 {
            return Ok(());
        }
        left -= ctx.run("DELETE FROM operations WHERE id = ?1", [&operation])?;
    }
    Ok(())
}
