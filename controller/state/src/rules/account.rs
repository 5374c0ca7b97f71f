//! Hosting accounts: a user, a uid for ever, and the nodes that carry their parts.

use npanel_model::{
    AccountId, AccountWish, Action, Allotment, AssignmentId, AvailabilityZone, EmailAddress, Generation,
    Limit, NodeId, Part, PhpVersion, PlanId, PoolName, TenantId, Uid, Username,
};
use npanel_proto::command::{Assignment, CreateAccount, DeleteAccount, PlacementWish, UpdateAccount};

use super::{
    capacity::{self, PlacedPart, Promised},
    domain, fitness, following, lost, node, plan, removal, require_new, usage,
};
use crate::{
    Exceeded, ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Halt, Rule, json, tenant_id, texts, typed, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, touch, want},
};

/// The part of an account that other rules need.
pub(super) struct AccountRow {
    pub(super) id: AccountId,
    pub(super) tenant: TenantId,
    pub(super) plan: PlanId,
    pub(super) username: String,
    pub(super) generation: Generation,
    fields: Fields,
}

impl AccountRow {
    pub(super) fn php_version(&self) -> &str {
        &self.fields.php_version
    }

    /// What its node was told that its processes may take.
    pub(super) fn allotment(&self) -> Allotment {
        self.fields.allotment
    }
}

/// What of an account its node runs by.
pub(super) struct Running {
    pub(super) php: PhpVersion,
    pub(super) allotment: Allotment,
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
    ctx.account.set(Some(id));
    let plan = plan::load(ctx, plan_id, "/plan_id")?;
    plan::require_usable_by(ctx, &plan, tenant_of)?;
    let wish = wish(ctx, body.placement.as_ref())?;
    require_new(ctx, "accounts", &body.account_id)?;
    require_free_name(ctx, &username)?;
    usage::add_account(ctx, tenant_of, plan_id, &plan.share)?;

    let mut promised = plan.promised(capacity::overselling(ctx, tenant_of)?);
    promised.allowed.pools.extend(wish.pool.clone());
    promised.allowed.labels.extend(wish.labels.iter().cloned());
    promised.allowed.availability_zone.clone_from(&wish.availability_zone);
    let account = AccountRow {
        id,
        tenant: tenant_of,
        plan: plan_id,
        username: username.to_string(),
        generation: Generation::FIRST,
        fields: Fields {
            contact: body.contact.clone(),
            plan: plan_id,
            php_version: plan.php_version.clone(),
            php_chosen: false,
            allotment: plan.allotment,
        },
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
             operation_id, created_millis, wished_pool, wished_labels, wished_availability_zone, allotment,
             tenant_suspended)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
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
            wish.pool.as_ref().map(PoolName::as_str),
            json(&wish.labels),
            wish.availability_zone.as_ref().map(AvailabilityZone::as_str),
            plan.allotment.to_text(),
            ctx.is_suspended(tenant_of)?,
        ],
    )?;
    let php: PhpVersion = wire_text(&plan.php_version, "/php_version")?;
    assign(ctx, &account, &promised, &php, &body.assignments, &body.operation_id)?;
    ctx.run(
        "INSERT INTO placement_reports (account_id, tenant_id, report) VALUES (?1, ?2, ?3)",
        (id.to_bytes(), tenant_of.to_bytes(), &body.placement_report),
    )?;
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

/// Where the caller wants the account. Nodes, pools and labels are the platform's to name; where in the world its
/// accounts are is for everyone to say.
fn wish(ctx: &Context<'_>, wish: Option<&PlacementWish>) -> Rule<AccountWish> {
    let Some(wish) = wish else { return Ok(AccountWish::default()) };
    let named = [
        ("/placement/node_id", !wish.node_id.is_empty()),
        ("/placement/pool", !wish.pool.is_empty()),
        ("/placement/labels", !wish.labels.is_empty()),
    ];
    if let Some((field, _)) = named.into_iter().find(|(_, is_named)| *is_named) {
        ctx.require_placing(field)?;
    }
    let pool = (!wish.pool.is_empty()).then(|| wire_text(&wish.pool, "/placement/pool")).transpose()?;
    let zone = (!wish.availability_zone.is_empty())
        .then(|| wire_text(&wish.availability_zone, "/placement/availability_zone"))
        .transpose()?;
    let labels = fitness::labels(&wish.labels, "/placement/labels")?;
    Ok(AccountWish { pool, labels, availability_zone: zone })
}

