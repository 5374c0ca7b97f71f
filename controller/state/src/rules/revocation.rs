//! Nodes that are trusted no longer: stolen, broken or in somebody else's hands. What such a node carries stays its own
//! until it is taken in again or deleted for good.

use npanel_model::{Action, NodeId, NodeName};
use npanel_proto::command::RevokeNode;

use super::{capacity, identity, lost, suspension::require_reason, token::Used};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_id},
};

/// Where in the log the node was revoked, if it is.
pub(super) fn revoked_at(ctx: &Context<'_>, id: NodeId) -> Rule<Option<u64>> {
    let found =
        ctx.find("SELECT revoked_index FROM nodes WHERE id = ?1", [id.to_bytes()], |row| row.get(0))?;
    Ok(found.flatten())
}

/// Ends the trust. To be asked for twice is no fault: the first time counts.
pub(super) fn revoke(ctx: &Context<'_>, body: &RevokeNode) -> Rule<Effect> {
    ctx.authorise(Action::NodeRevoke)?;
    let platform = ctx.require_platform(Action::NodeRevoke)?;
    let id = wire_id(&body.node_id, "/id", NodeId::from_bytes)?;
    require_reason(&body.reason)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM nodes WHERE id = ?1)", [id.to_bytes()])? == 0 {
        return Err(Refusal::not_found("node", "/id").into());
    }
    let revoked = ctx.run(
        "UPDATE nodes SET revoked_millis = ?2, revoked_index = ?3, revoked_reason = ?4, schedulable = 0
         WHERE id = ?1 AND revoked_index IS NULL",
        (id.to_bytes(), ctx.now.as_millis(), ctx.index, &body.reason),
    )?;
    if revoked == 1 {
        identity::revoke(ctx, &format!("node/{id}"))?;
        capacity::touch(ctx, id)?;
        ctx.note(platform, "node", id.to_bytes(), "changed");
    }
    Ok(Effect { tenant: platform, action: Action::NodeRevoke, object: id.to_bytes(), operation: Vec::new() })
}

/// Refuses a name that is somebody's: unless its node is revoked, and the token was made since for this name.
pub(super) fn require_taken_in(ctx: &Context<'_>, id: NodeId, name: &NodeName, used: &Used) -> Rule<()> {
    lost::require_stays(ctx, id)?;
    let message = match revoked_at(ctx, id)? {
        Some(revoked) if used.is_for_this_name && used.made > revoked => return Ok(()),
        Some(_) => {
            format!(
                "the node {name} is revoked; only a token that is made for this name since takes it in again"
            )
        }
        None => format!("a node named {name} exists already; delete it first or choose another name"),
    };
    Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into())
}

/// Takes a revoked node in again, under its id and its name. It stays cordoned. Nothing that it ever said counts any
/// more, so it is told and asked everything anew.
pub(super) fn take_in(ctx: &Context<'_>, id: NodeId) -> Rule<()> {
    ctx.run(
        "UPDATE nodes SET revoked_millis = NULL, revoked_index = NULL, revoked_reason = '' WHERE id = ?1",
        [id.to_bytes()],
    )?;
    ctx.run("DELETE FROM node_conditions WHERE node_id = ?1", [id.to_bytes()])?;
    ctx.run(
        "UPDATE node_objects SET observed_generation = 0, observed_state = 'pending', reason = '', message = '',
             stages = '', settled = 0, since_millis = ?2, changed_index = ?3
         WHERE node_id = ?1",
        (id.to_bytes(), ctx.now.as_millis(), ctx.index),
    )?;
    Ok(())
}
