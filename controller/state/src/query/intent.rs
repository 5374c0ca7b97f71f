//! What nodes should hold, for the leader that tells them.

use npanel_model::{
    AccountId, DatabaseUserId, DatabaseUserName, DocumentRoot, Fqdn, Generation, NodeId, PhpVersion,
    RecordName, RecordType, TenantId, Ttl, Uid, Username, ZoneId,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{Grant, QueryError, Reader, row};
use crate::ObjectKind;

/// An object that a node should hold, or should remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedObject {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id, sixteen bytes.
    pub id: Vec<u8>,
    /// Its newest generation.
    pub generation: Generation,
    /// How long to keep its data, if it should be removed.
    pub tombstone_seconds: Option<u64>,
    /// The log index of the last change of what is wanted.
    pub changed_index: u64,
    /// What the node last said.
    pub observed: Observed,
}

/// What a node last said of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The generation it spoke of; 0: never.
    pub generation: Generation,
    /// "pending", "converged", "failed", "retained" or "removed".
    pub state: String,
    /// A stable word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// The content of an intent.
#[derive(Debug, Clone)]
pub enum IntentSource {
    /// The web part of an account.
    Account {
        /// The Unix user name.
        username: Username,
        /// The Unix user id.
        uid: Uid,
        /// The PHP version.
        php_version: PhpVersion,
        /// Whether nothing of it runs.
        is_suspended: bool,
    },
    /// A domain's site.
    Site {
        /// Its account.
        account_id: AccountId,
        /// The account's user name.
        username: Username,
        /// The account's uid.
        uid: Uid,
        /// The domain.
        domain: Fqdn,
        /// Relative to the home.
        document_root: DocumentRoot,
        /// Whether it, or its account, is not served.
        is_suspended: bool,
    },
    /// A database.
    Database {
        /// Its full name.
        name: npanel_model::DatabaseName,
    },
    /// A database user.
    DatabaseUser {
        /// Its id, which its sealed secret is bound to.
        id: DatabaseUserId,
        /// Its full name.
        name: DatabaseUserName,
        /// Whose it is.
        tenant_id: TenantId,
        /// The tenant's data key, wrapped by the cluster key.
        wrapped_data_key: Vec<u8>,
        /// The MariaDB hash, sealed by the data key.
        sealed_password_hash: Vec<u8>,
        /// Exactly these.
        grants: Vec<Grant>,
        /// Whether it may not log in: its account is suspended.
        is_locked: bool,
    },
    /// A zone.
    Zone {
        /// Its name.
        name: Fqdn,
        /// Its name servers, the first is the primary.
        name_servers: Vec<Fqdn>,
        /// Everything in it but SOA and the apex's NS.
        record_sets: Vec<ZoneRecordSet>,
    },
}

/// A record set as a zone's intent has it.
#[derive(Debug, Clone)]
pub struct ZoneRecordSet {
    /// Relative to the zone.
    pub name: RecordName,
    /// Its type.
    pub kind: RecordType,
    /// How long resolvers may keep it.
    pub ttl: Ttl,
    /// Canonical data.
    pub records: Vec<String>,
}

const ACCOUNT: &str = "SELECT username, uid, php_version, suspended_millis IS NOT NULL AS is_suspended
    FROM accounts WHERE id = ?1";

fn wanted(row: &SqliteRow) -> Result<WantedObject, QueryError> {
    let kind: &str = row.try_get("kind")?;
    Ok(WantedObject {
        kind: ObjectKind::from_text(kind).ok_or_else(|| row::corrupt("kind", kind))?,
        id: row.try_get("object_id")?,
        generation: row::generation(row, "generation")?,
        tombstone_seconds: row::optional_number(row, "tombstone_seconds")?,
        changed_index: row::number(row, "changed_index")?,
        observed: Observed {
            generation: row::generation(row, "observed_generation")?,
            state: row.try_get("observed_state")?,
            reason: row.try_get("reason")?,
            message: row.try_get("message")?,
        },
    })
}

