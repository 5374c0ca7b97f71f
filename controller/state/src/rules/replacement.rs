//! A controller that takes the place of another. Who takes whose is in the state, so that it outlasts every leader: a token says
//! whose place the one takes that uses it, and then that one does. When it votes, the leader removes the other.
//!
//! One at a time: each is two changes of the members in one, for which the controllers that stay must be there.

use npanel_model::{Action, EnrolRole, NodeName, Timestamp, TokenId};
use npanel_proto::command::{EnrolController, ReplaceController};

use super::token;
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, typed, wire_text},
};

/// Of the name that is given up, so that with an id it is a name still: 63 characters at most.
const KEPT_OF_NAME: usize = 40;

pub(super) fn begin(ctx: &Context<'_>, body: &ReplaceController) -> Rule<Effect> {
    let action = Action::ControllerReplace;
    ctx.authorise(action)?;
    let platform = ctx.require_platform(action)?;
    if name_of(ctx, body.controller_id)?.is_none() {
        return Err(Refusal::not_found("controller", "/id").into());
    }
    require_none_under_way(ctx)?;
    let token =
        body.token.as_ref().filter(|token| token.uses == 1 && token.role == EnrolRole::Controller.as_str());
    let token = token.ok_or_else(|| {
        Refusal::new(RefusalCode::Invalid, "", "a token to replace a controller is for one controller")
    })?;
    let id = token::make(ctx, platform, token, body.controller_id)?;
    Ok(Effect { tenant: platform, action, object: id.to_bytes(), operation: Vec::new() })
}

fn require_none_under_way(ctx: &Context<'_>) -> Rule<()> {
    let in_use = |message: String| Refusal::new(RefusalCode::InUse, "/id", message);
    let waiting = ctx.find(
        "SELECT t.id, c.name, t.expires_millis
         FROM tokens t JOIN controllers c ON c.id = t.replaces_controller_id
         WHERE t.replaces_controller_id > 0 AND t.uses_left > 0 AND t.expires_millis > ?1",
        [ctx.now.as_millis()],
        |row| Ok((typed(row, 0, TokenId::from_bytes)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)),
    )?;
    if let Some((token, replaced, expires)) = waiting {
        let until = Timestamp::from_millis(expires);
        return Err(in_use(format!(
            "a replacement is under way: until {until} a machine may join in the place of {replaced}; to begin anew, withdraw its \
             token: npanel token delete {token}"
        ))
        .into());
    }
    let joined = ctx.find(
        "SELECT n.id, n.name, o.name FROM controllers n JOIN controllers o ON o.id = n.replaces_controller_id",
        [],
        |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
    )?;
    match joined {
        None => Ok(()),
        Some((id, name, replaced)) => Err(in_use(format!(
            "a replacement is under way: {name} takes the place of {replaced} once it has caught up; to give that up, remove it: \
             npanel controller remove {id}"
        ))
        .into()),
    }
}

fn name_of(ctx: &Context<'_>, id: u64) -> Rule<Option<String>> {
    ctx.find("SELECT name FROM controllers WHERE id = ?1", [id], |row| row.get(0))
}

/// Before the one that takes the place of `replaced` is written down: it may have that one's name, which then has another, that
/// nobody chose, for as long as it is there. `None`: that one is gone already, and this is simply one more.
pub(super) fn give_way(ctx: &Context<'_>, replaced: u64, to: &EnrolController) -> Rule<Option<u64>> {
    let Some(name) = name_of(ctx, replaced)? else { return Ok(None) };
    if name == to.name {
        let kept = name.get(..KEPT_OF_NAME).unwrap_or(&name);
        let other: NodeName = wire_text(&format!("{kept}-{replaced}"), "/name")?;
        if ctx.count("SELECT EXISTS (SELECT 1 FROM controllers WHERE name = ?1)", [other.as_str()])? == 1 {
            let message = format!(
                "the one that is replaced cannot be called {other} until it goes: join by another name"
            );
            return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
        }
        ctx.run("UPDATE controllers SET name = ?2 WHERE id = ?1", (replaced, other.as_str()))?;
        ctx.note(ctx.root_tenant()?, "controller", replaced.to_be_bytes().to_vec(), "changed");
    }
    Ok(Some(replaced))
}

/// The controller takes the place of the other, once it has caught up.
pub(super) fn note(ctx: &Context<'_>, by: u64, replaced: u64) -> Rule<()> {
    ctx.run("UPDATE controllers SET replaces_controller_id = ?2 WHERE id = ?1", (by, replaced))?;
    Ok(())
}

/// Whoever was to take its place is there in its own right.
pub(super) fn is_over(ctx: &Context<'_>, removed: u64) -> Rule<()> {
    ctx.run(
        "UPDATE controllers SET replaces_controller_id = 0 WHERE replaces_controller_id = ?1",
        [removed],
    )?;
    Ok(())
}
