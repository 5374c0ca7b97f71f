//! How objects go: first from intent (a tombstone for every node that has them), and when every node has
//! confirmed, from the state.

use npanel_model::{DatabaseId, DatabaseUserId, DomainId, Generation, TenantId, ZoneId};

use super::{
    account::AccountRow,
    capacity,
    database::DatabaseRow,
    database_user::UserRow,
    domain::DomainRow,
    following, lost, names, plan, record_set,
    usage::{self, Counted},
    zone::{self, ZoneRow},
};
use crate::{
    ObjectKind,
    context::{Context, Rule, tenant_id, typed},
    wanted::{Subject, touch, unwant},
};

/// How long nodes keep the data of what is removed: the caller's wish, or the cluster's rule.
pub(super) fn retention(ctx: &Context<'_>, wish: Option<u64>) -> Rule<u64> {
    match wish {
        Some(seconds) => Ok(seconds),
        None => Ok(ctx.find("SELECT retention_seconds FROM cluster", [], |row| row.get(0))?.unwrap_or(0)),
    }
}

/// Marks the object as going, tombstones it everywhere, and forgets it at once if no node has it.
fn retire(
    ctx: &Context<'_>,
    kind: ObjectKind,
    id: &[u8],
    tenant: TenantId,
    old: Generation,
    retention_seconds: u64,
    operation: &[u8],
) -> Rule<()> {
    let generation = old.next();
    let table = kind.table();
    ctx.run(
        &format!("UPDATE {table} SET deleted_millis = ?2, generation = ?3, operation_id = ?4 WHERE id = ?1"),
        (id, ctx.now.as_millis(), generation.0, operation),
    )?;
    ctx.note_object(tenant, kind, id, "changed");
    lost::forget(ctx, id, kind)?;
    let nodes = unwant(ctx, Subject { kind, id, tenant, generation }, retention_seconds, operation)?;
    if nodes == 0 { forget(ctx, kind, id, tenant) } else { Ok(()) }
}

/// Removes the account with all it has.
pub(super) fn remove_account(
    ctx: &Context<'_>,
    account: &AccountRow,
    retention: u64,
    operation: &[u8],
) -> Rule<()> {
    let of = account.id.to_bytes();
    for domain in live(ctx, ObjectKind::Site, &of)? {
        let id = DomainId::from_bytes(&domain.id).map_err(corrupt)?;
        let row = DomainRow { id, tenant: domain.tenant, generation: domain.generation };
        remove_domain(ctx, &row, operation)?;
    }
    for table in live(ctx, ObjectKind::CronTable, &of)? {
        retire(ctx, ObjectKind::CronTable, &table.id, table.tenant, table.generation, 0, operation)?;
    }
    for left in live(ctx, ObjectKind::Zone, &of)? {
        let id = ZoneId::from_bytes(&left.id).map_err(corrupt)?;
        remove_zone(ctx, &zone::load_live(ctx, id, "/id")?, operation)?;
    }
    for user in live(ctx, ObjectKind::DatabaseUser, &of)? {
        let id = DatabaseUserId::from_bytes(&user.id).map_err(corrupt)?;
        remove_database_user(
            ctx,
            &UserRow { id, tenant: user.tenant, account: account.id, generation: user.generation },
            operation,
        )?;
    }
    for database in live(ctx, ObjectKind::Database, &of)? {
        let id = DatabaseId::from_bytes(&database.id).map_err(corrupt)?;
        let row = DatabaseRow { id, tenant: database.tenant, generation: database.generation };
        remove_database(ctx, &row, retention, operation)?;
    }
    following::is_not_behind(ctx, account.id)?;
    let share = plan::load(ctx, account.plan, "/plan_id")?.share;
    usage::remove_account(ctx, account.tenant, account.plan, &share)?;
    retire(ctx, ObjectKind::Account, &of, account.tenant, account.generation, retention, operation)
}

