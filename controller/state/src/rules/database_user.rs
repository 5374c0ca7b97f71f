//! Database users and what they may do.

use npanel_model::{
    AccountId, Action, DatabaseId, DatabaseUserId, DatabaseUserName, Generation, Part, Privileges, TenantId,
};
use npanel_proto::command::{
    CreateDatabaseUser, DatabaseGrant, DeleteDatabaseUser, SetDatabasePassword, SetDatabasePrivileges,
};

use super::{account, account::AccountRow, database, removal, require_new, secrets};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, typed, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, touch, want},
};

/// A database user beyond this many is a script gone wild, not a customer.
const USERS_PER_ACCOUNT: u64 = 1000;

/// The part of a database user that other rules need.
pub(super) struct UserRow {
    pub(super) id: DatabaseUserId,
    pub(super) tenant: TenantId,
    pub(super) account: AccountId,
    pub(super) generation: Generation,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateDatabaseUser) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseUserCreate)?;
    let id = wire_id(&body.database_user_id, "/id", DatabaseUserId::from_bytes)?;
    let account_id = wire_id(&body.account_id, "/account_id", AccountId::from_bytes)?;
    let name: DatabaseUserName = wire_text(&body.name, "/name")?;
    let owner = account::load_live(ctx, account_id, "/account_id")?;
    if name.prefix() != owner.username {
        let message =
            format!("the name of a database user of {0} begins with {0}_ (got {name})", owner.username);
        return Err(Refusal::new(RefusalCode::Invalid, "/name", message).into());
    }
    if body.sealed_password_hash.is_empty() {
        return Err(Refusal::new(RefusalCode::Invalid, "/password", "a database user has a password").into());
    }
    secrets::require_data_key(ctx, owner.tenant, &body.sealed_password_hash)?;
    require_new(ctx, "database_users", &body.database_user_id)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM database_users WHERE name = ?1)", [name.as_str()])? == 1 {
        let message = format!("the database user {name} exists already");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    let used =
        ctx.count("SELECT count(*) FROM database_users WHERE account_id = ?1", [account_id.to_bytes()])?;
    account::require_room("database users", Some(USERS_PER_ACCOUNT), used)?;

    open_operation(
        ctx,
        &body.operation_id,
        Action::DatabaseUserCreate,
        owner.tenant,
        "database_user",
        &id.to_bytes(),
        "",
    )?;
    ctx.run(
        "INSERT INTO database_users (id, tenant_id, account_id, name, sealed_password_hash, generation, operation_id,
             created_millis)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)",
        (
            id.to_bytes(),
            owner.tenant.to_bytes(),
            account_id.to_bytes(),
            name.as_str(),
            &body.sealed_password_hash,
            &body.operation_id,
            ctx.now.as_millis(),
        ),
    )?;
    for grant in &body.grants {
        insert_grant(ctx, &owner, id, grant)?;
    }
    ctx.note_object(owner.tenant, ObjectKind::DatabaseUser, &id.to_bytes(), "created");
    let node = account::node_of(ctx, account_id, Part::Database)?;
    let subject = Subject {
        kind: ObjectKind::DatabaseUser,
        id: &body.database_user_id,
        tenant: owner.tenant,
        generation: Generation::FIRST,
    };
    want(ctx, node, subject, &body.operation_id)?;
    Ok(Effect {
        tenant: owner.tenant,
        action: Action::DatabaseUserCreate,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

fn insert_grant(
    ctx: &Context<'_>,
    owner: &AccountRow,
    user: DatabaseUserId,
    grant: &DatabaseGrant,
) -> Rule<()> {
    let database_id = wire_id(&grant.database_id, "/grants", DatabaseId::from_bytes)?;
    let privileges: Privileges = wire_text(&grant.privileges, "/grants")?;
    let (of_account, _) = database::load_live(ctx, database_id, "/grants")?;
    if of_account != owner.id {
        // Another account's database does not exist for this one, whoever asks.
        return Err(Refusal::not_found("database", "/grants").into());
    }
    let added = ctx.run(
        "INSERT INTO database_grants (database_user_id, database_id, tenant_id, privileges) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        (user.to_bytes(), database_id.to_bytes(), owner.tenant.to_bytes(), privileges.as_str()),
    )?;
    if added == 1 {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Invalid, "/grants", "the same database is granted twice").into())
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteDatabaseUser) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseUserDelete)?;
    let id = wire_id(&body.database_user_id, "/id", DatabaseUserId::from_bytes)?;
    let user = load_live(ctx, id)?;
    let operation = &body.operation_id;
    open_operation(
        ctx,
        operation,
        Action::DatabaseUserDelete,
        user.tenant,
        "database_user",
        &id.to_bytes(),
        "",
    )?;
    removal::remove_database_user(ctx, &user, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect {
        tenant: user.tenant,
        action: Action::DatabaseUserDelete,
        object: id.to_bytes(),
        operation: operation.clone(),
    })
}

