//! What is sealed by which key, and what is to be sealed anew: read by the rules from the writer's connection, and by the
//! leader from a reader's. Nothing here opens anything.

use std::fmt;

use npanel_model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::context::tenant_id;

/// The format of what is sealed by a key with a name (`npanel-pki`, `seal/aead.rs`).
const NAMED: u8 = 2;

/// A key that was replaced is kept for so long at least: what was sealed by it may be on its way. A controller gives up after
/// 15 seconds.
pub(crate) const ON_ITS_WAY_MILLIS: i64 = 20_000;

/// The name of the key that something is sealed by; empty for the first, which has none. As the columns called sealer.
pub(crate) fn sealer(sealed: &[u8]) -> &[u8] {
    match sealed.split_first() {
        Some((&NAMED, rest)) => rest.get(..8).unwrap_or(rest),
        _ => &[],
    }
}

/// What can be sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedKind {
    /// A tenant's data key, by the cluster key.
    DataKey,
    /// A tenant's former data key, by the cluster key.
    FormerDataKey,
    /// The issuing authority's key, by the cluster key.
    Authority,
    /// The key that vouches for the audit, by the cluster key.
    AuditKey,
    /// A database user's password hash, by the tenant's data key.
    DatabaseUser,
    /// A webhook's secret, by the tenant's data key.
    Webhook,
    /// The key of a user's authenticator, by the tenant's data key.
    UserTotp,
    /// The client's secret at an identity provider, by the tenant's data key.
    IdentityProvider,
}

impl SealedKind {
    const ALL: [Self; 8] = [
        Self::DataKey,
        Self::FormerDataKey,
        Self::Authority,
        Self::AuditKey,
        Self::DatabaseUser,
        Self::Webhook,
        Self::UserTotp,
        Self::IdentityProvider,
    ];

    /// The kind as commands write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataKey => "data_key",
            Self::FormerDataKey => "former_data_key",
            Self::Authority => "authority",
            Self::AuditKey => "audit_key",
            Self::DatabaseUser => "database_user",
            Self::Webhook => "webhook",
            Self::UserTotp => "user_totp",
            Self::IdentityProvider => "identity_provider",
        }
    }

    /// The kind with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Where it is: the table, the column, and whose row it is (`?1` the object's id, `?2` a former data key's name).
    pub(crate) fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::DataKey => ("tenants", "wrapped_data_key", "id = ?1 AND data_key_name = ?2"),
            Self::FormerDataKey => ("former_data_keys", "wrapped_data_key", "tenant_id = ?1 AND name = ?2"),
            Self::Authority => {
                ("authorities", "sealed_key", "key_fingerprint = ?1 AND issuing = 1 AND ?2 = x''")
            }
            Self::AuditKey => ("audit_key", "sealed_key", "public_key = ?1 AND ?2 = x''"),
            Self::DatabaseUser => ("database_users", "sealed_password_hash", "id = ?1 AND ?2 = x''"),
            Self::Webhook => ("webhooks", "sealed_secret", "id = ?1 AND ?2 = x''"),
            Self::UserTotp => ("users", "sealed_totp", "id = ?1 AND ?2 = x'' AND sealed_totp IS NOT NULL"),
            Self::IdentityProvider => ("identity_providers", "sealed_secret", "id = ?1 AND ?2 = x''"),
        }
    }
}

/// A data key as the state has it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredDataKey {
    /// Its name; empty for the tenant's first.
    pub name: Vec<u8>,
    /// Itself, wrapped by a cluster key.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for StoredDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredDataKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Something that is to be sealed anew.
#[derive(Debug, Clone)]
pub struct ToReseal {
    /// What it is.
    pub kind: SealedKind,
    /// Whose it is; of the cluster's own, the platform's.
    pub tenant: TenantId,
    /// The tenant, the authority's key fingerprint or the object; for the audit's key, its public half.
    pub object: Vec<u8>,
    /// What it is sealed as.
    pub sealed: Vec<u8>,
    /// The name of the data key that it is, or the data key that it is sealed by.
    pub key: StoredDataKey,
    /// The data key that is to seal it. For what the cluster key seals, nothing.
    pub by: Option<StoredDataKey>,
}

/// What the leader is to do next.
#[derive(Debug, Clone, Default)]
pub struct SecretsWork {
    /// Tenants whose data key is to be changed, with the name of the one that they have.
    pub new_data_keys: Vec<(TenantId, Vec<u8>)>,
    /// What is to be sealed anew.
    pub reseal: Vec<ToReseal>,
    /// Whether a key can be destroyed or made the current one, or the rotation has come to its end.
    pub can_settle: bool,
}

/// The rotation that is under way, or was last.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    pub(crate) operation: Vec<u8>,
    pub(crate) cluster_key: bool,
    pub(crate) data_keys: bool,
    pub(crate) tenant: Option<Vec<u8>>,
    pub(crate) begun_index: u64,
    pub(crate) begun_millis: i64,
    pub(crate) finished_millis: Option<i64>,
}

type Read<T> = rusqlite::Result<T>;

