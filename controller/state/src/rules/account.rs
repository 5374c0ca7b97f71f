//! Hosting accounts: a user, a uid for ever, and the nodes that carry their parts.

use npanel_model::{
    AccountId, Action, AssignmentId, EmailAddress, Generation, Limit, NodeId, Part, PlanId, TenantId, Uid,
    Username,
};
use npanel_proto::command::{Assignment, CreateAccount, DeleteAccount};

use super::{domain, node, plan, removal, require_new, tenant};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, want},
};

/// The part of an account that other rules need.
pub(super) struct AccountRow {
    pub(super) id: AccountId,
    pub(super) tenant: TenantId,
    pub(super) plan: PlanId,
    pub(super) username: String,
    pub(super) generation: Generation,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountCreate)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let tenant_of = wire_id(&body.tenant_id, "/tenant_id", TenantId::from_bytes)?;
    let plan_id = wire_id(&body.plan_id, "/plan_id", PlanId::from_bytes)?;
    let username: Username = wire_text(&body.username, "/username")?;
    if !body.contact.is_empty() {
        wire_text::<EmailAddress>(&body.contact, "/contact")?;
    }
    ctx.require_visible(tenant_of, "tenant", "/tenant_id")?;
    let plan = plan::load(ctx, plan_id, "/plan_id")?;
    plan::require_usable_by(ctx, &plan, tenant_of)?;
    require_new(ctx, "accounts", &body.account_id)?;
    require_free_name(ctx, &username)?;
    tenant::require_room_for_account(ctx, tenant_of)?;

    let account = AccountRow {
        id,
        tenant: tenant_of,
        plan: plan_id,
        username: username.to_string(),
        generation: Generation::FIRST,
    };
    open_operation(
        ctx,
        &body.operation_id,
        Action::AccountCreate,
        tenant_of,
        "account",
        &body.account_id,
        &body.placement_report,
    )?;
    let uid = next_uid(ctx)?;
    ctx.run(
        "INSERT INTO accounts (id, tenant_id, plan_id, username, name_held, uid, contact, php_version, generation,
             operation_id, created_millis)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10)",
        rusqlite::params![
            id.to_bytes(),
            tenant_of.to_bytes(),
            plan_id.to_bytes(),
            username.as_str(),
            uid.get(),
            body.contact,
            plan.php_version,
            account.generation.0,
            body.operation_id,
            ctx.now.as_millis(),
        ],
    )?;
    assign(ctx, &account, &body.assignments, &body.operation_id)?;
    ctx.note(tenant_of, "account", id.to_bytes(), "created");
    if let Some(first) = &body.domain {
        domain::insert(ctx, &account, first, &body.operation_id)?;
    }
    close_if_done(ctx, &body.operation_id)?;
    Ok(Effect {
        tenant: tenant_of,
        action: Action::AccountCreate,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

fn require_free_name(ctx: &Context<'_>, username: &Username) -> Rule<()> {
    let taken = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE username = ?1 AND name_held = 1)",
        [username.as_str()],
    )?;
    // A database keeps its name, and with it the prefix, until its data is gone.
    let prefix = format!("{username}_");
    let remains = ctx.count(
        "SELECT EXISTS (SELECT 1 FROM databases WHERE name >= ?1 AND name < ?2)",
        (&prefix, format!("{username}`")),
    )?;
    match (taken, remains) {
        (0, 0) => Ok(()),
        (0, _) => {
            let message = format!("databases of an earlier account {username} are still kept");
            Err(Refusal::new(RefusalCode::NameTaken, "/username", message).into())
        }
        _ => {
            let message = format!("the user name {username} is taken");
            Err(Refusal::new(RefusalCode::NameTaken, "/username", message).into())
        }
    }
}

fn next_uid(ctx: &Context<'_>) -> Rule<Uid> {
    let next = ctx.find("SELECT next_uid FROM cluster", [], |row| row.get::<_, u32>(0))?;
    let uid = next.and_then(|next| Uid::new(next).ok()).ok_or_else(|| {
        Refusal::new(RefusalCode::LimitReached, "", "every uid of the fleet's range has been given out")
    })?;
    ctx.run("UPDATE cluster SET next_uid = next_uid + 1", [])?;
    Ok(uid)
}

