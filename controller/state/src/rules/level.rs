//! The cluster's feature level: raised by the leader, up to where an operator lets it.

use npanel_proto::command::{FeatureLevelLimit, RaiseFeatureLevel};

use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule},
    level,
};

pub(super) fn raise(ctx: &Context<'_>, body: &RaiseFeatureLevel) -> Rule<()> {
    ctx.require_controller()?;
    let (active, limit) = known(ctx)?;
    if body.level <= active {
        // Another leader did.
        return Ok(());
    }
    if body.level != ctx.level {
        let message = format!("it is raised by a command of its level, {} (got {})", body.level, ctx.level);
        return Err(invalid("/level", message));
    }
    if let Some(limit) = limit.filter(|limit| *limit < body.level) {
        return Err(invalid("/level", format!("the cluster is held at level {limit} (got {})", body.level)));
    }
    ctx.run("UPDATE cluster SET feature_level = ?1", [body.level])?;
    ctx.memory.borrow_mut().forget_level();
    let platform = ctx.root_tenant()?;
    ctx.note(platform, "cluster", platform.to_bytes(), "changed");
    Ok(())
}

/// Sets up to where the level is raised. How many rows changed.
pub(super) fn hold(ctx: &Context<'_>, body: &FeatureLevelLimit) -> Rule<usize> {
    let (active, _) = known(ctx)?;
    if let Some(limit) = body.limit.filter(|limit| *limit < active) {
        let message =
            format!("the cluster is at level {active} already, and it is never lowered (got {limit})");
        return Err(invalid("/feature_level_limit", message));
    }
    ctx.run("UPDATE cluster SET feature_level_limit = ?1 WHERE feature_level_limit IS NOT ?1", [body.limit])
}

/// The level, and up to where it may be raised.
fn known(ctx: &Context<'_>) -> Rule<(u32, Option<u32>)> {
    let found = ctx.find("SELECT feature_level, feature_level_limit FROM cluster", [], |row| {
        Ok((level::agreed(row.get(0)?), row.get(1)?))
    })?;
    found
        .ok_or_else(|| Refusal::new(RefusalCode::Unavailable, "", "the cluster has not been made yet").into())
}

fn invalid(field: &'static str, message: String) -> crate::context::Halt {
    Refusal::new(RefusalCode::Invalid, field, message).into()
}