/// What was wished for the account when it was made.
pub(super) fn kept_wish(ctx: &Context<'_>, id: AccountId) -> Rule<AccountWish> {
    let kept = ctx.find(
        "SELECT wished_pool, wished_labels, wished_availability_zone FROM accounts WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        },
    )?;
    let (pool, labels, zone) = kept.ok_or_else(|| Refusal::not_found("account", "/id"))?;
    Ok(AccountWish {
        pool: pool.map(|text| wire_text(&text, "")).transpose()?,
        labels: fitness::labels(&texts(&labels), "")?,
        availability_zone: zone.map(|text| wire_text(&text, "")).transpose()?,
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
fn assign(
    ctx: &Context<'_>,
    account: &AccountRow,
    promised: &Promised,
    php: &PhpVersion,
    assignments: &[Assignment],
    operation: &[u8],
) -> Rule<()> {
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
        let placed = PlacedPart {
            assignment: &id.to_bytes(),
            account: account.id,
            tenant: account.tenant,
            part,
            node: node_id,
        };
        capacity::assign(ctx, &placed, promised)?;
        if part == Part::Web {
            // The plan's version may be another one than the leader saw.
            node::require_php(ctx, node_id, php, &account.username)?;
            want(ctx, node_id, subject(account, &account.id.to_bytes()), operation)?;
        }
    }
    Ok(())
}

fn subject<'a>(account: &AccountRow, id: &'a [u8]) -> Subject<'a> {
    Subject { kind: ObjectKind::Account, id, tenant: account.tenant, generation: account.generation }
}

/// What of an account can be changed.
#[derive(Clone, PartialEq, Eq)]
struct Fields {
    contact: String,
    plan: PlanId,
    php_version: String,
    /// Whether the PHP version was chosen for the account, rather than being the plan's.
    php_chosen: bool,
    allotment: Allotment,
}

pub(super) fn update(ctx: &Context<'_>, body: &UpdateAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountUpdate)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let account = load_live(ctx, id, "/id")?;
    if body.plan_id.is_some() && ctx.asking()?.is_some_and(|access| access.purview.accounts.is_some()) {
        let message = "an account's plan is for whoever runs its tenant to choose";
        return Err(Refusal::new(RefusalCode::Forbidden, "/plan_id", message).into());
    }
    let old = &account.fields;
    let new = changed_fields(ctx, &account, body)?;
    let action = Action::AccountUpdate;
    let mut effect = Effect { tenant: account.tenant, action, object: id.to_bytes(), operation: Vec::new() };
    if new == *old {
        return Ok(effect);
    }
    if (Fields { contact: old.contact.clone(), ..new.clone() }) == *old {
        ctx.run(
            "UPDATE accounts SET contact = ?2, revision = ?3 WHERE id = ?1",
            (id.to_bytes(), &new.contact, ctx.index),
        )?;
        ctx.note_renewed(account.tenant, "account", id.to_bytes(), "changed");
        return Ok(effect);
    }
    let unmet = if new.plan == old.plan { Vec::new() } else { fitness::unmet(ctx, id)? };
    ctx.run(
        "UPDATE accounts SET contact = ?2, plan_id = ?3, php_chosen = ?4 WHERE id = ?1",
        (id.to_bytes(), &new.contact, new.plan.to_bytes(), new.php_chosen),
    )?;
    if (new.plan, new.php_chosen) != (old.plan, old.php_chosen) {
        following::is_not_behind(ctx, id)?;
    }
    if new.plan != old.plan {
        fitness::require_met(ctx, id, &unmet)?;
        require_fits(ctx, id, body.allow_exceeding)?;
        let (from, to) = (plan::load(ctx, old.plan, "/plan_id")?, plan::load(ctx, new.plan, "/plan_id")?);
        usage::change_plan(ctx, account.tenant, (old.plan, &from.share), (new.plan, &to.share))?;
        capacity::resize(ctx, id, &to.promised(capacity::overselling(ctx, account.tenant)?))?;
    }
    if (&new.php_version, new.allotment) == (&old.php_version, old.allotment) {
        ctx.note(account.tenant, "account", id.to_bytes(), "changed");
        return Ok(effect);
    }
    let operation = &body.operation_id;
    open_operation(ctx, operation, action, account.tenant, "account", &id.to_bytes(), "")?;
    let php: PhpVersion = wire_text(&new.php_version, "/php_version")?;
    if new.php_version != old.php_version {
        require_php(ctx, &account, &php)?;
    }
    run(ctx, &account, &Running { php, allotment: new.allotment }, operation)?;
    close_if_done(ctx, operation)?;
    effect.operation.clone_from(operation);
    Ok(effect)
}

