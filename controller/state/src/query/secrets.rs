//! The keys of secrets, and how far their rotation is.

use npanel_model::{ControllerId, IdentityProviderId, OperationId, TenantId, Timestamp, WebhookId};
use rusqlite::{OptionalExtension, Row};

use super::{
    QueryError, Reader,
    row::{self, Found},
};
use crate::{
    context::{tenant_id, typed},
    sealing::{self, SecretsWork, StoredDataKey},
};

/// How a cluster key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterKeyState {
    /// It waits until a majority of the controllers has it.
    Offered,
    /// It seals.
    Current,
    /// It opens what is sealed by it still.
    Former,
    /// Nothing needs it any more, and no controller is to have it.
    Destroyed,
}

/// A cluster key as the state knows it: everything but the key.
#[derive(Debug, Clone)]
pub struct ClusterKeyRow {
    /// Its name; empty for the first.
    pub name: Vec<u8>,
    /// From 1 upward.
    pub version: u64,
    /// How it stands.
    pub state: ClusterKeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was destroyed.
    pub ended_at: Option<Timestamp>,
    /// The controllers that said that they have it. The first key every one has.
    pub holders: Vec<ControllerId>,
}

/// The rotation that is under way, or the last one.
#[derive(Debug, Clone)]
pub struct SecretsRotation {
    /// Its operation.
    pub operation_id: OperationId,
    /// Whether it changes the cluster key.
    pub cluster_key: bool,
    /// Whether it changes data keys.
    pub data_keys: bool,
    /// Those of this tenant only.
    pub tenant_id: Option<TenantId>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// How much was to be made or sealed anew when it began.
    pub total: u64,
    /// How much of it was.
    pub done: u64,
}

/// The tenants' data keys together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeys {
    /// How many tenants there are, each with one that seals.
    pub tenants: u64,
    /// How many are there beside those, because something is sealed by them or may be.
    pub former: u64,
    /// How many secrets are sealed by former ones.
    pub sealed_by_former: u64,
    /// When the oldest of those that seal was made.
    pub oldest_at: Option<Timestamp>,
}