pub(super) fn set_password(ctx: &Context<'_>, body: &SetDatabasePassword) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseSetPassword)?;
    let id = wire_id(&body.database_user_id, "/id", DatabaseUserId::from_bytes)?;
    let user = load_live(ctx, id)?;
    if body.sealed_password_hash.is_empty() {
        return Err(Refusal::new(RefusalCode::Invalid, "/password", "a database user has a password").into());
    }
    secrets::require_data_key(ctx, user.tenant, &body.sealed_password_hash)?;
    ctx.run(
        "UPDATE database_users SET sealed_password_hash = ?2 WHERE id = ?1",
        (id.to_bytes(), &body.sealed_password_hash),
    )?;
    changed(ctx, &user, Action::DatabaseSetPassword, &body.operation_id)
}

pub(super) fn set_privileges(ctx: &Context<'_>, body: &SetDatabasePrivileges) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseSetPrivileges)?;
    let id = wire_id(&body.database_user_id, "/id", DatabaseUserId::from_bytes)?;
    let user = load_live(ctx, id)?;
    let owner = account::load_live(ctx, user.account, "/id")?;
    let before = grants(ctx, id)?;
    ctx.run("DELETE FROM database_grants WHERE database_user_id = ?1", [id.to_bytes()])?;
    for grant in &body.grants {
        insert_grant(ctx, &owner, id, grant)?;
    }
    let action = Action::DatabaseSetPrivileges;
    if grants(ctx, id)? == before {
        return Ok(Effect { tenant: user.tenant, action, object: id.to_bytes(), operation: Vec::new() });
    }
    changed(ctx, &user, action, &body.operation_id)
}

/// Which databases the user may use, and how.
fn grants(ctx: &Context<'_>, user: DatabaseUserId) -> Rule<Vec<(Vec<u8>, String)>> {
    ctx.all(
        "SELECT database_id, privileges FROM database_grants WHERE database_user_id = ?1 ORDER BY database_id",
        [user.to_bytes()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn changed(ctx: &Context<'_>, user: &UserRow, action: Action, operation: &[u8]) -> Rule<Effect> {
    let id = user.id.to_bytes();
    open_operation(ctx, operation, action, user.tenant, "database_user", &id, "")?;
    touch(ctx, ObjectKind::DatabaseUser, &id, user.tenant, operation)?;
    close_if_done(ctx, operation)?;
    Ok(Effect { tenant: user.tenant, action, object: id, operation: operation.to_vec() })
}

/// The database user, unless it is gone or going.
fn load_live(ctx: &Context<'_>, id: DatabaseUserId) -> Rule<UserRow> {
    let found = ctx.find(
        "SELECT tenant_id, account_id, generation, deleted_millis FROM database_users WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let account = typed(row, 1, AccountId::from_bytes)?;
            let user =
                UserRow { id, tenant: tenant_id(row, 0)?, account, generation: Generation(row.get(2)?) };
            Ok((user, row.get::<_, Option<i64>>(3)?.is_some()))
        },
    )?;
    let (user, deleting) = found.ok_or_else(|| Refusal::not_found("database user", "/id"))?;
    ctx.require_visible_of(user.tenant, user.account, "database user", "/id")?;
    if deleting {
        return Err(Refusal::new(RefusalCode::Deleting, "/id", "the database user is being deleted").into());
    }
    Ok(user)
}
