//! Suspending a whole tenant, and lifting it. Its accounts, and those of the tenants beneath it, follow: the first at once, the
//! others a batch at a time, as the leader asks for them. An account's own suspension is another thing, and neither is written over
//! by the other: it is served if there is none of either. What is left to do is seen at the accounts, so that a suspension that
//! is lifted while accounts still follow it is followed just as well.

use npanel_model::{AccountId, Action, TenantId};
use npanel_proto::command::{FollowTenant, SuspendTenant, UnsuspendTenant};

use super::{
    account,
    suspension::{self, Why},
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Effect, Rule, typed, wire_id},
    wanted::{close_if_done, open_operation},
};

/// How many accounts follow within the change itself. The others follow in the leader's batches.
const AT_ONCE: u32 = 100;

const TABLE: &str = "tenants";

pub(super) fn suspend(ctx: &Context<'_>, body: &SuspendTenant) -> Rule<Effect> {
    let action = Action::TenantSuspend;
    ctx.authorise(action)?;
    let id = required_beneath(ctx, &body.tenant_id)?;
    let why = Why { reason: &body.reason, kind: &body.kind }.checked()?;
    match suspension::standing(ctx, TABLE, &body.tenant_id)? {
        Some(standing) if why.is_in(&standing) => return Ok(effect(id, action, &[])),
        Some(standing) => {
            suspension::require_above(ctx, &standing)?;
            suspension::rewrite(ctx, TABLE, &body.tenant_id, why)?;
            ctx.note(id, "tenant", id.to_bytes(), "changed");
            return Ok(effect(id, action, &[]));
        }
        None => suspension::write(ctx, TABLE, &body.tenant_id, why)?,
    }
    begin(ctx, id, action, &body.operation_id)
}

pub(super) fn unsuspend(ctx: &Context<'_>, body: &UnsuspendTenant) -> Rule<Effect> {
    let action = Action::TenantUnsuspend;
    ctx.authorise(action)?;
    let id = required_beneath(ctx, &body.tenant_id)?;
    let Some(standing) = suspension::standing(ctx, TABLE, &body.tenant_id)? else {
        return Ok(effect(id, action, &[]));
    };
    suspension::require_above(ctx, &standing)?;
    suspension::clear(ctx, TABLE, &body.tenant_id)?;
    begin(ctx, id, action, &body.operation_id)
}

/// One batch more. The leader's doing: no record in the audit.
pub(super) fn go_on(ctx: &Context<'_>, body: &FollowTenant) -> Rule<()> {
    ctx.require_controller()?;
    let id = wire_id(&body.tenant_id, "/id", TenantId::from_bytes)?;
    follow(ctx, id, body.most)
}

/// The tenant, which is beneath the caller's own: nobody suspends themselves, and the platform nobody.
fn required_beneath(ctx: &Context<'_>, id: &[u8]) -> Rule<TenantId> {
    let id = wire_id(id, "/id", TenantId::from_bytes)?;
    ctx.require_visible(id, "tenant", "/id")?;
    if id == ctx.principal_tenant()? {
        let message = "a tenant is suspended, and that lifted, by a tenant above it";
        return Err(Refusal::new(RefusalCode::Forbidden, "", message).into());
    }
    Ok(id)
}

fn begin(ctx: &Context<'_>, id: TenantId, action: Action, operation: &[u8]) -> Rule<Effect> {
    // Known from here on, also to what this command does itself.
    ctx.forget_suspensions();
    end(ctx, id)?;
    open_operation(ctx, operation, action, id, "tenant", &id.to_bytes(), "")?;
    ctx.run("UPDATE tenants SET followed_by_operation_id = ?2 WHERE id = ?1", (id.to_bytes(), operation))?;
    ctx.note(id, "tenant", id.to_bytes(), "changed");
    follow(ctx, id, AT_ONCE)?;
    Ok(effect(id, action, operation))
}

/// No account follows by that operation any more; what was begun is finished by itself.
fn end(ctx: &Context<'_>, id: TenantId) -> Rule<()> {
    let Some(operation) = followed_by(ctx, id)? else { return Ok(()) };
    ctx.run("UPDATE tenants SET followed_by_operation_id = NULL WHERE id = ?1", [id.to_bytes()])?;
    close_if_done(ctx, &operation)
}

fn followed_by(ctx: &Context<'_>, id: TenantId) -> Rule<Option<Vec<u8>>> {
    let found =
        ctx.find("SELECT followed_by_operation_id FROM tenants WHERE id = ?1", [id.to_bytes()], |row| {
            row.get(0)
        })?;
    Ok(found.flatten())
}

fn follow(ctx: &Context<'_>, id: TenantId, most: u32) -> Rule<()> {
    let Some(operation) = followed_by(ctx, id)? else { return Ok(()) };
    let next = ctx.all(
        "SELECT a.id, a.tenant_suspended = 0 FROM tenant_tree t CROSS JOIN accounts a ON a.tenant_id = t.tenant_id
         WHERE t.ancestor_id = ?1 AND a.deleted_millis IS NULL
             AND a.tenant_suspended = NOT EXISTS (SELECT 1 FROM suspended_tenants s WHERE s.tenant_id = t.tenant_id)
         ORDER BY t.tenant_id, a.id LIMIT ?2",
        (id.to_bytes(), most),
        |row| Ok((typed(row, 0, AccountId::from_bytes)?, row.get::<_, bool>(1)?)),
    )?;
    for (account, is_suspended) in &next {
        suspension::follow_tenant(ctx, &account::load(ctx, *account)?, *is_suspended, &operation)?;
    }
    if next.len() < most as usize { end(ctx, id) } else { Ok(()) }
}

fn effect(tenant: TenantId, action: Action, operation: &[u8]) -> Effect {
    Effect { tenant, action, object: tenant.to_bytes(), operation: operation.to_vec() }
}
