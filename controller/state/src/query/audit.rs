//! The audit: its entries, newest first, the proofs of its tree, and what it has been vouched for.

use npanel_audit::{Hash, StoredEntry, consistency_proof, inclusion_proof, root_of};
use npanel_model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};

use super::{QueryError, Reader};
use crate::audit::StoredNodes;

/// So much of the controllers' log is looked through for one page: some 20 ms where nothing of it passes the filters.
const WINDOW: u64 = 50_000;

/// Filters of entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this actor, such as "api_key/<id>".
    pub actor: Option<String>,
    /// Only of this action.
    pub action: Option<String>,
    /// Only about objects of this kind.
    pub object_kind: Option<String>,
    /// Only about this object.
    pub object: Option<Vec<u8>>,
    /// Only of this tenant itself.
    pub tenant_id: Option<TenantId>,
    /// Only of this time or later.
    pub since: Option<Timestamp>,
    /// Only from before this time.
    pub until: Option<Timestamp>,
}

/// A part of the entries.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<StoredEntry>,
    /// There may be more before this index: the looking ended there, though fewer were found than asked for.
    pub searched_to: Option<u64>,
}

/// The key that vouches for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditKeyRow {
    /// Its public half.
    pub public_key: Vec<u8>,
    /// Its private half, sealed by the cluster key.
    pub sealed_key: Vec<u8>,
}

/// What the tree was at one moment, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// Its place among the checkpoints.
    pub serial: u64,
    /// How many entries there were.
    pub tree_size: u64,
    /// When.
    pub time: Timestamp,
    /// The signed note.
    pub note: String,
}

impl Reader {
    /// Entries that `scope` sees, also of tenants that have gone, newest first: at most `limit`, with log indexes below `before`.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit(
        &self,
        scope: TenantId,
        filter: AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, QueryError> {
        self.read_audit(move |db| page(db, scope, &filter, before, limit)).await
    }

    /// The entry that is this leaf, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_entry(
        &self,
        scope: TenantId,
        position: u64,
    ) -> Result<Option<StoredEntry>, QueryError> {
        self.read_audit(move |db| {
            let seen = seen(db, scope)?;
            let query = format!("SELECT {} FROM audit WHERE position = ?1{seen}", StoredEntry::COLUMNS);
            db.prepare_cached(&query)?.query_row((position, scope.to_bytes()), StoredEntry::read).optional()
        })
        .await
    }

    /// How many entries are in the tree.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_size(&self) -> Result<u64, QueryError> {
        self.read_audit(|db| {
            db.query_row("SELECT coalesce(max(position) + 1, 0) FROM audit", [], |row| row.get(0))
        })
        .await
    }

    /// The root of the tree with the first `size` entries, of which there must be so many.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_root(&self, size: u64) -> Result<Hash, QueryError> {
        self.read_audit(move |db| root_of(&StoredNodes(db), size)).await
    }

    /// The audit path of an entry in the tree with the first `size`, which it must be one of.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_inclusion(&self, position: u64, size: u64) -> Result<Vec<Hash>, QueryError> {
        self.read_audit(move |db| inclusion_proof(&StoredNodes(db), position, size)).await
    }

    /// The proof that the tree with the first `second` entries goes on from the one with the first `first`, which must
    /// not be larger.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, QueryError> {
        self.read_audit(move |db| consistency_proof(&StoredNodes(db), first, second)).await
    }

    /// The key that vouches for the audit, once there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_key(&self) -> Result<Option<AuditKeyRow>, QueryError> {
        self.read_audit(|db| {
            let read = |row: &Row<'_>| Ok(AuditKeyRow { public_key: row.get(0)?, sealed_key: row.get(1)? });
            db.prepare_cached("SELECT public_key, sealed_key FROM audit_key")?.query_row([], read).optional()
        })
        .await
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>, QueryError> {
        Ok(self.audit_checkpoints(None, 1).await?.pop())
    }

    /// The checkpoint of this size, if there is one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_checkpoint_of(&self, size: u64) -> Result<Option<AuditCheckpoint>, QueryError> {
        self.read_audit(move |db| {
            let query =
                "SELECT serial, tree_size, time_millis, note FROM audit_checkpoints WHERE tree_size = ?1";
            db.prepare_cached(query)?.query_row([size], checkpoint).optional()
        })
        .await
    }

    /// Checkpoints, newest first: at most `limit`, with serials below `before`.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn audit_checkpoints(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditCheckpoint>, QueryError> {
        self.read_audit(move |db| {
            let query = "SELECT serial, tree_size, time_millis, note FROM audit_checkpoints
                         WHERE serial < ?1 ORDER BY serial DESC LIMIT ?2";
            let before = before.map_or(i64::MAX, |serial| i64::try_from(serial).unwrap_or(i64::MAX));
            db.prepare_cached(query)?.query_map((before, limit), checkpoint)?.collect()
        })
        .await
    }

    async fn read_audit<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.at_length(|db| Ok(read(db)?)).await
    }
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<AuditCheckpoint> {
    Ok(AuditCheckpoint {
        serial: row.get(0)?,
        tree_size: row.get(1)?,
        time: Timestamp::from_millis(row.get(2)?),
        note: row.get(3)?,
    })
}

