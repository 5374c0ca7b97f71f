//! The state goes on from what it was, without what is lost of it. Nodes hold more than such a state knows, and nothing of that
//! may be destroyed, or mistaken for something else: whatever is given out from here on was never given out before.

use npanel_model::{Action, Uid};
use npanel_proto::command::{EnrolController, RestoreCluster};

use super::{controller, identity, replacement};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Principal, Rule},
};

pub(super) fn restore(ctx: &Context<'_>, body: &RestoreCluster) -> Rule<Effect> {
    ctx.require_controller()?;
    let platform = ctx.root_tenant()?;
    let first = body
        .controller
        .as_ref()
        .ok_or_else(|| invalid("/controller", "a controller is missing".to_owned()))?;
    if ctx.principal != Principal::Controller(first.controller_id) {
        return Err(invalid("/controller", "only the first controller begins anew".to_owned()).into());
    }
    let epoch: u64 = ctx.db.query_row("SELECT epoch FROM cluster", [], |row| row.get(0))?;
    if body.epoch <= epoch {
        let message = format!("the epoch is raised by a restoration (got {}, have {epoch})", body.epoch);
        return Err(invalid("/epoch", message).into());
    }
    let next_uid = u64::from(next_uid(ctx)?) + u64::from(body.uids_passed_over);
    if next_uid > u64::from(Uid::LAST.get()) {
        let message = format!("no uids are left (the next would be {next_uid}, the last is {})", Uid::LAST);
        return Err(invalid("/uids_passed_over", message).into());
    }
    ctx.run(
        "UPDATE cluster SET epoch = ?1, controllers_from = ?1, next_uid = ?2, restored_millis = ?3,
             restored_index = ?4, restored_from = ?5",
        (body.epoch, next_uid, ctx.now.as_millis(), ctx.index, body.from_index),
    )?;
    replace_controllers(ctx, first)?;
    // One that was used up since would be good again.
    ctx.run("DELETE FROM tokens", [])?;
    raise_generations(ctx, body.epoch)?;
    ctx.note(platform, "cluster", platform.to_bytes(), "changed");
    Ok(Effect {
        tenant: platform,
        action: Action::ClusterRestore,
        object: platform.to_bytes(),
        operation: Vec::new(),
    })
}

fn invalid(field: &'static str, message: String) -> Refusal {
    Refusal::new(RefusalCode::Invalid, field, message)
}

fn next_uid(ctx: &Context<'_>) -> Rule<u32> {
    Ok(ctx.db.query_row("SELECT next_uid FROM cluster", [], |row| row.get(0))?)
}

/// All others are out for good. Those that the state never heard of are so by their ids.
fn replace_controllers(ctx: &Context<'_>, first: &EnrolController) -> Rule<()> {
    let all = ctx.all("SELECT id FROM controllers ORDER BY id", [], |row| row.get::<_, u64>(0))?;
    let (own, others): (Vec<u64>, Vec<u64>) = all.into_iter().partition(|id| *id == first.controller_id);
    let platform = ctx.root_tenant()?;
    for id in others {
        ctx.run("DELETE FROM controllers WHERE id = ?1", [id])?;
        replacement::is_over(ctx, id)?;
        identity::revoke(ctx, &format!("controller/{id}"))?;
        ctx.note(platform, "controller", id.to_be_bytes().to_vec(), "deleted");
    }
    if own.is_empty() { controller::insert(ctx, first) } else { Ok(()) }
}

/// What lives gets a generation that is higher than any that a node may have of it, so that nodes take what the state says. What
/// is to go does not: a node that has a newer generation has been told since that it is to stay, and refuses.
fn raise_generations(ctx: &Context<'_>, epoch: u64) -> Rule<()> {
    for kind in ObjectKind::ALL {
        let table = kind.table();
        ctx.run(
            &format!("UPDATE {table} SET generation = max(generation + 1, ?1) WHERE deleted_millis IS NULL"),
            [epoch],
        )?;
    }
    ctx.run(
        "UPDATE node_objects SET generation = max(generation + 1, ?1), settled = 0, changed_index = ?2
         WHERE tombstone_seconds IS NULL",
        (epoch, ctx.index),
    )?;
    Ok(())
}
