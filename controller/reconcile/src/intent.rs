//! An object's whole intent as it is told to a node. Secrets are opened here, just before.

use npanel_model::{CronJob, Fqdn, Privileges};
use npanel_pki::{ClusterKeys, Field, LiveClusterKeys, SealError};
use npanel_proto::node::{self, ObjectIntent, object_intent::Intent};
use npanel_state::{Grant, IntentSource, QueryError, Reader, WantedObject, ZoneRecordSet};

use crate::view::{Key, wire_object};

/// Why an intent cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntentError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("a secret of the object cannot be opened")]
    Seal(#[from] SealError),
    #[error("a secret of the object is not text")]
    Text,
}

/// Makes intents.
#[derive(Debug, Clone)]
pub(crate) struct Intents {
    state: Reader,
    keys: LiveClusterKeys,
}

impl Intents {
    pub(crate) fn new(state: Reader, keys: LiveClusterKeys) -> Self {
        Self { state, keys }
    }

    /// The object's newest content, at the generation given; `None` if the object is gone meanwhile.
    pub(crate) async fn read(&self, wanted: &WantedObject) -> Result<Option<ObjectIntent>, IntentError> {
        let intent = match wanted.tombstone_seconds {
            Some(retention_seconds) => Intent::Tombstone(node::Tombstone { retention_seconds }),
            None => match self.state.intent(wanted.kind, &wanted.id).await? {
                Some(source) => content(&self.keys.now(), source)?,
                None => return Ok(None),
            },
        };
        let key: Key = (wanted.kind, wanted.id.clone());
        Ok(Some(ObjectIntent {
            object: Some(wire_object(&key)),
            generation: wanted.generation.0,
            intent: Some(intent),
        }))
    }
}

/// An object's content as nodes are told it.
pub(crate) fn content(keys: &ClusterKeys, source: IntentSource) -> Result<Intent, IntentError> {
    Ok(match source {
        IntentSource::Account { username, uid, php_version, is_suspended, allotment } => {
            Intent::Account(node::Account {
                allotment: (!allotment.is_unlimited()).then_some(node::Allotment {
                    cpu_percent: allotment.cpu_percent,
                    memory_limit_mb: allotment.memory_limit_mb,
                    processes: allotment.processes,
                    io_mb_per_second: allotment.io_mb_per_second,
                    io_operations_per_second: allotment.io_operations_per_second,
                }),
                username: username.into(),
                uid: uid.get(),
                php_version: php_version.into(),
                suspended: is_suspended,
            })
        }
        IntentSource::Site { account_id, username, uid, domain, document_root, is_suspended } => {
            Intent::Site(node::Site {
                account_id: account_id.to_bytes(),
                username: username.into(),
                uid: uid.get(),
                domain: domain.to_string(),
                document_root: document_root.to_string(),
                suspended: is_suspended,
            })
        }
        IntentSource::Database { name } => Intent::Database(node::Database { name: name.into() }),
        IntentSource::DatabaseUser {
            id,
            name,
            tenant_id,
            data_key,
            sealed_password_hash,
            grants,
            is_locked,
        } => {
            let data_key = keys.unwrap(tenant_id, &data_key.name, &data_key.wrapped)?;
            let hash =
                data_key.open(Field::database_password(tenant_id, &id.to_bytes()), &sealed_password_hash)?;
            Intent::DatabaseUser(node::DatabaseUser {
                name: name.into(),
                password_hash: str::from_utf8(&hash).map_err(|_| IntentError::Text)?.to_owned(),
                grants: grants.into_iter().map(grant).collect(),
                locked: is_locked,
            })
        }
        IntentSource::CronTable { account_id, username, uid, jobs } => Intent::CronTable(node::CronTable {
            account_id: account_id.to_bytes(),
            username: username.into(),
            uid: uid.get(),
            jobs: jobs.into_iter().map(cron_job).collect(),
        }),
        IntentSource::Zone { name, name_servers, record_sets } => Intent::Zone(node::Zone {
            hostmaster: format!("hostmaster.{name}"),
            name: name.to_string(),
            name_servers: name_servers.iter().map(Fqdn::to_string).collect(),
            record_sets: record_sets.into_iter().map(record_set).collect(),
        }),
    })
}

fn cron_job(job: CronJob) -> node::CronJob {
    node::CronJob { schedule: job.schedule.into(), command: job.command.into() }
}

fn grant(grant: Grant) -> node::Grant {
    let privileges = match grant.privileges {
        Privileges::All => node::Privileges::All,
        Privileges::ReadOnly => node::Privileges::ReadOnly,
    };
    node::Grant { database: grant.database.into(), privileges: privileges.into() }
}

fn record_set(set: ZoneRecordSet) -> node::RecordSet {
    node::RecordSet {
        name: set.name.to_string(),
        r#type: set.kind.to_string(),
        ttl_seconds: set.ttl.into(),
        records: set.records,
    }
}