impl Reader {
    /// The nodes for which something changed after `index`, and how far this answer reaches.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn nodes_changed_since(&self, index: u64) -> Result<(Vec<NodeId>, u64), QueryError> {
        let rows = sqlx::query(
            "SELECT node_id, max(changed_index) AS upto FROM node_objects WHERE changed_index > ?1 GROUP BY node_id",
        )
        .bind(i64::try_from(index).unwrap_or(i64::MAX))
        .fetch_all(&self.pool())
        .await?;
        let mut nodes = Vec::with_capacity(rows.len());
        let mut reaches = index;
        for row in &rows {
            nodes.push(row::id(row, "node_id", NodeId::from_bytes)?);
            reaches = reaches.max(row::number(row, "upto")?);
        }
        Ok((nodes, reaches))
    }

    /// Everything that the node should hold or remove.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn wanted_on(&self, node: NodeId) -> Result<Vec<WantedObject>, QueryError> {
        self.wanted_since(node, 0).await
    }

    /// What changed for the node after `index`.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn wanted_since(&self, node: NodeId, index: u64) -> Result<Vec<WantedObject>, QueryError> {
        let rows = sqlx::query(
            "SELECT * FROM node_objects WHERE node_id = ?1 AND changed_index > ?2 ORDER BY changed_index",
        )
        .bind(node.to_bytes())
        .bind(i64::try_from(index).unwrap_or(i64::MAX))
        .fetch_all(&self.pool())
        .await?;
        rows.iter().map(wanted).collect()
    }

    /// The content of an object's intent; `None` if the object is gone meanwhile.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn intent(&self, kind: ObjectKind, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        match kind {
            ObjectKind::Account => self.account_intent(id).await,
            ObjectKind::Site => self.site_intent(id).await,
            ObjectKind::Database => self.database_intent(id).await,
            ObjectKind::DatabaseUser => self.database_user_intent(id).await,
            ObjectKind::Zone => self.zone_intent(id).await,
        }
    }

    async fn row_of(&self, sql: &'static str, id: &[u8]) -> Result<Option<SqliteRow>, QueryError> {
        Ok(sqlx::query(sql).bind(id.to_vec()).fetch_optional(&self.pool()).await?)
    }

    async fn account_intent(&self, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        let row = self.row_of(ACCOUNT, id).await?;
        row.map(|row| {
            Ok(IntentSource::Account {
                username: row::text(&row, "username")?,
                uid: uid(&row)?,
                php_version: row::text(&row, "php_version")?,
                is_suspended: row.try_get("is_suspended")?,
            })
        })
        .transpose()
    }

    async fn site_intent(&self, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        let sql = "SELECT a.id AS account_id, a.username, a.uid, d.name, d.document_root,
                       a.suspended_millis IS NOT NULL OR d.suspended_millis IS NOT NULL AS is_suspended
                   FROM domains d JOIN accounts a ON a.id = d.account_id WHERE d.id = ?1";
        let row = self.row_of(sql, id).await?;
        row.map(|row| {
            Ok(IntentSource::Site {
                account_id: row::id(&row, "account_id", AccountId::from_bytes)?,
                username: row::text(&row, "username")?,
                uid: uid(&row)?,
                domain: row::text(&row, "name")?,
                document_root: row::text(&row, "document_root")?,
                is_suspended: row.try_get("is_suspended")?,
            })
        })
        .transpose()
    }

    async fn database_intent(&self, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        let row = self.row_of("SELECT name FROM databases WHERE id = ?1", id).await?;
        row.map(|row| Ok(IntentSource::Database { name: row::text(&row, "name")? })).transpose()
    }

    async fn database_user_intent(&self, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        let sql = "SELECT u.id, u.name, u.tenant_id, u.sealed_password_hash, t.wrapped_data_key,
                       a.suspended_millis IS NOT NULL AS is_locked
                   FROM database_users u JOIN tenants t ON t.id = u.tenant_id
                       JOIN accounts a ON a.id = u.account_id WHERE u.id = ?1";
        let Some(row) = self.row_of(sql, id).await? else { return Ok(None) };
        let id = row::id(&row, "id", DatabaseUserId::from_bytes)?;
        let mut grants = self.grants_of([id].into_iter()).await?;
        Ok(Some(IntentSource::DatabaseUser {
            id,
            name: row::text(&row, "name")?,
            tenant_id: row::id(&row, "tenant_id", TenantId::from_bytes)?,
            wrapped_data_key: row.try_get("wrapped_data_key")?,
            sealed_password_hash: row.try_get("sealed_password_hash")?,
            grants: grants.remove(&id).unwrap_or_default(),
            is_locked: row.try_get("is_locked")?,
        }))
    }

    async fn zone_intent(&self, id: &[u8]) -> Result<Option<IntentSource>, QueryError> {
        let Some(row) = self.row_of("SELECT id, name FROM zones WHERE id = ?1", id).await? else {
            return Ok(None);
        };
        let zone = row::id(&row, "id", ZoneId::from_bytes)?;
        let servers = self.name_servers_of([zone].into_iter()).await?.remove(&zone).unwrap_or_default();
        let sets = sqlx::query(
            "SELECT name, type, ttl_seconds, records FROM record_sets WHERE zone_id = ?1 ORDER BY name, type",
        )
        .bind(id.to_vec())
        .fetch_all(&self.pool())
        .await?;
        Ok(Some(IntentSource::Zone {
            name: row::text(&row, "name")?,
            name_servers: servers.into_iter().map(|server| server.name).collect(),
            record_sets: sets.iter().map(zone_record_set).collect::<Result<_, _>>()?,
        }))
    }
}

fn uid(row: &SqliteRow) -> Result<Uid, QueryError> {
    Uid::new(row::number32(row, "uid")?).map_err(|error| row::corrupt("uid", error))
}

fn zone_record_set(row: &SqliteRow) -> Result<ZoneRecordSet, QueryError> {
    Ok(ZoneRecordSet {
        name: row::text(row, "name")?,
        kind: row::text(row, "type")?,
        ttl: Ttl::try_from(row::number32(row, "ttl_seconds")?)
            .map_err(|error| row::corrupt("ttl_seconds", error))?,
        records: row::list(row, "records")?,
    })
}