fn corrupt(error: npanel_model::IdError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

/// What an account has and keeps.
pub(super) struct Live {
    pub(super) id: Vec<u8>,
    pub(super) tenant: TenantId,
    generation: Generation,
}

/// The account's objects of a kind, without those that are going.
pub(super) fn live(ctx: &Context<'_>, kind: ObjectKind, account: &[u8]) -> Rule<Vec<Live>> {
    let table = kind.table();
    ctx.all(
        &format!(
            "SELECT id, tenant_id, generation FROM {table} WHERE account_id = ?1 AND deleted_millis IS NULL ORDER BY id"
        ),
        [account],
        |row| Ok(Live { id: row.get(0)?, tenant: tenant_id(row, 1)?, generation: Generation(row.get(2)?) }),
    )
}

/// Removes the domain, its address record, and the zone that was made together with it, unless somebody else
/// has come to need that: another domain within, or a record set that was added by hand.
pub(super) fn remove_domain(ctx: &Context<'_>, domain: &DomainRow, operation: &[u8]) -> Rule<()> {
    let id = domain.id.to_bytes();
    usage::remove(ctx, domain.tenant, Counted::Domain)?;
    retire(ctx, ObjectKind::Site, &id, domain.tenant, domain.generation, 0, operation)?;
    match own_zone(ctx, domain.id)? {
        Some(zone_id) => remove_zone(ctx, &zone::load_live(ctx, zone_id, "/id")?, operation),
        None => record_set::remove_address(ctx, domain.id, operation),
    }
}

fn own_zone(ctx: &Context<'_>, domain: DomainId) -> Rule<Option<ZoneId>> {
    ctx.find(
        "SELECT z.id FROM zones z
         WHERE z.account_id = (SELECT account_id FROM domains WHERE id = ?1)
           AND z.domain_id = ?1 AND z.deleted_millis IS NULL
           AND NOT EXISTS (SELECT 1 FROM record_sets r WHERE r.zone_id = z.id AND r.domain_id IS NOT ?1)
           AND NOT EXISTS (SELECT 1 FROM name_index n JOIN domains d ON d.id = n.object_id
                           WHERE n.at = z.name AND d.id != ?1 AND d.deleted_millis IS NULL)",
        [domain.to_bytes()],
        |row| typed(row, 0, ZoneId::from_bytes),
    )
}

pub(super) fn remove_zone(ctx: &Context<'_>, zone: &ZoneRow, operation: &[u8]) -> Rule<()> {
    retire(ctx, ObjectKind::Zone, &zone.id.to_bytes(), zone.tenant, zone.generation, 0, operation)
}

/// Removes the database; its users lose their rights on it.
pub(super) fn remove_database(
    ctx: &Context<'_>,
    database: &DatabaseRow,
    retention: u64,
    operation: &[u8],
) -> Rule<()> {
    let id = database.id.to_bytes();
    let users = ctx.all(
        "DELETE FROM database_grants WHERE database_id = ?1 RETURNING database_user_id",
        [&id],
        |row| row.get::<_, Vec<u8>>(0),
    )?;
    for user in users {
        touch(ctx, ObjectKind::DatabaseUser, &user, database.tenant, operation)?;
    }
    usage::remove(ctx, database.tenant, Counted::Database)?;
    retire(ctx, ObjectKind::Database, &id, database.tenant, database.generation, retention, operation)
}

pub(super) fn remove_database_user(ctx: &Context<'_>, user: &UserRow, operation: &[u8]) -> Rule<()> {
    retire(ctx, ObjectKind::DatabaseUser, &user.id.to_bytes(), user.tenant, user.generation, 0, operation)
}

/// What stays of an object while nodes keep its data: an account gives its user name free, for its home has
/// been moved aside; a database keeps its name, for its data lies under it.
pub(super) fn release_name(ctx: &Context<'_>, kind: ObjectKind, id: &[u8]) -> Rule<()> {
    if kind == ObjectKind::Account {
        ctx.run("UPDATE accounts SET name_held = 0 WHERE id = ?1 AND deleted_millis IS NOT NULL", [id])?;
    }
    Ok(())
}

/// Removes the object from the state: no node has anything of it any more.
pub(super) fn forget(ctx: &Context<'_>, kind: ObjectKind, id: &[u8], tenant: TenantId) -> Rule<()> {
    match kind {
        ObjectKind::Account => {
            capacity::release(ctx, id)?;
            ctx.run("DELETE FROM placement_reports WHERE account_id = ?1", [id])?;
        }
        ObjectKind::Site => names::leave(ctx, id)?,
        ObjectKind::Zone => {
            names::leave(ctx, id)?;
            capacity::release_zone(ctx, id)?;
            ctx.run("DELETE FROM record_sets WHERE zone_id = ?1", [id])?;
        }
        ObjectKind::DatabaseUser => {
            ctx.run("DELETE FROM database_grants WHERE database_user_id = ?1", [id])?;
        }
        ObjectKind::Database | ObjectKind::CronTable => {}
    }
    let table = kind.table();
    ctx.run(&format!("DELETE FROM {table} WHERE id = ?1 AND deleted_millis IS NOT NULL"), [id])?;
    ctx.note_object(tenant, kind, id, "deleted");
    Ok(())
}
