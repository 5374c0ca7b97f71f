//! The feature level that the cluster is at: which commands there are, and by whose rules they are applied. It is part of the
//! state, so it is the same on every replica; the leader raises it by a command once every controller can follow, and nothing
//! lowers it.

use npanel_proto::{
    command::{Envelope, envelope::Command},
    levels,
};
use rusqlite::{Connection, OptionalExtension};

use crate::{Refusal, RefusalCode, context::Rule};

/// The feature level that this build goes up to. It is raised with the first change after a release that brings a command or a
/// field (its line is in `proto/levels.tsv`), or has a rule come to something else for a command that was there before
/// (which asks `Context::level`).
///
/// 2: what came after the first version: removal of controllers and of nodes by force, batches of what follows a plan, what
/// a lost node carried, and capacity in the state.
///
/// 3: accepted writes are leaves of the audit's tree. Until here the leader wrote its own level into commands, so a cluster
/// that has no other is at this one.
///
/// 4: the level itself is agreed on, and can be held back; a recovery key, and what a restored state is told; more limits of plans and
/// tenants, subdomains, three levels of tenants at most, and tenants that are suspended.
pub const FEATURE_LEVEL: u32 = 4;

/// The lowest level that a cluster can be at.
pub const OLDEST_FEATURE_LEVEL: u32 = levels::OLDEST;

/// The level that the state in a database is at; `None` before there is a cluster.
pub(crate) fn read(db: &Connection) -> rusqlite::Result<Option<u32>> {
    let stored: Option<u32> =
        db.prepare_cached("SELECT feature_level FROM cluster")?.query_row([], |row| row.get(0)).optional()?;
    Ok(stored.map(agreed))
}

/// What a stored level stands for.
pub(crate) fn agreed(stored: u32) -> u32 {
    stored.max(OLDEST_FEATURE_LEVEL)
}

/// The level whose rules a command is applied by, where the cluster is at `active`. The leader writes the level that it knows
/// into the envelope; between that and now it may have been raised.
pub(crate) fn of_rules(envelope: &Envelope, command: &Command, active: Option<u32>) -> Rule<u32> {
    let asked = envelope.feature_level;
    let Some(active) = active.filter(|_| asked >= OLDEST_FEATURE_LEVEL) else {
        // What makes the cluster; or an entry from before levels were agreed on.
        return Ok(asked);
    };
    let allowed = match command {
        Command::RaiseFeatureLevel(body) => active.max(body.level),
        // It is in no log, so no other replica has to follow.
        Command::RestoreCluster(_) => active.max(FEATURE_LEVEL),
        _ => active,
    };
    let needed = levels::needed(envelope).max(asked);
    if needed > allowed { Err(too_low(needed, active).into()) } else { Ok(asked.max(active)) }
}

/// The refusal of what the cluster is not ready for.
pub fn too_low(needed: u32, active: u32) -> Refusal {
    let message = format!(
        "this takes feature level {needed}, and the cluster is at {active}: it is raised once every controller can go so far"
    );
    Refusal::new(RefusalCode::FeatureLevelTooLow, "", message)
}