/// Places every part where the leader decided, if the nodes are still fit for it.
fn assign(ctx: &Context<'_>, account: &AccountRow, assignments: &[Assignment], operation: &[u8]) -> Rule<()> {
    for part in Part::ALL {
        if !assignments.iter().any(|assignment| assignment.part == part.as_str()) {
            let message = format!("no node was found for the account's {part} part");
            return Err(Refusal::new(RefusalCode::NoNode, "", message).into());
        }
    }
    for assignment in assignments {
        let id = wire_id(&assignment.assignment_id, "/assignments", AssignmentId::from_bytes)?;
        let part: Part = wire_text(&assignment.part, "/assignments")?;
        let node_id = wire_id(&assignment.node_id, "/assignments", NodeId::from_bytes)?;
        node::require_role(ctx, node_id, part.role())?;
        ctx.run(
            "INSERT INTO assignments (id, tenant_id, account_id, part, node_id, state, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, 'active', 1)",
            (
                id.to_bytes(),
                account.tenant.to_bytes(),
                account.id.to_bytes(),
                part.as_str(),
                node_id.to_bytes(),
            ),
        )?;
        if part == Part::Web {
            want(ctx, node_id, subject(account, &account.id.to_bytes()), operation)?;
        }
    }
    Ok(())
}

fn subject<'a>(account: &AccountRow, id: &'a [u8]) -> Subject<'a> {
    Subject { kind: ObjectKind::Account, id, tenant: account.tenant, generation: account.generation }
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountDelete)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = load_live(ctx, id, "/id")?;
    ctx.require_visible(account.tenant, "account", "/id")?;
    open_operation(
        ctx,
        &body.operation_id,
        Action::AccountDelete,
        account.tenant,
        "account",
        &id.to_bytes(),
        "",
    )?;
    let retention = removal::retention(ctx, body.retention_seconds)?;
    removal::remove_account(ctx, &account, retention, &body.operation_id)?;
    close_if_done(ctx, &body.operation_id)?;
    Ok(Effect {
        tenant: account.tenant,
        action: Action::AccountDelete,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

/// The account, unless it is gone or going.
pub(super) fn load_live(ctx: &Context<'_>, id: AccountId, field: &'static str) -> Rule<AccountRow> {
    let found = ctx.find(
        "SELECT tenant_id, plan_id, username, generation, deleted_millis FROM accounts WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let account = AccountRow {
                id,
                tenant: tenant_id(row, 0)?,
                plan: typed(row, 1, PlanId::from_bytes)?,
                username: row.get(2)?,
                generation: Generation(row.get(3)?),
            };
            Ok((account, row.get::<_, Option<i64>>(4)?.is_some()))
        },
    )?;
    let (account, deleting) = found.ok_or_else(|| Refusal::not_found("account", field))?;
    ctx.require_visible(account.tenant, "account", field)?;
    if deleting {
        return Err(Refusal::new(RefusalCode::Deleting, field, "the account is being deleted").into());
    }
    Ok(account)
}

/// The node that carries the part now.
pub(super) fn node_of(ctx: &Context<'_>, account: AccountId, part: Part) -> Rule<NodeId> {
    ctx.find(
        "SELECT node_id FROM assignments WHERE account_id = ?1 AND part = ?2 AND state = 'active'",
        (account.to_bytes(), part.as_str()),
        |row| typed(row, 0, NodeId::from_bytes),
    )?
    .ok_or_else(|| {
        Refusal::new(RefusalCode::NoNode, "", format!("the account has no active {part} node")).into()
    })
}

/// Refuses one more of something that the account's plan limits.
pub(super) fn require_room(what: &'static str, limit: Option<u64>, used: u64) -> Rule<()> {
    if Limit::from(limit).allows(used, 1) {
        return Ok(());
    }
    let message = format!("the account's plan allows {} {what} (it has {used})", Limit::from(limit));
    Err(Refusal::new(RefusalCode::LimitReached, "", message).into())
}