fn cluster_key(row: &Row<'_>) -> rusqlite::Result<ClusterKeyRow> {
    let state: String = row.get(2)?;
    Ok(ClusterKeyRow {
        name: row.get(0)?,
        version: row.get(1)?,
        state: match state.as_str() {
            "offered" => ClusterKeyState::Offered,
            "current" => ClusterKeyState::Current,
            "former" => ClusterKeyState::Former,
            _ => ClusterKeyState::Destroyed,
        },
        created_at: Timestamp::from_millis(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        holders: Vec::new(),
    })
}

/// A sealed secret, and the data key that it is sealed by.
fn sealed_secret(row: &Found<'_>) -> Result<(Vec<u8>, StoredDataKey), QueryError> {
    let key = StoredDataKey { name: row::get(row, "sealer")?, wrapped: row::get(row, "wrapped")? };
    Ok((row::get(row, "sealed_secret")?, key))
}

impl Reader {
    /// The data key that seals the tenant's secrets.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn data_key(&self, tenant: TenantId) -> Result<Option<StoredDataKey>, QueryError> {
        let select = "SELECT data_key_name, wrapped_data_key FROM tenants WHERE id = ?1";
        self.point(select, [tenant.to_bytes()], |row| {
            Ok(StoredDataKey {
                name: row::get(row, "data_key_name")?,
                wrapped: row::get(row, "wrapped_data_key")?,
            })
        })
    }

    /// What a webhook's messages are signed by, sealed, and the data key that it is sealed by.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn webhook_secret(
        &self,
        webhook: WebhookId,
    ) -> Result<Option<(Vec<u8>, StoredDataKey)>, QueryError> {
        let select = "SELECT w.sealed_secret, w.sealer, iif(w.sealer = t.data_key_name, t.wrapped_data_key, (
                          SELECT f.wrapped_data_key FROM former_data_keys f
                          WHERE f.tenant_id = w.tenant_id AND f.name = w.sealer)) AS wrapped
                      FROM webhooks w JOIN tenants t ON t.id = w.tenant_id WHERE w.id = ?1";
        self.point(select, [webhook.to_bytes()], sealed_secret)
    }

    /// What nPanel shows to an identity provider as its client, sealed, and the data key that it is sealed by.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn identity_provider_secret(
        &self,
        provider: IdentityProviderId,
    ) -> Result<Option<(Vec<u8>, StoredDataKey)>, QueryError> {
        let select = "SELECT p.sealed_secret, p.sealer, iif(p.sealer = t.data_key_name, t.wrapped_data_key, (
                          SELECT f.wrapped_data_key FROM former_data_keys f
                          WHERE f.tenant_id = p.tenant_id AND f.name = p.sealer)) AS wrapped
                      FROM identity_providers p JOIN tenants t ON t.id = p.tenant_id WHERE p.id = ?1";
        self.point(select, [provider.to_bytes()], sealed_secret)
    }

    /// The cluster keys, the newest first; those that were dropped before anybody used them are not among them.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn cluster_keys(&self) -> Result<Vec<ClusterKeyRow>, QueryError> {
        self.at_once(|db| {
            let mut keys = db.prepare_cached(
                "SELECT name, version, state, created_millis, ended_millis FROM cluster_keys
                 WHERE state != 'dropped' ORDER BY version DESC",
            )?;
            let keys: Vec<ClusterKeyRow> =
                keys.query_map([], cluster_key)?.collect::<Result<_, _>>()?;
            let mut holders = db.prepare_cached(
                "SELECT h.controller_id FROM cluster_key_holders h JOIN controllers c ON c.id = h.controller_id
                 WHERE h.name = ?1 ORDER BY h.controller_id",
            )?;
            keys.into_iter()
                .map(|key| {
                    let found = holders.query_map([&key.name], |row| row.get(0).map(ControllerId))?;
                    Ok(ClusterKeyRow { holders: found.collect::<Result<_, _>>()?, ..key })
                })
                .collect()
        })
    }

    /// The names of cluster keys that are to be nowhere any more.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn ended_cluster_keys(&self) -> Result<Vec<(Vec<u8>, Timestamp)>, QueryError> {
        self.at_once(|db| {
            let mut ended = db.prepare_cached(
                "SELECT name, ended_millis FROM cluster_keys WHERE state IN ('destroyed', 'dropped')",
            )?;
            let read = |row: &Row<'_>| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?)));
            Ok(ended.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Whether the rotation that is under way waits for a new cluster key.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn wants_cluster_key(&self) -> Result<bool, QueryError> {
        self.at_once(|db| match sealing::unfinished(db)? {
            Some(rotation) => Ok(sealing::needs_cluster_key(db, &rotation)?),
            None => Ok(false),
        })
    }

    /// The rotation that is under way, or the last one.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn secrets_rotation(&self) -> Result<Option<SecretsRotation>, QueryError> {
        self.at_once(|db| {
            let mut select = db.prepare_cached(
                "SELECT operation_id, cluster_key, data_keys, tenant_id, begun_millis, finished_millis, total, done
                 FROM secret_rotation",
            )?;
            let read = |row: &Row<'_>| {
                let is_of_one = row.get_ref(3)? != rusqlite::types::ValueRef::Null;
                Ok(SecretsRotation {
                    operation_id: typed(row, 0, OperationId::from_bytes)?,
                    cluster_key: row.get(1)?,
                    data_keys: row.get(2)?,
                    tenant_id: is_of_one.then(|| tenant_id(row, 3)).transpose()?,
                    begun_at: Timestamp::from_millis(row.get(4)?),
                    finished_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
                    total: row.get(6)?,
                    done: row.get(7)?,
                })
            };
            Ok(select.query_row([], read).optional()?)
        })
    }

    /// The tenants' data keys together. Counts what is sealed by former ones.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn data_keys(&self) -> Result<DataKeys, QueryError> {
        self.at_length(|db| {
            let mut select = db.prepare_cached(
                "SELECT count(*), min(coalesce(data_key_millis, created_millis)),
                     (SELECT count(*) FROM former_data_keys),
                     (SELECT count(*) FROM former_data_keys f CROSS JOIN database_users u
                          ON u.tenant_id = f.tenant_id AND u.sealer = f.name)
                         + (SELECT count(*) FROM former_data_keys f CROSS JOIN webhooks w
                          ON w.tenant_id = f.tenant_id AND w.sealer = f.name)
                         + (SELECT count(*) FROM former_data_keys f CROSS JOIN users p
                          ON p.tenant_id = f.tenant_id AND p.sealed_totp IS NOT NULL AND p.sealer = f.name)
                         + (SELECT count(*) FROM former_data_keys f CROSS JOIN identity_providers i
                          ON i.tenant_id = f.tenant_id AND i.sealer = f.name)
                 FROM tenants",
            )?;
            Ok(select.query_row([], |row| {
                Ok(DataKeys {
                    tenants: row.get(0)?,
                    oldest_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
                    former: row.get(2)?,
                    sealed_by_former: row.get(3)?,
                })
            })?)
        })
        .await
    }

    /// What is to be done next for the keys of secrets, at most so much of each.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn secrets_work(&self, now: Timestamp, most: u32) -> Result<SecretsWork, QueryError> {
        self.at_length(move |db| Ok(sealing::work(db, now, most)?)).await
    }
}