pub(crate) fn rotation(db: &Connection) -> Read<Option<Rotation>> {
    db.prepare_cached(
        "SELECT operation_id, cluster_key, data_keys, tenant_id, begun_index, begun_millis, finished_millis
         FROM secret_rotation",
    )?
    .query_row([], |row| {
        Ok(Rotation {
            operation: row.get(0)?,
            cluster_key: row.get(1)?,
            data_keys: row.get(2)?,
            tenant: row.get(3)?,
            begun_index: row.get(4)?,
            begun_millis: row.get(5)?,
            finished_millis: row.get(6)?,
        })
    })
    .optional()
}

pub(crate) fn unfinished(db: &Connection) -> Read<Option<Rotation>> {
    Ok(rotation(db)?.filter(|rotation| rotation.finished_millis.is_none()))
}

fn is(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Read<bool> {
    db.prepare_cached(&format!("SELECT EXISTS ({sql})"))?.query_row(params, |row| row.get(0))
}

/// Whether the rotation still waits for a cluster key that is newer than its beginning.
pub(crate) fn needs_cluster_key(db: &Connection, rotation: &Rotation) -> Read<bool> {
    let sql = "SELECT 1 FROM cluster_keys WHERE state = 'current' AND offered_index > ?1";
    Ok(rotation.cluster_key && !is(db, sql, [rotation.begun_index])?)
}

/// Tenants whose data key is older than the rotation. `?1` its place in the log, `?2` its tenant or NULL.
const TO_CHANGE: &str = "SELECT id, data_key_name FROM tenants
    WHERE data_key_index < ?1 AND (?2 IS NULL OR id = ?2)";

/// Former data keys that nothing is sealed by. `?1` only those that were replaced before.
pub(crate) const UNNEEDED_DATA_KEYS: &str = "SELECT f.tenant_id, f.name FROM former_data_keys f
    WHERE f.since_millis < ?1
        AND NOT EXISTS (SELECT 1 FROM database_users u WHERE u.tenant_id = f.tenant_id AND u.sealer = f.name)
        AND NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.tenant_id = f.tenant_id AND w.sealer = f.name)
        AND NOT EXISTS (SELECT 1 FROM users p WHERE p.tenant_id = f.tenant_id AND p.sealed_totp IS NOT NULL AND p.sealer = f.name)
        AND NOT EXISTS (SELECT 1 FROM identity_providers i WHERE i.tenant_id = f.tenant_id AND i.sealer = f.name)";

/// The former cluster keys that nothing is sealed by and that every controller can do without. `?1` only those that were
/// replaced before.
pub(crate) const UNNEEDED_CLUSTER_KEYS: &str = "SELECT k.name FROM cluster_keys k
    WHERE k.state = 'former' AND k.former_millis < ?1
        AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.sealer = k.name)
        AND NOT EXISTS (SELECT 1 FROM former_data_keys f WHERE f.sealer = k.name)
        AND NOT EXISTS (SELECT 1 FROM authorities a WHERE a.issuing = 1 AND a.sealer = k.name)
        AND NOT EXISTS (SELECT 1 FROM audit_key a WHERE a.sealer = k.name)
        AND NOT EXISTS (
            SELECT 1 FROM controllers c JOIN cluster_keys now ON now.state = 'current'
            WHERE NOT EXISTS (
                SELECT 1 FROM cluster_key_holders h WHERE h.name = now.name AND h.controller_id = c.id))";

/// The key that was offered and that a majority of the controllers has.
pub(crate) const HELD_BY_MOST: &str = "SELECT k.name FROM cluster_keys k
    WHERE k.state = 'offered' AND 2 * (
            SELECT count(*) FROM cluster_key_holders h JOIN controllers c ON c.id = h.controller_id
            WHERE h.name = k.name)
        > (SELECT count(*) FROM controllers)";

/// Whether nothing is left for the rotation to do.
pub(crate) fn is_over(db: &Connection, rotation: &Rotation) -> Read<bool> {
    if needs_cluster_key(db, rotation)? {
        return Ok(false);
    }
    if rotation.cluster_key && is(db, "SELECT 1 FROM cluster_keys WHERE state = 'former'", [])? {
        return Ok(false);
    }
    let is_left = rotation.data_keys
        && (is(db, TO_CHANGE, (rotation.begun_index, &rotation.tenant))?
            || is(db, "SELECT 1 FROM former_data_keys", [])?);
    Ok(!is_left)
}

fn can_settle(db: &Connection, before: i64) -> Read<bool> {
    Ok(is(db, UNNEEDED_DATA_KEYS, [before])?
        || is(db, UNNEEDED_CLUSTER_KEYS, [before])?
        || is(db, HELD_BY_MOST, [])?
        || unfinished(db)?.map(|rotation| is_over(db, &rotation)).transpose()?.unwrap_or(false))
}

/// The latest time from which what was replaced then is not on its way any more.
pub(crate) fn arrived_before(now: Timestamp) -> i64 {
    now.as_millis() - ON_ITS_WAY_MILLIS
}