fn changed_fields(ctx: &Context<'_>, account: &AccountRow, body: &UpdateAccount) -> Rule<Fields> {
    let old = &account.fields;
    let contact = body.contact.clone().unwrap_or_else(|| old.contact.clone());
    if !contact.is_empty() {
        wire_text::<EmailAddress>(&contact, "/contact")?;
    }
    let plan_id = match &body.plan_id {
        Some(id) => wire_id(id, "/plan_id", PlanId::from_bytes)?,
        None => old.plan,
    };
    // An account's own plan is there.
    let plan = || plan::load(ctx, plan_id, "/plan_id");
    let mut allotment = old.allotment;
    if plan_id != old.plan {
        let plan = plan()?;
        plan::require_usable_by(ctx, &plan, account.tenant)?;
        if ctx.level < plan::SUBDOMAINS_COUNTED {
            require_fits_as_before(ctx, account.id, &plan)?;
        }
        if old.php_chosen && body.php_version.is_none() && !body.allow_exceeding {
            plan.require_php(&old.php_version)?;
        }
        allotment = plan.allotment;
    }
    let (php_version, php_chosen) = match body.php_version.as_deref() {
        // Whoever follows the plan does so in its turn, or is left behind; another change is not in its way.
        None if old.php_chosen || plan_id == old.plan => (old.php_version.clone(), old.php_chosen),
        None | Some("") => (plan()?.php_version, false),
        Some(text) => {
            let version: PhpVersion = wire_text(text, "/php_version")?;
            // What it has it keeps.
            if (text, true) != (old.php_version.as_str(), old.php_chosen) {
                plan()?.require_php(text)?;
            }
            (version.into(), true)
        }
    };
    Ok(Fields { contact, plan: plan_id, php_version, php_chosen, allotment })
}

/// As it was before subdomains were told apart, and before more than a plan allows could be wanted.
fn require_fits_as_before(ctx: &Context<'_>, account: AccountId, plan: &plan::PlanLimits) -> Rule<()> {
    for (what, kind, limit) in
        [("domains", ObjectKind::Site, plan.domains), ("databases", ObjectKind::Database, plan.databases)]
    {
        let has = removal::live(ctx, kind, &account.to_bytes())?.len() as u64;
        if !Limit::from(limit).allows(has, 0) {
            let message = format!("the account has {has} {what} (the plan allows {})", Limit::from(limit));
            return Err(Refusal::new(RefusalCode::LimitReached, "/plan_id", message).into());
        }
    }
    Ok(())
}

/// Refuses a plan, which the account has by now, that allows less than it has; unless that is what the caller wants.
fn require_fits(ctx: &Context<'_>, account: AccountId, allow_exceeding: bool) -> Rule<()> {
    let exceeded = plan::exceeded_by(ctx, account)?;
    if let Some(first) = exceeded.first().filter(|_| !allow_exceeding) {
        let Exceeded { used, limit, allowed, .. } = first;
        let message = format!("the account has {used} {limit} (the plan allows {allowed})");
        return Err(Refusal::new(RefusalCode::LimitReached, "/plan_id", message).into());
    }
    ctx.foresee_exceeding(|| Ok(exceeded))
}

