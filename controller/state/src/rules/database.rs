//! Databases.

use npanel_model::{AccountId, Action, DatabaseId, DatabaseName, Generation, Part, TenantId};
use npanel_proto::command::{CreateDatabase, DeleteDatabase};

use super::{
    account, plan, removal, require_new,
    usage::{self, Counted},
};
use crate::{
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Effect, Rule, tenant_id, wire_id, wire_text},
    wanted::{Subject, close_if_done, open_operation, want},
};

/// The part of a database that removal needs.
pub(super) struct DatabaseRow {
    pub(super) id: DatabaseId,
    pub(super) tenant: TenantId,
    pub(super) generation: Generation,
}

pub(super) fn create(ctx: &Context<'_>, body: &CreateDatabase) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseCreate)?;
    let id = wire_id(&body.database_id, "/id", DatabaseId::from_bytes)?;
    let account_id = wire_id(&body.account_id, "/account_id", AccountId::from_bytes)?;
    let name: DatabaseName = wire_text(&body.name, "/name")?;
    let owner = account::load_live(ctx, account_id, "/account_id")?;
    if name.prefix() != owner.username {
        let message = format!("the name of a database of {0} begins with {0}_ (got {name})", owner.username);
        return Err(Refusal::new(RefusalCode::Invalid, "/name", message).into());
    }
    require_new(ctx, "databases", &body.database_id)?;
    if ctx.count("SELECT EXISTS (SELECT 1 FROM databases WHERE name = ?1)", [name.as_str()])? == 1 {
        let message = format!("the database {name} exists already, or its data is still kept");
        return Err(Refusal::new(RefusalCode::NameTaken, "/name", message).into());
    }
    let limit = plan::load(ctx, owner.plan, "/plan_id")?.databases;
    let used = ctx.count(
        "SELECT count(*) FROM databases WHERE account_id = ?1 AND deleted_millis IS NULL",
        [account_id.to_bytes()],
    )?;
    account::require_room("databases", limit, used)?;
    usage::add(ctx, owner.tenant, Counted::Database)?;

    open_operation(
        ctx,
        &body.operation_id,
        Action::DatabaseCreate,
        owner.tenant,
        "database",
        &id.to_bytes(),
        "",
    )?;
    ctx.run(
        "INSERT INTO databases (id, tenant_id, account_id, name, generation, operation_id, created_millis)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
        (
            id.to_bytes(),
            owner.tenant.to_bytes(),
            account_id.to_bytes(),
            name.as_str(),
            &body.operation_id,
            ctx.now.as_millis(),
        ),
    )?;
    ctx.note_object(owner.tenant, ObjectKind::Database, &id.to_bytes(), "created");
    let node = account::node_of(ctx, account_id, Part::Database)?;
    let subject = Subject {
        kind: ObjectKind::Database,
        id: &body.database_id,
        tenant: owner.tenant,
        generation: Generation::FIRST,
    };
    want(ctx, node, subject, &body.operation_id)?;
    Ok(Effect {
        tenant: owner.tenant,
        action: Action::DatabaseCreate,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

pub(super) fn delete(ctx: &Context<'_>, body: &DeleteDatabase) -> Rule<Effect> {
    ctx.authorise(Action::DatabaseDelete)?;
    let id = wire_id(&body.database_id, "/id", DatabaseId::from_bytes)?;
    let database = load_live(ctx, id, "/id")?.1;
    open_operation(
        ctx,
        &body.operation_id,
        Action::DatabaseDelete,
        database.tenant,
        "database",
        &id.to_bytes(),
        "",
    )?;
    let retention = removal::retention(ctx, body.retention_seconds)?;
    removal::remove_database(ctx, &database, retention, &body.operation_id)?;
    close_if_done(ctx, &body.operation_id)?;
    Ok(Effect {
        tenant: database.tenant,
        action: Action::DatabaseDelete,
        object: id.to_bytes(),
        operation: body.operation_id.clone(),
    })
}

/// The database and its account, unless it is gone or going.
pub(super) fn load_live(
    ctx: &Context<'_>,
    id: DatabaseId,
    field: &'static str,
) -> Rule<(AccountId, DatabaseRow)> {
    let found = ctx.find(
        "SELECT account_id, tenant_id, generation, deleted_millis FROM databases WHERE id = ?1",
        [id.to_bytes()],
        |row| {
            let account = crate::context::typed(row, 0, AccountId::from_bytes)?;
            let database =
                DatabaseRow { id, tenant: tenant_id(row, 1)?, generation: Generation(row.get(2)?) };
            Ok((account, database, row.get::<_, Option<i64>>(3)?.is_some()))
        },
    )?;
    let (account, database, deleting) = found.ok_or_else(|| Refusal::not_found("database", field))?;
    ctx.require_visible_of(database.tenant, account, "database", field)?;
    if deleting {
        return Err(Refusal::new(RefusalCode::Deleting, field, "the database is being deleted").into());
    }
    Ok((account, database))
}
