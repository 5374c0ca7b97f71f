//! The audit's own: the key that vouches for it, and what it has vouched for.

use npanel_audit::{CheckpointError, Hash, SignedCheckpoint, root_of};
use npanel_proto::command::{CreateAuditKey, RecordCheckpoint};
use rusqlite::{Connection, OptionalExtension};

use super::secrets;
use crate::{
    Refusal, RefusalCode,
    audit::StoredNodes,
    context::{Context, Rule},
};

/// So many checkpoints are all kept: a week of minutes. Of older ones, the last of each day.
const KEPT: i64 = 10_000;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

pub(super) fn create_key(ctx: &Context<'_>, body: &CreateAuditKey) -> Rule<()> {
    ctx.require_controller()?;
    if body.public_key.len() != 32 || body.sealed_key.is_empty() {
        return Err(invalid("a key of the audit has a public and a sealed private half"));
    }
    secrets::require_cluster_key(ctx, &body.sealed_key)?;
    let is_first = ctx.run(
        "INSERT INTO audit_key (only_row, public_key, sealed_key, created_millis) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        (&body.public_key, &body.sealed_key, ctx.now.as_millis()),
    )?;
    if is_first == 0 { Err(invalid("the audit has a key already")) } else { Ok(()) }
}

/// Takes a checkpoint only of what the tree was: what is kept here has been compared on every replica.
pub(super) fn record_checkpoint(ctx: &Context<'_>, body: &RecordCheckpoint) -> Rule<()> {
    ctx.require_controller()?;
    let note: SignedCheckpoint =
        body.note.parse().map_err(|error: CheckpointError| invalid(error.to_string()))?;
    let (size, said) = (note.unverified().size, note.unverified().root);
    // One by one, each by its index.
    let newest =
        "SELECT (SELECT max(serial) FROM audit_checkpoints), (SELECT max(tree_size) FROM audit_checkpoints)";
    let known = ctx.find(newest, [], |row| {
        Ok((row.get::<_, Option<i64>>(0)?.unwrap_or(0), row.get::<_, Option<u64>>(1)?.unwrap_or(0)))
    })?;
    let (last, largest) = known.unwrap_or_default();
    if size <= largest || size > ctx.tree.size() {
        let have = ctx.tree.size();
        return Err(invalid(format!(
            "a checkpoint is of more than the last one, {largest}, and of at most all {have} entries (got {size})"
        )));
    }
    let root = root_at(ctx, size)?;
    if Some(said) != root {
        tracing::error!(size, %said, ?root, "the leader's checkpoint is not of the audit that this replica has");
        return Err(invalid(format!("the first {size} entries do not have that root")));
    }
    ctx.run(
        "INSERT INTO audit_checkpoints (serial, tree_size, time_millis, note) VALUES (?1, ?2, ?3, ?4)",
        (last + 1, size, ctx.now.as_millis(), &body.note),
    )?;
    thin(ctx.db, last + 1)?;
    Ok(())
}

/// The root of the first `size` entries; `None` if the database lacks what it is made of, as only another program's doing
/// can leave it.
fn root_at(ctx: &Context<'_>, size: u64) -> Rule<Option<Hash>> {
    if size == ctx.tree.size() {
        return Ok(Some(ctx.tree.root()));
    }
    Ok(root_of(&StoredNodes(ctx.db), size).optional()?)
}

/// Each is looked at once, when it gets old: the next one is of the same day, or it was the last of its own.
fn thin(db: &Connection, newest: i64) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "DELETE FROM audit_checkpoints WHERE serial = ?1 AND time_millis / ?2 =
             (SELECT time_millis / ?2 FROM audit_checkpoints WHERE serial = ?1 + 1)",
    )?
    .execute((newest - KEPT, DAY_MILLIS))
}

fn invalid(message: impl Into<String>) -> crate::context::Halt {
    Refusal::new(RefusalCode::Invalid, "", message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_old_checkpoints_the_last_of_each_day_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        crate::open::migrate(&path).await.expect("migrated");
        let mut db = Connection::open(&path).expect("it opens");
        let batch = db.transaction().expect("a transaction");
        // Four a day.
        for serial in 1..=KEPT + 20 {
            batch
                .execute(
                    "INSERT INTO audit_checkpoints (serial, tree_size, time_millis, note) VALUES (?1, ?1, ?2, '')",
                    (serial, (serial - 1) * DAY_MILLIS / 4),
                )
                .expect("inserted");
            thin(&batch, serial).expect("thinned");
        }
        let mut kept =
            batch.prepare("SELECT serial FROM audit_checkpoints ORDER BY serial").expect("a query");
        let kept: Vec<i64> =
            kept.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("serials");
        assert_eq!(kept[..6], [4, 8, 12, 16, 20, 21]);
        assert_eq!(kept.len() as i64, KEPT + 5);
    }
}
