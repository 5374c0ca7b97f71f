//! Suspending accounts and domains, and lifting it. What is suspended is kept as it is and not served; a domain is
//! served if neither it nor its account is suspended, so lifting the one leaves the other's as it was.

use npanel_model::{AccountId, Action, DomainId, TenantId};
use npanel_proto::command::{SuspendAccount, SuspendDomain, UnsuspendAccount, UnsuspendDomain};

use super::{account, domain, removal::live};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id},
    wanted::{close_if_done, open_operation, touch},
};

/// Longer reasons are not written for people.
const LONGEST_REASON: usize = 500;

/// What is suspended: an account or a domain.
#[derive(Clone, Copy)]
struct Target<'a> {
    kind: ObjectKind,
    id: &'a [u8],
    tenant: TenantId,
}

/// A suspension in force.
struct Standing {
    reason: String,
    /// The tenant that it was made for.
    by: Option<TenantId>,
}

pub(super) fn suspend_account(ctx: &Context<'_>, body: &SuspendAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountSuspend)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = account::load_live(ctx, id, "/id")?;
    let target = Target { kind: ObjectKind::Account, id: &body.account_id, tenant: account.tenant };
    suspend(ctx, target, Action::AccountSuspend, &body.reason, &body.operation_id)
}

pub(super) fn unsuspend_account(ctx: &Context<'_>, body: &UnsuspendAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountUnsuspend)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = account::load_live(ctx, id, "/id")?;
    let target = Target { kind: ObjectKind::Account, id: &body.account_id, tenant: account.tenant };
    unsuspend(ctx, target, Action::AccountUnsuspend, &body.operation_id)
}

pub(super) fn suspend_domain(ctx: &Context<'_>, body: &SuspendDomain) -> Rule<Effect> {
    ctx.authorise(Action::DomainSuspend)?;
    let id = wire_id(&body.domain_id, "/id", DomainId::from_bytes)?;
    let domain = domain::load_live(ctx, id)?;
    let target = Target { kind: ObjectKind::Site, id: &body.domain_id, tenant: domain.tenant };
    suspend(ctx, target, Action::DomainSuspend, &body.reason, &body.operation_id)
}

pub(super) fn unsuspend_domain(ctx: &Context<'_>, body: &UnsuspendDomain) -> Rule<Effect> {
    ctx.authorise(Action::DomainUnsuspend)?;
    let id = wire_id(&body.domain_id, "/id", DomainId::from_bytes)?;
    let domain = domain::load_live(ctx, id)?;
    let target = Target { kind: ObjectKind::Site, id: &body.domain_id, tenant: domain.tenant };
    unsuspend(ctx, target, Action::DomainUnsuspend, &body.operation_id)
}

/// Refuses what is no reason for people to read.
pub(super) fn require_reason(reason: &str) -> Rule<()> {
    if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
        let message = format!("a reason has at most {LONGEST_REASON} characters, in one line");
        return Err(Refusal::new(RefusalCode::Invalid, "/reason", message).into());
    }
    Ok(())
}

/// Suspends, or changes the reason of a suspension in force, which is otherwise left as it is.
fn suspend(
    ctx: &Context<'_>,
    target: Target<'_>,
    action: Action,
    reason: &str,
    operation: &[u8],
) -> Rule<Effect> {
    require_reason(reason)?;
    let table = target.kind.table();
    match standing(ctx, target)? {
        Some(standing) if reason.is_empty() || standing.reason == reason => {
            return Ok(effect(target, action, &[]));
        }
        Some(standing) => {
            require_above(ctx, &standing)?;
            let update = format!("UPDATE {table} SET suspended_reason = ?2 WHERE id = ?1");
            ctx.run(&update, (target.id, reason))?;
            ctx.note_object(target.tenant, target.kind, target.id, "changed");
            return Ok(effect(target, action, &[]));
        }
        None => {}
    }
    let update = format!(
        "UPDATE {table} SET suspended_millis = ?2, suspended_reason = ?3, suspended_by = ?4, suspended_for = ?5
         WHERE id = ?1"
    );
    let by = (ctx.actor()?, ctx.principal_tenant()?.to_bytes());
    ctx.run(&update, (target.id, ctx.now.as_millis(), reason, by.0, by.1))?;
    tell_nodes(ctx, target, action, operation)
}

fn unsuspend(ctx: &Context<'_>, target: Target<'_>, action: Action, operation: &[u8]) -> Rule<Effect> {
    let Some(standing) = standing(ctx, target)? else { return Ok(effect(target, action, &[])) };
    require_above(ctx, &standing)?;
    let update = format!(
        "UPDATE {} SET suspended_millis = NULL, suspended_reason = '', suspended_by = '', suspended_for = NULL
         WHERE id = ?1",
        target.kind.table()
    );
    ctx.run(&update, [target.id])?;
    tell_nodes(ctx, target, action, operation)
}

fn standing(ctx: &Context<'_>, target: Target<'_>) -> Rule<Option<Standing>> {
    let query = format!(
        "SELECT suspended_reason, suspended_for FROM {} WHERE id = ?1 AND suspended_millis IS NOT NULL",
        target.kind.table()
    );
    ctx.find(&query, [target.id], |row| {
        let by = match row.get_ref(1)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(tenant_id(row, 1)?),
        };
        Ok(Standing { reason: row.get(0)?, by })
    })
}

/// What a tenant above has suspended, those beneath cannot lift.
fn require_above(ctx: &Context<'_>, standing: &Standing) -> Rule<()> {
    match standing.by {
        Some(tenant) if !ctx.sees(tenant)? => {
            let message = "it was suspended by a tenant above yours, who alone can lift or change that";
            Err(Refusal::new(RefusalCode::Forbidden, "", message).into())
        }
        _ => Ok(()),
    }
}

/// An account's sites, scheduled jobs and database users change with it; its zones and databases do not.
fn tell_nodes(ctx: &Context<'_>, target: Target<'_>, action: Action, operation: &[u8]) -> Rule<Effect> {
    open_operation(ctx, operation, action, target.tenant, target.kind.noun(), target.id, "")?;
    touch(ctx, target.kind, target.id, target.tenant, operation)?;
    if target.kind == ObjectKind::Account {
        for kind in [ObjectKind::Site, ObjectKind::CronTable, ObjectKind::DatabaseUser] {
            for object in live(ctx, kind, target.id)? {
                touch(ctx, kind, &object.id, object.tenant, operation)?;
            }
        }
    }
    close_if_done(ctx, operation)?;
    Ok(effect(target, action, operation))
}

fn effect(target: Target<'_>, action: Action, operation: &[u8]) -> Effect {
    Effect { tenant: target.tenant, action, object: target.id.to_vec(), operation: operation.to_vec() }
}
