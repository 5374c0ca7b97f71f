//! Accounts that follow their plan to another PHP version: the first at once, the others a batch at a time, so that no
//! plan is so large that a change of it holds up everybody's writes. A plan that is being followed says by which
//! operation, and which account was the last; the leader asks for one batch after the other until none is left.

use npanel_model::{AccountId, Action, NodeId, PhpVersion, PlanId};
use npanel_proto::command::FollowPlan;

use super::{account, node};
use crate::{
    Refusal,
    context::{Context, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{close_if_done, open_operation},
};

/// How many accounts follow within the change itself. An account takes some 0.15 ms.
const AT_ONCE: u32 = 250;

/// Has the plan's accounts follow it, if all of their nodes have the version.
pub(super) fn begin(ctx: &Context<'_>, plan: PlanId, php: &PhpVersion, operation: &[u8]) -> Rule<()> {
    require_everywhere(ctx, plan, php)?;
    end(ctx, plan)?;
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
    follow(ctx, wire_id(&body.plan_id, "/id", PlanId::from_bytes)?, body.most)
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
    php_version: String,
}

fn following(ctx: &Context<'_>, plan: PlanId) -> Rule<Option<Following>> {
    ctx.find(
        "SELECT following_operation_id, followed_by, php_version FROM plans
         WHERE id = ?1 AND following_operation_id IS NOT NULL",
        [plan.to_bytes()],
        |row| Ok(Following { operation: row.get(0)?, after: row.get(1)?, php_version: row.get(2)? }),
    )
}

fn follow(ctx: &Context<'_>, plan: PlanId, most: u32) -> Rule<()> {
    // A newer change of the plan may have been followed to its end meanwhile.
    let Some(begun) = following(ctx, plan)? else { return Ok(()) };
    let php: PhpVersion = wire_text(&begun.php_version, "/php_version")?;
    let next = ctx.all(
        "SELECT id FROM accounts WHERE plan_id = ?1 AND id > ?2 AND php_chosen = 0 AND php_version != ?3
             AND deleted_millis IS NULL ORDER BY id LIMIT ?4",
        (plan.to_bytes(), &begun.after, php.as_str(), most),
        |row| typed(row, 0, AccountId::from_bytes),
    )?;
    for account in &next {
        account::run_php(ctx, &account::load(ctx, *account)?, &php, &begun.operation)?;
    }
    match next.last().filter(|_| next.len() == most as usize) {
        None => end(ctx, plan),
        Some(last) => {
            ctx.run("UPDATE plans SET followed_by = ?2 WHERE id = ?1", (plan.to_bytes(), last.to_bytes()))?;
            Ok(())
        }
    }
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