/// What is to be done next, at most so much of each.
pub(crate) fn work(db: &Connection, now: Timestamp, most: u32) -> Read<SecretsWork> {
    let mut work = SecretsWork { can_settle: can_settle(db, arrived_before(now))?, ..SecretsWork::default() };
    by_former_cluster_keys(db, most, &mut work.reseal)?;
    by_former_data_keys(db, most, &mut work.reseal)?;
    if let Some(rotation) = unfinished(db)?
        && rotation.data_keys
        && !needs_cluster_key(db, &rotation)?
    {
        let mut select = db.prepare_cached(&format!("{TO_CHANGE} ORDER BY data_key_index LIMIT ?3"))?;
        let read = |row: &Row<'_>| Ok((tenant_id(row, 0)?, row.get(1)?));
        let found = select.query_map((rotation.begun_index, &rotation.tenant, most), read)?;
        work.new_data_keys = found.collect::<Result<_, _>>()?;
    }
    Ok(work)
}

/// What a former cluster key seals. Each part is found by an index on the key's name, or is one row.
fn by_former_cluster_keys(db: &Connection, most: u32, into: &mut Vec<ToReseal>) -> Read<()> {
    const PARTS: [(SealedKind, &str); 4] = [
        (
            SealedKind::DataKey,
            "SELECT t.id, t.id, t.wrapped_data_key, t.data_key_name
             FROM cluster_keys k CROSS JOIN tenants t ON t.sealer = k.name WHERE k.state = 'former' LIMIT ?1",
        ),
        (
            SealedKind::FormerDataKey,
            "SELECT f.tenant_id, f.tenant_id, f.wrapped_data_key, f.name
             FROM cluster_keys k CROSS JOIN former_data_keys f ON f.sealer = k.name WHERE k.state = 'former' LIMIT ?1",
        ),
        (
            SealedKind::Authority,
            "SELECT c.root_tenant_id, a.key_fingerprint, a.sealed_key, x''
             FROM cluster_keys k JOIN authorities a ON a.issuing = 1 AND a.sealer = k.name JOIN cluster c
             WHERE k.state = 'former' LIMIT ?1",
        ),
        (
            SealedKind::AuditKey,
            "SELECT c.root_tenant_id, a.public_key, a.sealed_key, x''
             FROM cluster_keys k JOIN audit_key a ON a.sealer = k.name JOIN cluster c
             WHERE k.state = 'former' LIMIT ?1",
        ),
    ];
    for (kind, sql) in PARTS {
        let mut select = db.prepare_cached(sql)?;
        let found = select.query_map([most], |row| {
            let key = StoredDataKey { name: row.get(3)?, wrapped: Vec::new() };
            Ok(ToReseal {
                kind,
                tenant: tenant_id(row, 0)?,
                object: row.get(1)?,
                sealed: row.get(2)?,
                key,
                by: None,
            })
        })?;
        for found in found {
            into.push(found?);
        }
    }
    Ok(())
}

/// What former data keys seal.
fn by_former_data_keys(db: &Connection, most: u32, into: &mut Vec<ToReseal>) -> Read<()> {
    use SealedKind as K;
    for kind in [K::DatabaseUser, K::Webhook, K::UserTotp, K::IdentityProvider] {
        let (table, column, _) = kind.place();
        let mut select = db.prepare_cached(&format!(
            "SELECT f.tenant_id, o.id, o.{column}, f.name, f.wrapped_data_key, t.data_key_name, t.wrapped_data_key
             FROM former_data_keys f CROSS JOIN tenants t ON t.id = f.tenant_id
                 CROSS JOIN {table} o ON o.tenant_id = f.tenant_id AND o.sealer = f.name AND o.{column} IS NOT NULL
             LIMIT ?1"
        ))?;
        let found = select.query_map([most], |row| {
            Ok(ToReseal {
                kind,
                tenant: tenant_id(row, 0)?,
                object: row.get(1)?,
                sealed: row.get(2)?,
                key: StoredDataKey { name: row.get(3)?, wrapped: row.get(4)? },
                by: Some(StoredDataKey { name: row.get(5)?, wrapped: row.get(6)? }),
            })
        })?;
        for found in found {
            into.push(found?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_sealing_key_is_read_from_what_it_sealed() {
        assert_eq!(sealer(&[1, 9, 9, 9, 9, 9, 9, 9, 9, 9]), [0_u8; 0]);
        assert_eq!(sealer(&[2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(sealer(&[]), [0_u8; 0]);
    }

    #[tokio::test]
    async fn the_columns_called_sealer_say_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        crate::open::migrate(&path).await.expect("migrated");
        let db = Connection::open(&path).expect("it opens");
        for sealed in
            [vec![1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7], vec![2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], vec![2], vec![]]
        {
            db.execute("DELETE FROM former_data_keys", []).expect("deleted");
            db.execute(
                "INSERT INTO former_data_keys (tenant_id, name, wrapped_data_key, since_millis) VALUES (x'', x'', ?1, 0)",
                [&sealed],
            )
            .expect("inserted");
            let said: Vec<u8> =
                db.query_row("SELECT sealer FROM former_data_keys", [], |row| row.get(0)).expect("a sealer");
            assert_eq!(said, sealer(&sealed), "{sealed:?}");
        }
    }
}
