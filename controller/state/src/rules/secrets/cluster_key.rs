//! The cluster keys: which there are, and who has them. The keys themselves are never here.

use npanel_model::Timestamp;
use npanel_proto::command::{HoldClusterKey, OfferClusterKey};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Principal, Rule},
    sealing,
};

/// The key that a cluster begins with.
pub(in crate::rules) fn first(ctx: &Context<'_>) -> Rule<()> {
    ctx.run(
        "INSERT INTO cluster_keys (name, version, state, offered_index, created_millis) VALUES (x'', 1, 'current', 0, ?1)",
        [ctx.now.as_millis()],
    )?;
    Ok(())
}

/// A key that the leader made because the rotation wants one. Nothing is sealed by it before a majority has it, so one that
/// was lost with the controller that made it is replaced by another.
pub(in crate::rules) fn offer(ctx: &Context<'_>, body: &OfferClusterKey) -> Rule<()> {
    ctx.require_controller()?;
    if body.name.len() != 8 {
        return Err(invalid(format!("a key's name has 8 bytes (got {})", body.name.len())));
    }
    match sealing::unfinished(ctx.db)? {
        Some(rotation) if sealing::needs_cluster_key(ctx.db, &rotation)? => {}
        _ => return Err(invalid("no new cluster key is wanted")),
    }
    ctx.run(
        "UPDATE cluster_keys SET state = 'dropped', ended_millis = ?1 WHERE state = 'offered'",
        [ctx.now.as_millis()],
    )?;
    ctx.run("DELETE FROM cluster_key_holders WHERE name IN (SELECT name FROM cluster_keys WHERE state = 'dropped')", [])?;
    let added = ctx.run(
        "INSERT INTO cluster_keys (name, version, state, offered_index, created_millis)
         SELECT ?1, max(version) + 1, 'offered', ?2, ?3 FROM cluster_keys WHERE true ON CONFLICT DO NOTHING",
        (&body.name, ctx.index, ctx.now.as_millis()),
    )?;
    if added == 1 { Ok(()) } else { Err(invalid("a key of this name was there before")) }
}

/// A controller has the key on disk.
pub(in crate::rules) fn hold(ctx: &Context<'_>, body: &HoldClusterKey) -> Rule<()> {
    let Principal::Controller(controller) = ctx.principal else {
        ctx.require_controller()?;
        return Ok(());
    };
    let added = ctx.run(
        "INSERT INTO cluster_key_holders (name, controller_id)
         SELECT k.name, c.id FROM cluster_keys k, controllers c
         WHERE k.name = ?1 AND k.state IN ('offered', 'current') AND c.id = ?2
         ON CONFLICT DO NOTHING",
        (&body.name, controller),
    )?;
    if added == 0 { Ok(()) } else { settle(ctx) }
}

/// What a majority has becomes the current key.
pub(super) fn settle(ctx: &Context<'_>) -> Rule<()> {
    let Some(name) = ctx.find(sealing::HELD_BY_MOST, [], |row| row.get::<_, Vec<u8>>(0))? else {
        return Ok(());
    };
    ctx.run(
        "UPDATE cluster_keys SET state = 'former', former_millis = ?1 WHERE state = 'current'",
        [ctx.now.as_millis()],
    )?;
    ctx.run("UPDATE cluster_keys SET state = 'current' WHERE name = ?1", [name])?;
    Ok(())
}

/// Former keys that nothing needs any more.
pub(super) fn destroy_unneeded(ctx: &Context<'_>, now: Timestamp) -> Rule<()> {
    let unneeded = ctx.all(sealing::UNNEEDED_CLUSTER_KEYS, [sealing::arrived_before(now)], |row| {
        row.get::<_, Vec<u8>>(0)
    })?;
    for name in unneeded {
        ctx.run(
            "UPDATE cluster_keys SET state = 'destroyed', ended_millis = ?2 WHERE name = ?1",
            (&name, now.as_millis()),
        )?;
        ctx.run("DELETE FROM cluster_key_holders WHERE name = ?1", [&name])?;
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> crate::context::Halt {
    Refusal::new(RefusalCode::Invalid, "", message).into()
}