/// The part of a condition by which an entry is one that `scope`, its second parameter, sees: those of its tenants, also of those
/// that have gone. The platform sees every leaf of the tree, whoever's it was, or nobody could check that all are there.
fn seen(db: &Connection, scope: TenantId) -> rusqlite::Result<&'static str> {
    let is_platform = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM cluster WHERE root_tenant_id = ?1)")?
        .query_row([scope.to_bytes()], |row| row.get(0))?;
    Ok(if is_platform {
        " AND ?2 IS NOT NULL"
    } else {
        " AND tenant_id IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ?2
            UNION ALL SELECT tenant_id FROM former_tenant_tree WHERE ancestor_id = ?2)"
    })
}

fn page(
    db: &Connection,
    scope: TenantId,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> rusqlite::Result<AuditPage> {
    let (oldest, newest) = bounds(db)?;
    // Times go with the log's indexes: neither goes back.
    let from = filter.since.map_or(Ok(oldest), |time| first_at(db, time, oldest, newest))?;
    let to = filter.until.map_or(Ok(newest + 1), |time| first_at(db, time, oldest, newest))?;
    let to = before.map_or(to, |before| before.min(to));
    let low = from.max(to.saturating_sub(WINDOW));
    let seen = seen(db, scope)?;
    // What `seen` names is the second.
    let mut query =
        format!("SELECT {} FROM audit WHERE log_index >= ?1{seen} AND log_index < ?", StoredEntry::COLUMNS);
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(low), Box::new(scope.to_bytes()), Box::new(to)];
    let texts =
        [("principal", &filter.actor), ("action", &filter.action), ("object_kind", &filter.object_kind)];
    for (column, value) in texts.into_iter().filter_map(|(column, value)| Some((column, value.clone()?))) {
        query.push_str(&format!(" AND {column} = ?"));
        values.push(Box::new(value));
    }
    let bytes =
        [("object_id", filter.object.clone()), ("tenant_id", filter.tenant_id.map(TenantId::to_bytes))];
    for (column, value) in bytes.into_iter().filter_map(|(column, value)| Some((column, value?))) {
        query.push_str(&format!(" AND {column} = ?"));
        values.push(Box::new(value));
    }
    query.push_str(" ORDER BY log_index DESC LIMIT ?");
    values.push(Box::new(limit));
    let mut statement = db.prepare_cached(&query)?;
    let rows = statement.query_map(params_from_iter(values), StoredEntry::read)?;
    let entries: Vec<StoredEntry> = rows.collect::<rusqlite::Result<_>>()?;
    let is_searched = entries.len() < limit as usize && low > from;
    Ok(AuditPage { entries, searched_to: is_searched.then_some(low) })
}

/// The log indexes of the oldest and the newest entry.
fn bounds(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    // Each by itself: of both at once, SQLite would look at every row.
    let of = |query: &str| db.prepare_cached(query)?.query_row([], |row| row.get::<_, Option<u64>>(0));
    let (oldest, newest) = (of("SELECT min(log_index) FROM audit")?, of("SELECT max(log_index) FROM audit")?);
    Ok((oldest.unwrap_or(0), newest.unwrap_or(0)))
}

/// The lowest index from which on entries are of this time or later.
fn first_at(db: &Connection, time: Timestamp, oldest: u64, newest: u64) -> rusqlite::Result<u64> {
    let (mut low, mut high) = (oldest, newest + 1);
    let mut statement =
        db.prepare_cached("SELECT time_millis FROM audit WHERE log_index >= ?1 ORDER BY log_index LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<i64> = statement.query_row([middle], |row| row.get(0)).optional()?;
        if found.is_none_or(|found| found >= time.as_millis()) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}
