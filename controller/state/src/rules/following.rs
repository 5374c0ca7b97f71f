//! Accounts that follow their plan to another PHP version, or to what their processes may take of their nodes: the first at once, the others a batch at a time, so that no
//! plan is so large that a change of it holds up everybody's writes. A plan that is being followed says by which
//! operation, and which account was the last; the leader asks for one batch after the other until none is left. Nodes may
//! have lost the version by the time that an account's turn has come: such an account is left behind, which is seen at it
//! and at the operation, and follows when its node has the version.

use std::collections::BTreeSet;

use npanel_model::{AccountId, Action, NodeId, PhpVersion, PlanId};
use npanel_proto::command::FollowPlan;

use super::{
    account::{self, AccountRow, Running},
    node, plan,
};
use crate::{
    ObjectKind, Refusal,
    context::{Context, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{close_if_done, open_operation},
};

/// How many accounts follow within the change itself. An account takes some 0.15 ms.
const AT_ONCE: u32 = 250;

/// Has the plan's accounts follow it; to another PHP version, if it has one, only if all of their nodes have that.
pub(super) fn begin(ctx: &Context<'_>, plan: PlanId, php: Option<&PhpVersion>, operation: &[u8]) -> Rule<()> {
    if let Some(php) = php {
        require_everywhere(ctx, plan, php)?;
    }
    end(ctx, plan)?;
    if php.is_some() {
        forget_behind(ctx, plan)?;
    }
    let tenant = ctx
        .find("SELECT tenant_id FROM plans WHERE id = ?1", [plan.to_bytes()], |row| tenant_id(row, 0))?
        .ok_or_else(|| Refusal::not_found("plan", "/id"))?;
    open_operation(ctx, operation, Action::PlanUpdate, tenant, "plan", &plan.to_bytes(), "")?;
    ctx.run(
        "UPDATE plans SET following_operation_id = ?2, followed_by = x'' WHERE id = ?1",
        (plan.to_bytes(), operation),
    )?;
    follow(ctx, plan, AT_ONCE)
}

/// One batch more. The leader's doing: no record in the audit.
pub(super) fn go_on(ctx: &Context<'_>, body: &FollowPlan) -> Rule<()> {
    ctx.require_controller()?;
    let plan = wire_id(&body.plan_id, "/id", PlanId::from_bytes)?;
    follow(ctx, plan, body.most)?;
    catch_up(ctx, plan, body.most)
}

/// Nobody follows the plan any more; what was begun is finished by itself.
pub(super) fn end(ctx: &Context<'_>, plan: PlanId) -> Rule<()> {
    let Some(Following { operation, .. }) = following(ctx, plan)? else { return Ok(()) };
    ctx.run(
        "UPDATE plans SET following_operation_id = NULL, followed_by = NULL WHERE id = ?1",
        [plan.to_bytes()],
    )?;
    close_if_done(ctx, &operation)
}

struct Following {
    operation: Vec<u8>,
    after: Vec<u8>,
}

fn following(ctx: &Context<'_>, plan: PlanId) -> Rule<Option<Following>> {
    ctx.find(
        "SELECT following_operation_id, followed_by FROM plans WHERE id = ?1 AND following_operation_id IS NOT NULL",
        [plan.to_bytes()],
        |row| Ok(Following { operation: row.get(0)?, after: row.get(1)? }),
    )
}

/// An account whose turn it is.
struct Next {
    account: AccountId,
    /// Whether it is to have the plan's PHP version, and has another.
    wants_php: bool,
    /// Whether its node has that version, or there is none to ask.
    can_follow: bool,
}

fn follow(ctx: &Context<'_>, id: PlanId, most: u32) -> Rule<()> {
    // A newer change of the plan may have been followed to its end meanwhile.
    let Some(begun) = following(ctx, id)? else { return Ok(()) };
    let plan = plan::load(ctx, id, "/id")?;
    let php: PhpVersion = wire_text(&plan.php_version, "/php_version")?;
    let next = ctx.all(
        "SELECT a.id, a.php_chosen = 0 AND a.php_version != ?3, NOT EXISTS (
             SELECT 1 FROM assignments s JOIN nodes n ON n.id = s.node_id
             WHERE s.account_id = a.id AND s.part = 'web' AND s.state = 'active'
                 AND NOT EXISTS (SELECT 1 FROM json_each(n.php_versions) has WHERE has.value = ?3))
         FROM accounts a
         WHERE a.plan_id = ?1 AND a.id > ?2 AND (a.php_chosen = 0 AND a.php_version != ?3 OR a.allotment != ?4)
             AND a.deleted_millis IS NULL ORDER BY a.id LIMIT ?5",
        (id.to_bytes(), &begun.after, php.as_str(), plan.allotment.to_text(), most),
        |row| {
            let account = typed(row, 0, AccountId::from_bytes)?;
            Ok(Next { account, wants_php: row.get(1)?, can_follow: row.get(2)? })
        },
    )?;
    for one in &next {
        let account = account::load(ctx, one.account)?;
        let new = one.wants_php && one.can_follow;
        let running = Running {
            php: if new { php.clone() } else { wire_text(account.php_version(), "/php_version")? },
            allotment: plan.allotment,
        };
        if new || account.allotment() != plan.allotment {
            account::run(ctx, &account, &running, &begun.operation)?;
        }
        if one.wants_php && !one.can_follow {
            leave_behind(ctx, &account, &php, &begun.operation)?;
        }
    }
    match next.last().filter(|_| next.len() == most as usize) {
        None => end(ctx, id),
        Some(last) => {
            let last = last.account.to_bytes();
            ctx.run("UPDATE plans SET followed_by = ?2 WHERE id = ?1", (id.to_bytes(), last))?;
            Ok(())
        }
    }
}

