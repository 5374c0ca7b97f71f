//! How objects go: first from intent (a tombstone for every node that has them), and when every node has
//! confirmed, from the state.

use npanel_model::{Action, DatabaseId, DatabaseUserId, DomainId, Generation, TenantId, ZoneId};

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
    ObjectKind, Refusal, RefusalCode,
    context::{Context, Rule, tenant_id, typed},
    wanted::{Subject, touch, unwant},
};

/// From this level on a wish has bounds, and it is kept until when data is there.
pub(super) const RETENTION_BOUNDED: u32 = 4;

/// A year: who needs data for longer needs a backup.
const LONGEST_SECONDS: u64 = 365 * 24 * 3600;

/// How long nodes keep the data of what is removed: the caller's wish, or the cluster's rule. Less than that is for who may erase:
/// what is gone is gone.
pub(super) fn retention(ctx: &Context<'_>, wish: Option<u64>) -> Rule<u64> {
    let usual = ctx.find("SELECT retention_seconds FROM cluster", [], |row| row.get(0))?.unwrap_or(0);
    let Some(seconds) = wish else { return Ok(usual) };
    if ctx.level >= RETENTION_BOUNDED {
        require_bounded(seconds, "/retention_seconds")?;
        if seconds < usual {
            ctx.authorise(Action::AccountErase)?;
        }
    }
    Ok(seconds)
}

pub(super) fn require_bounded(seconds: u64, field: &'static str) -> Rule<()> {
    if seconds <= LONGEST_SECONDS {
        return Ok(());
    }
    let message = format!("deleted data is kept for at most {LONGEST_SECONDS} seconds (got {seconds})");
    Err(Refusal::new(RefusalCode::Invalid, field, message).into())
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
    note_retention(ctx, kind, id, retention_seconds)?;
    ctx.note_object(tenant, kind, id, "changed");
    lost::forget(ctx, id, kind)?;
    let nodes = unwant(ctx, Subject { kind, id, tenant, generation }, retention_seconds, operation)?;
    if nodes == 0 { forget(ctx, kind, id, tenant) } else { Ok(()) }
}

/// Writes down until when the data is there of what is going. What else goes leaves none.
fn note_retention(ctx: &Context<'_>, kind: ObjectKind, id: &[u8], retention_seconds: u64) -> Rule<()> {
    let statement = match kind {
        _ if ctx.level < RETENTION_BOUNDED => return Ok(()),
        ObjectKind::Account => {
            "UPDATE accounts SET retained_until_millis = deleted_millis + 1000 * ?2 WHERE id = ?1"
        }
        ObjectKind::Database => {
            "UPDATE databases SET retained_until_millis = deleted_millis + 1000 * ?2 WHERE id = ?1"
        }
        ObjectKind::Site | ObjectKind::DatabaseUser | ObjectKind::Zone | ObjectKind::CronTable => {
            return Ok(());
        }
    };
    ctx.run(statement, (id, retention_seconds))?;
    Ok(())
}

/// Has the data of an account that is going, and of its databases that are, kept for so long instead. Nodes count from when they
/// put it aside.
pub(super) fn keep_for(
    ctx: &Context<'_>,
    account: &AccountRow,
    retention: u64,
    operation: &[u8],
) -> Rule<()> {
    let of = account.id.to_bytes();
    keep_databases_for(ctx, &of, retention, operation)?;
    let going = Live { id: of, tenant: account.tenant, generation: account.generation };
    keep_one_for(ctx, ObjectKind::Account, &going, retention, operation)
}

fn keep_databases_for(ctx: &Context<'_>, account: &[u8], retention: u64, operation: &[u8]) -> Rule<()> {
    let going = ctx.all(
        "SELECT id, tenant_id, generation FROM databases WHERE account_id = ?1 AND deleted_millis IS NOT NULL ORDER BY id",
        [account],
        |row| Ok(Live { id: row.get(0)?, tenant: tenant_id(row, 1)?, generation: Generation(row.get(2)?) }),
    )?;
    going.iter().try_for_each(|one| keep_one_for(ctx, ObjectKind::Database, one, retention, operation))
}

/// A newer tombstone, with the new time.
fn keep_one_for(
    ctx: &Context<'_>,
    kind: ObjectKind,
    going: &Live,
    retention: u64,
    operation: &[u8],
) -> Rule<()> {
    let (table, generation) = (kind.table(), going.generation.next());
    ctx.run(
        &format!("UPDATE {table} SET generation = ?2, operation_id = ?3 WHERE id = ?1"),
        (&going.id, generation.0, operation),
    )?;
    note_retention(ctx, kind, &going.id, retention)?;
    ctx.note_object(going.tenant, kind, &going.id, "changed");
    let subject = Subject { kind, id: &going.id, tenant: going.tenant, generation };
    unwant(ctx, subject, retention, operation).map(drop)
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
    if ctx.level >= RETENTION_BOUNDED && is_sooner(ctx, retention)? {
        // Those that were deleted before go as soon as the account's others.
        keep_databases_for(ctx, &of, retention, operation)?;
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

/// Whether data is to go sooner than it usually does.
fn is_sooner(ctx: &Context<'_>, retention: u64) -> Rule<bool> {
    let usual = ctx.find("SELECT retention_seconds FROM cluster", [], |row| row.get::<_, u64>(0))?;
    Ok(usual.is_some_and(|usual| retention < usual))
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
