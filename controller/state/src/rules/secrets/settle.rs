//! The end of keys that nothing needs any more, and of the rotation.

use npanel_proto::command::SettleSecrets;

use super::cluster_key;
use crate::{
    context::{Context, Rule},
    sealing::{self, Rotation},
};

pub(in crate::rules) fn settle(ctx: &Context<'_>, body: &SettleSecrets) -> Rule<()> {
    ctx.require_controller()?;
    cluster_key::settle(ctx)?;
    ctx.db.pragma_update(None, "secure_delete", "ON")?;
    let destroyed = ctx.run(
        &format!(
            "DELETE FROM former_data_keys WHERE (tenant_id, name) IN (
                 {} ORDER BY f.tenant_id, f.name LIMIT ?2)",
            sealing::UNNEEDED_DATA_KEYS
        ),
        (sealing::arrived_before(ctx.now), body.most),
    );
    ctx.db.pragma_update(None, "secure_delete", "FAST")?;
    destroyed?;
    cluster_key::destroy_unneeded(ctx, ctx.now)?;
    match sealing::unfinished(ctx.db)? {
        Some(rotation) if sealing::is_over(ctx.db, &rotation)? => finish(ctx, &rotation),
        _ => Ok(()),
    }
}

fn finish(ctx: &Context<'_>, rotation: &Rotation) -> Rule<()> {
    let now = ctx.now.as_millis();
    ctx.run("UPDATE secret_rotation SET finished_millis = ?1, done = total", [now])?;
    ctx.run("UPDATE operations SET finished_millis = ?2 WHERE id = ?1", (&rotation.operation, now))?;
    Ok(())
}
