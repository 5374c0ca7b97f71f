//! What nodes should hold, for the leader that tells them.

use npanel_model::{
    AccountId, Allotment, CronJob, DatabaseUserId, DatabaseUserName, DocumentRoot, Fqdn, Generation, NodeId,
    PhpVersion, RecordName, RecordType, TenantId, Ttl, Uid, Username,
};

use rusqlite::Row;

use super::{
    Grant, QueryError, Reader,
    row::{self, AnyRow},
};
use crate::{ObjectKind, StoredDataKey, context::typed, intent};

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
        /// What its processes may take.
        allotment: Allotment,
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
        /// The data key that it is sealed by.
        data_key: StoredDataKey,
        /// The MariaDB hash, sealed by the data key.
        sealed_password_hash: Vec<u8>,
        /// Exactly these.
        grants: Vec<Grant>,
        /// Whether it may not log in: its account is suspended.
        is_locked: bool,
    },
    /// An account's scheduled jobs; none while it is suspended.
    CronTable {
        /// The account.
        account_id: AccountId,
        /// Its user name.
        username: Username,
        /// Its uid.
        uid: Uid,
        /// The jobs.
        jobs: Vec<CronJob>,
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

fn wanted(row: &impl AnyRow) -> Result<WantedObject, QueryError> {
    let kind: &str = row::get(row, "kind")?;
    Ok(WantedObject {
        kind: ObjectKind::from_text(kind).ok_or_else(|| row::corrupt("kind", kind))?,
        id: row::get(row, "object_id")?,
        generation: row::generation(row, "generation")?,
        tombstone_seconds: row::optional_number(row, "tombstone_seconds")?,
        changed_index: row::number(row, "changed_index")?,
        observed: Observed {
            generation: row::generation(row, "observed_generation")?,
            state: row::get(row, "observed_state")?,
            reason: row::get(row, "reason")?,
            message: row::get(row, "message")?,
        },
    })
}

impl Reader {
    /// The nodes for which something changed after `index`, and how far this answer reaches.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn nodes_changed_since(&self, index: u64) -> Result<(Vec<NodeId>, u64), QueryError> {
        // The sign keeps the planner from walking the whole index of the nodes for the sake of their order.
        let select =
            "SELECT node_id, max(changed_index) FROM node_objects WHERE changed_index > ?1 GROUP BY +node_id";
        let rows = self.at_once(|db| {
            let read = |row: &Row<'_>| Ok((typed(row, 0, NodeId::from_bytes)?, row.get::<_, u64>(1)?));
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            Ok(db.prepare_cached(select)?.query_map([index], read)?.collect::<Result<Vec<_>, _>>()?)
        })?;
        let reaches = rows.iter().map(|(_, upto)| *upto).max().unwrap_or(index);
        Ok((rows.into_iter().map(|(node, _)| node).collect(), reaches))
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
        let id = id.to_vec();
        self.at_length(move |db| Ok(intent::read(db, kind, &id)?)).await
    }
}