fn leave_behind(ctx: &Context<'_>, account: &AccountRow, php: &PhpVersion, operation: &[u8]) -> Rule<()> {
    let id = account.id.to_bytes();
    ctx.run(
        "INSERT INTO left_behind (account_id, tenant_id, plan_id, php_version, operation_id, since_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account_id) DO NOTHING",
        (
            &id,
            account.tenant.to_bytes(),
            account.plan.to_bytes(),
            php.as_str(),
            operation,
            ctx.now.as_millis(),
        ),
    )?;
    ctx.note_object(account.tenant, ObjectKind::Account, &id, "observed");
    Ok(())
}

/// Those that were left behind and whose nodes have the version by now.
fn catch_up(ctx: &Context<'_>, plan: PlanId, most: u32) -> Rule<()> {
    let able = ctx.all(
        "SELECT account_id, php_version, operation_id FROM catching_up WHERE plan_id = ?1
         ORDER BY account_id LIMIT ?2",
        (plan.to_bytes(), most),
        |row| {
            Ok((typed(row, 0, AccountId::from_bytes)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
        },
    )?;
    for (account, php, operation) in able {
        let php: PhpVersion = wire_text(&php, "/php_version")?;
        let account = account::load(ctx, account)?;
        let running = Running { php, allotment: account.allotment() };
        account::run(ctx, &account, &running, &operation)?;
    }
    Ok(())
}

/// The account is not left behind (any more): to be called by whoever gives it another PHP version or another plan, or
/// removes it.
pub(super) fn is_not_behind(ctx: &Context<'_>, account: AccountId) -> Rule<()> {
    let waiting = ctx.all(
        "DELETE FROM left_behind WHERE account_id = ?1 RETURNING operation_id",
        [account.to_bytes()],
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    waiting.iter().try_for_each(|operation| close_if_done(ctx, operation))
}

/// Nobody waits for the plan's earlier version any more.
fn forget_behind(ctx: &Context<'_>, plan: PlanId) -> Rule<()> {
    let waiting: BTreeSet<Vec<u8>> = ctx
        .all("DELETE FROM left_behind WHERE plan_id = ?1 RETURNING operation_id", [plan.to_bytes()], |row| {
            row.get(0)
        })?
        .into_iter()
        .collect();
    waiting.iter().try_for_each(|operation| close_if_done(ctx, operation))
}

/// Refuses a version that a node of one of the following accounts does not have.
fn require_everywhere(ctx: &Context<'_>, plan: PlanId, php: &PhpVersion) -> Rule<()> {
    let nodes = ctx.all(
        "SELECT s.node_id, min(a.username) FROM accounts a
             JOIN assignments s ON s.account_id = a.id AND s.part = 'web' AND s.state = 'active'
         WHERE a.plan_id = ?1 AND a.php_chosen = 0 AND a.deleted_millis IS NULL
         GROUP BY s.node_id ORDER BY s.node_id",
        [plan.to_bytes()],
        |row| Ok((typed(row, 0, NodeId::from_bytes)?, row.get::<_, String>(1)?)),
    )?;
    nodes.iter().try_for_each(|(id, username)| node::require_php(ctx, *id, php, username))
}