/// Refuses a PHP version that the account's node does not have.
fn require_php(ctx: &Context<'_>, account: &AccountRow, version: &PhpVersion) -> Rule<()> {
    // Of an unplaced account, whoever it is placed on will be asked.
    if lost::is_unplaced(ctx, account.id, Part::Web)? {
        return Ok(());
    }
    let node = node_of(ctx, account.id, Part::Web)?;
    node::require_php(ctx, node, version, &account.username)
}

/// Has the account's sites run by this PHP, which its node has if there is one, and its processes take so much.
pub(super) fn run(ctx: &Context<'_>, account: &AccountRow, running: &Running, operation: &[u8]) -> Rule<()> {
    let id = account.id.to_bytes();
    ctx.run(
        "UPDATE accounts SET php_version = ?2, allotment = ?3 WHERE id = ?1",
        (&id, running.php.as_str(), running.allotment.to_text()),
    )?;
    touch(ctx, ObjectKind::Account, &id, account.tenant, operation)?;
    if running.php.as_str() == account.fields.php_version {
        return Ok(());
    }
    following::is_not_behind(ctx, account.id)
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteAccount) -> Rule<Effect> {
    ctx.authorise(Action::AccountDelete)?;
    let id = wire_id(&body.account_id, "/id", AccountId::from_bytes)?;
    let (account, is_going) = find(ctx, id)?.ok_or_else(|| Refusal::not_found("account", "/id"))?;
    ctx.require_visible_of(account.tenant, account.id, "account", "/id")?;
    if is_going && (body.retention_seconds.is_none() || ctx.level < removal::RETENTION_BOUNDED) {
        return Err(deleting("/id"));
    }
    let retention = removal::retention(ctx, body.retention_seconds)?;
    open_operation(
        ctx,
        &body.operation_id,
        Action::AccountDelete,
        account.tenant,
        "account",
        &id.to_bytes(),
        "",
    )?;
    if is_going {
        removal::keep_for(ctx, &account, retention, &body.operation_id)?;
    } else {
        removal::remove_account(ctx, &account, retention, &body.operation_id)?;
    }
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
    let (account, deleting) = find(ctx, id)?.ok_or_else(|| Refusal::not_found("account", field))?;
    ctx.require_visible_of(account.tenant, account.id, "account", field)?;
    if deleting {
        return Err(self::deleting(field));
    }
    Ok(account)
}

fn deleting(field: &'static str) -> Halt {
    Refusal::new(RefusalCode::Deleting, field, "the account is being deleted").into()
}

/// An account that the state itself names, whoever may see it.
pub(super) fn load(ctx: &Context<'_>, id: AccountId) -> Rule<AccountRow> {
    let (account, _) = find(ctx, id)?.ok_or_else(|| Refusal::not_found("account", ""))?;
    Ok(account)
}

/// The account, and whether it is going.
fn find(ctx: &Context<'_>, id: AccountId) -> Rule<Option<(AccountRow, bool)>> {
    ctx.find(
        "SELECT tenant_id, plan_id, username, generation, deleted_millis, contact, php_version, php_chosen, allotment
         FROM accounts WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let plan = typed(row, 1, PlanId::from_bytes)?;
            let account = AccountRow {
                id,
                tenant: tenant_id(row, 0)?,
                plan,
                username: row.get(2)?,
                generation: Generation(row.get(3)?),
                fields: Fields {
                    contact: row.get(5)?,
                    plan,
                    php_version: row.get(6)?,
                    php_chosen: row.get(7)?,
                    allotment: Allotment::of_text(&row.get::<_, String>(8)?),
                },
            };
            Ok((account, row.get::<_, Option<i64>>(4)?.is_some()))
        },
    )
}

/// The node that carries the part now.
pub(super) fn node_of(ctx: &Context<'_>, account: AccountId, part: Part) -> Rule<NodeId> {
    ctx.find(
        "SELECT node_id FROM assignments WHERE account_id = ?1 AND part = ?2 AND state = 'active'",
        (account.to_bytes(), part.as_str()),
        |row| typed(row, 0, NodeId::from_bytes),
    )?
    .ok_or_else(|| {
        let message = format!("no node carries the account's {part} part at the moment");
        Refusal::new(RefusalCode::NoNode, "", message).into()
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
