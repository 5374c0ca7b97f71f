//! Suspending accounts and domains, and lifting it. What is suspended is kept as it is and not served; a domain is
//! served if neither it nor its account is suspended, so lifting the one leaves the other's as it was.

use npanel_model::{AccountId, Action, DomainId, SuspensionKind, TenantId};
use npanel_proto::command::{SuspendAccount, SuspendDomain, UnsuspendAccount, UnsuspendDomain};

use super::{account, account::AccountRow, domain, removal::live};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
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

/// Why it is to be: in words, and for programs.
#[derive(Clone, Copy)]
pub(super) struct Why<'a> {
    pub(super) reason: &'a str,
    /// Empty: none is said.
    pub(super) kind: &'a str,
}

impl Why<'_> {
    /// Refuses what is no reason for people to read, or of no known kind.
    pub(super) fn checked(self) -> Rule<Self> {
        require_reason(self.reason)?;
        if !self.kind.is_empty() {
            wire_text::<SuspensionKind>(self.kind, "/kind")?;
        }
        Ok(self)
    }

    /// What is not said stays as it is.
    pub(super) fn is_in(&self, standing: &Standing) -> bool {
        (self.reason.is_empty() || self.reason == standing.reason)
            && (self.kind.is_empty() || self.kind == standing.kind)
    }
}

/// A suspension in force.
pub(super) struct Standing {
    reason: String,
    kind: String,
    /// The tenant that it was made for.
    by: Option<TenantId>,
}

pub(super) fn suspend_account(ctx: &Context<'_>, body: &SuspendAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountSuspend)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = account::load_live(ctx, id, "/id")?;
    let target = Target { kind: ObjectKind::Account, id: &body.account_id, tenant: account.tenant };
    let why = Why { reason: &body.reason, kind: &body.kind };
    suspend(ctx, target, Action::AccountSuspend, why, &body.operation_id)
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
    let why = Why { reason: &body.reason, kind: &body.kind };
    suspend(ctx, target, Action::DomainSuspend, why, &body.operation_id)
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
    why: Why<'_>,
    operation: &[u8],
) -> Rule<Effect> {
    let why = why.checked()?;
    let table = target.kind.table();
    match standing(ctx, table, target.id)? {
        Some(standing) if why.is_in(&standing) => return Ok(effect(target, action, &[])),
        Some(standing) => {
            require_above(ctx, &standing)?;
            rewrite(ctx, table, target.id, why)?;
            ctx.note_object(target.tenant, target.kind, target.id, "changed");
            return Ok(effect(target, action, &[]));
        }
        None => {}
    }
    write(ctx, table, target.id, why)?;
    tell_nodes(ctx, target, action, operation)
}

/// Writes a new suspension down.
pub(super) fn write(ctx: &Context<'_>, table: &'static str, id: &[u8], why: Why<'_>) -> Rule<()> {
    let by = (ctx.actor()?, ctx.principal_tenant()?.to_bytes());
    ctx.run(
        &format!(
            "UPDATE {table} SET suspended_millis = ?2, suspended_reason = ?3, suspended_by = ?4, suspended_for = ?5,
                 suspended_kind = ?6
             WHERE id = ?1"
        ),
        (id, ctx.now.as_millis(), why.reason, by.0, by.1, why.kind),
    )?;
    Ok(())
}

/// Gives a suspension in force another reason.
pub(super) fn rewrite(ctx: &Context<'_>, table: &'static str, id: &[u8], why: Why<'_>) -> Rule<()> {
    ctx.run(
        &format!(
            "UPDATE {table} SET suspended_reason = iif(?2 = '', suspended_reason, ?2),
                 suspended_kind = iif(?3 = '', suspended_kind, ?3)
             WHERE id = ?1"
        ),
        (id, why.reason, why.kind),
    )?;
    Ok(())
}

/// There is no suspension any more.
pub(super) fn clear(ctx: &Context<'_>, table: &'static str, id: &[u8]) -> Rule<()> {
    ctx.run(
        &format!(
            "UPDATE {table} SET suspended_millis = NULL, suspended_reason = '', suspended_by = '', suspended_for = NULL,
                 suspended_kind = ''
             WHERE id = ?1"
        ),
        [id],
    )?;
    Ok(())
}

fn unsuspend(ctx: &Context<'_>, target: Target<'_>, action: Action, operation: &[u8]) -> Rule<Effect> {
    let table = target.kind.table();
    let Some(standing) = standing(ctx, table, target.id)? else { return Ok(effect(target, action, &[])) };
    require_above(ctx, &standing)?;
    clear(ctx, table, target.id)?;
    tell_nodes(ctx, target, action, operation)
}

pub(super) fn standing(ctx: &Context<'_>, table: &'static str, id: &[u8]) -> Rule<Option<Standing>> {
    let query = format!(
        "SELECT suspended_reason, suspended_for, suspended_kind FROM {table}
         WHERE id = ?1 AND suspended_millis IS NOT NULL"
    );
    ctx.find(&query, [id], |row| {
        let by = match row.get_ref(1)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(tenant_id(row, 1)?),
        };
        Ok(Standing { reason: row.get(0)?, kind: row.get(2)?, by })
    })
}

/// What a tenant above has suspended, those beneath cannot lift.
pub(super) fn require_above(ctx: &Context<'_>, standing: &Standing) -> Rule<()> {
    match standing.by {
        Some(tenant) if !ctx.sees(tenant)? => {
            let message = "it was suspended by a tenant above yours, who alone can lift or change that";
            Err(Refusal::new(RefusalCode::Forbidden, "", message).into())
        }
        _ => Ok(()),
    }
}

fn tell_nodes(ctx: &Context<'_>, target: Target<'_>, action: Action, operation: &[u8]) -> Rule<Effect> {
    open_operation(ctx, operation, action, target.tenant, target.kind.noun(), target.id, "")?;
    touch(ctx, target.kind, target.id, target.tenant, operation)?;
    if target.kind == ObjectKind::Account {
        touch_parts(ctx, target.id, operation)?;
    }
    close_if_done(ctx, operation)?;
    Ok(effect(target, action, operation))
}

/// The account is served, or not any more, with its tenant.
pub(super) fn follow_tenant(
    ctx: &Context<'_>,
    account: &AccountRow,
    is_suspended: bool,
    operation: &[u8],
) -> Rule<()> {
    let id = account.id.to_bytes();
    ctx.run("UPDATE accounts SET tenant_suspended = ?2 WHERE id = ?1", (&id, is_suspended))?;
    touch(ctx, ObjectKind::Account, &id, account.tenant, operation)?;
    touch_parts(ctx, &id, operation)
}

/// An account's sites, scheduled jobs and database users change with it; its zones and databases do not.
fn touch_parts(ctx: &Context<'_>, account: &[u8], operation: &[u8]) -> Rule<()> {
    for kind in [ObjectKind::Site, ObjectKind::CronTable, ObjectKind::DatabaseUser] {
        for object in live(ctx, kind, account)? {
            touch(ctx, kind, &object.id, object.tenant, operation)?;
        }
    }
    Ok(())
}

fn effect(target: Target<'_>, action: Action, operation: &[u8]) -> Effect {
    Effect { tenant: target.tenant, action, object: target.id.to_vec(), operation: operation.to_vec() }
}
