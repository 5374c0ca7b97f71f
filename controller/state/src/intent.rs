//! The content of what nodes should hold, read from whatever connection there is: a reader's for what is, or the
//! writer's for what would be.

use npanel_model::{AccountId, Allotment, DatabaseId, DatabaseUserId, IdError, TenantId, Ttl, Uid};
use rusqlite::{Connection, OptionalExtension, Row, types::Type};

use crate::{Grant, IntentSource, ObjectKind, StoredDataKey, ZoneRecordSet, context::typed};

type Read<T> = rusqlite::Result<T>;

/// The content; `None` if there is no such object.
pub(crate) fn read(db: &Connection, kind: ObjectKind, id: &[u8]) -> Read<Option<IntentSource>> {
    match kind {
        ObjectKind::Account => account(db, id),
        ObjectKind::Site => site(db, id),
        ObjectKind::Database => database(db, id),
        ObjectKind::DatabaseUser => database_user(db, id),
        ObjectKind::Zone => zone(db, id),
        ObjectKind::CronTable => cron_table(db, id),
    }
}

fn one<T>(db: &Connection, sql: &str, id: &[u8], read: impl FnOnce(&Row<'_>) -> Read<T>) -> Read<Option<T>> {
    db.prepare_cached(sql)?.query_row([id], read).optional()
}

fn many<T>(db: &Connection, sql: &str, id: &[u8], read: impl FnMut(&Row<'_>) -> Read<T>) -> Read<Vec<T>> {
    db.prepare_cached(sql)?.query_map([id], read)?.collect()
}

fn corrupt(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A validated text.
fn text<T>(row: &Row<'_>, column: usize) -> Read<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| corrupt(column, error))
}

fn id<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&[u8]) -> Result<T, IdError>) -> Read<T> {
    typed(row, column, parse)
}

fn uid(row: &Row<'_>, column: usize) -> Read<Uid> {
    Uid::new(row.get(column)?).map_err(|error| corrupt(column, error))
}

fn account(db: &Connection, id: &[u8]) -> Read<Option<IntentSource>> {
    let sql = "SELECT username, uid, php_version, is_suspended, allotment FROM accounts WHERE id = ?1";
    one(db, sql, id, |row| {
        Ok(IntentSource::Account {
            username: text(row, 0)?,
            uid: uid(row, 1)?,
            php_version: text(row, 2)?,
            is_suspended: row.get(3)?,
            allotment: Allotment::of_text(row.get_ref(4)?.as_str()?),
        })
    })
}

fn site(db: &Connection, of: &[u8]) -> Read<Option<IntentSource>> {
    let sql = "SELECT a.id, a.username, a.uid, d.name, d.document_root,
                   a.is_suspended OR d.suspended_millis IS NOT NULL
               FROM domains d JOIN accounts a ON a.id = d.account_id WHERE d.id = ?1";
    one(db, sql, of, |row| {
        Ok(IntentSource::Site {
            account_id: id(row, 0, AccountId::from_bytes)?,
            username: text(row, 1)?,
            uid: uid(row, 2)?,
            domain: text(row, 3)?,
            document_root: text(row, 4)?,
            is_suspended: row.get(5)?,
        })
    })
}

fn database(db: &Connection, id: &[u8]) -> Read<Option<IntentSource>> {
    one(db, "SELECT name FROM databases WHERE id = ?1", id, |row| {
        Ok(IntentSource::Database { name: text(row, 0)? })
    })
}

fn database_user(db: &Connection, of: &[u8]) -> Read<Option<IntentSource>> {
    let grants = many(
        db,
        "SELECT g.database_id, d.name, g.privileges FROM database_grants g JOIN databases d ON d.id = g.database_id
         WHERE g.database_user_id = ?1 ORDER BY d.name",
        of,
        |row| {
            let database_id = id(row, 0, DatabaseId::from_bytes)?;
            Ok(Grant { database_id, database: text(row, 1)?, privileges: text(row, 2)? })
        },
    )?;
    let sql = "SELECT u.id, u.name, u.tenant_id, u.sealed_password_hash, u.sealer,
                   iif(u.sealer = t.data_key_name, t.wrapped_data_key, (
                       SELECT f.wrapped_data_key FROM former_data_keys f WHERE f.tenant_id = u.tenant_id AND f.name = u.sealer)),
                   a.is_suspended
               FROM database_users u JOIN tenants t ON t.id = u.tenant_id JOIN accounts a ON a.id = u.account_id
               WHERE u.id = ?1";
    one(db, sql, of, |row| {
        Ok(IntentSource::DatabaseUser {
            id: id(row, 0, DatabaseUserId::from_bytes)?,
            name: text(row, 1)?,
            tenant_id: id(row, 2, TenantId::from_bytes)?,
            sealed_password_hash: row.get(3)?,
            data_key: StoredDataKey { name: row.get(4)?, wrapped: row.get(5)? },
            grants,
            is_locked: row.get(6)?,
        })
    })
}

/// The jobs rest while the account is suspended.
fn cron_table(db: &Connection, of: &[u8]) -> Read<Option<IntentSource>> {
    let sql = "SELECT a.id, a.username, a.uid, iif(a.is_suspended, '[]', c.jobs)
               FROM cron_tables c JOIN accounts a ON a.id = c.id WHERE c.id = ?1";
    one(db, sql, of, |row| {
        Ok(IntentSource::CronTable {
            account_id: id(row, 0, AccountId::from_bytes)?,
            username: text(row, 1)?,
            uid: uid(row, 2)?,
            jobs: serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|error| corrupt(3, error))?,
        })
    })
}

fn zone(db: &Connection, of: &[u8]) -> Read<Option<IntentSource>> {
    let name_servers = many(
        db,
        "SELECT n.name || '.' || c.name_server_domain
         FROM zone_assignments z JOIN nodes n ON n.id = z.node_id CROSS JOIN cluster c
         WHERE z.zone_id = ?1 AND z.state != 'incoming' ORDER BY n.name",
        of,
        |row| text(row, 0),
    )?;
    let record_sets = many(
        db,
        "SELECT name, type, ttl_seconds, records FROM record_sets WHERE zone_id = ?1 ORDER BY name, type",
        of,
        record_set,
    )?;
    one(db, "SELECT name FROM zones WHERE id = ?1", of, |row| {
        Ok(IntentSource::Zone { name: text(row, 0)?, name_servers, record_sets })
    })
}

fn record_set(row: &Row<'_>) -> Read<ZoneRecordSet> {
    Ok(ZoneRecordSet {
        name: text(row, 0)?,
        kind: text(row, 1)?,
        ttl: Ttl::try_from(row.get::<_, u32>(2)?).map_err(|error| corrupt(2, error))?,
        records: serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|error| corrupt(3, error))?,
    })
}
