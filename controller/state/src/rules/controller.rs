//! Controllers: who may take part in the cluster. Membership itself is the consensus library's.

use npanel_model::{Action, EnrolRole, NodeName};
use npanel_proto::command::{EnrolController, RemoveController};

use super::{
    identity, replacement,
    token::{self, Shown},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, wire_text},
};

pub(super) fn enrol(ctx: &Context<'_>, body: &EnrolController) -> Rule<Effect> {
    ctx.authorise(Action::ControllerJoin)?;
    let platform = ctx.root_tenant()?;
    let shown = Shown { id: &body.token_id, secret_hash: &body.token_secret_hash };
    let used = token::consume(ctx, &shown, EnrolRole::Controller, &wire_text(&body.name, "/name")?)?;
    let replaced = used.replaces.map(|id| replacement::give_way(ctx, id, body)).transpose()?.flatten();
    insert(ctx, body)?;
    if let Some(replaced) = replaced {
        replacement::note(ctx, body.controller_id, replaced)?;
    }
    Ok(Effect {
        tenant: platform,
        action: Action::ControllerJoin,
        object: body.controller_id.to_be_bytes().to_vec(),
        operation: Vec::new(),
    })
}

/// Takes a controller out. Whether the others can still decide without it is for the leader to say, who knows which of
/// them answer.
pub(super) fn remove(ctx: &Context<'_>, body: &RemoveController) -> Rule<Effect> {
    let action = Action::ControllerRemove;
    ctx.authorise(action)?;
    let platform = ctx.require_platform(action)?;
    let removed = ctx.run("DELETE FROM controllers WHERE id = ?1", [body.controller_id])?;
    if removed == 0 {
        return Err(Refusal::not_found("controller", "/id").into());
    }
    let left = ctx.count("SELECT count(*) FROM controllers", [])?;
    if left == 0 {
        let message = "it is the last controller: without it there is no cluster";
        return Err(Refusal::new(RefusalCode::InUse, "/id", message).into());
    }
    identity::revoke(ctx, &format!("controller/{}", body.controller_id))?;
    replacement::is_over(ctx, body.controller_id)?;
    ctx.warn(|| Ok(bearing(left).into_iter().collect()))?;
    let object = body.controller_id.to_be_bytes().to_vec();
    ctx.note(platform, "controller", object.clone(), "deleted");
    Ok(Effect { tenant: platform, action, object, operation: Vec::new() })
}

/// What few controllers mean.
fn bearing(left: u64) -> Option<String> {
    match left {
        1 | 2 => Some(format!("{left} controllers are left, which bear the loss of none: add others soon")),
        4 => Some("4 controllers are left, which bear the loss of one, as 3 do".to_owned()),
        _ => None,
    }
}

pub(super) fn insert(ctx: &Context<'_>, body: &EnrolController) -> Rule<()> {
    let name: NodeName = wire_text(&body.name, "/name")?;
    if body
        .fleet_address
        .rsplit_once(':')
        .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
    {
        let message = format!("a fleet address is HOST:PORT (got {:?})", body.fleet_address);
        return Err(Refusal::new(RefusalCode::Invalid, "/fleet_address", message).into());
    }
    // Identities are kept for ever, so an id that was ever used is not used again.
    let subject = format!("controller/{}", body.controller_id);
    if ctx.count("SELECT EXISTS (SELECT 1 FROM identities WHERE subject = ?1)", [&subject])? == 1 {
        let message = format!("the controller id {} was used before", body.controller_id);
        return Err(Refusal::new(RefusalCode::NameTaken, "/controller_id", message).into());
    }
    if ctx.count("SELECT EXISTS (SELECT 1 FROM controllers WHERE name = ?1)", [name.as_str()])? == 1 {
        let message = format!("a controller named {name} exists already");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    ctx.run(
        "INSERT INTO controllers (id, name, fleet_address, created_millis) VALUES (?1, ?2, ?3, ?4)",
        (body.controller_id, name.as_str(), &body.fleet_address, ctx.now.as_millis()),
    )?;
    identity::insert(ctx, &subject, body.certificate.as_ref())?;
    ctx.note(ctx.root_tenant()?, "controller", body.controller_id.to_be_bytes().to_vec(), "created");
    Ok(())
}
