//! Secrets are sealed anew while their keys are changed: by the leader, a batch at a time, because it has the keys and the
//! randomness, which the rules have not. Level-triggered: the state says what is left to do, whoever began it.

use std::time::Duration;

use npanel_consensus::{Cluster, ProposeError};
use npanel_pki::{ClusterKeys, DataKey, Field, KeyFingerprint, LiveClusterKeys, SealError};
use npanel_proto::command::{
    NewDataKey, ResealSecrets, Resealed, SettleSecrets, envelope::Command, outcome::Outcome,
};
use npanel_state::{QueryError, SealedKind, SecretsWork, StoredDataKey, ToReseal};
use sha2::{Digest, Sha256};

use crate::recorder::own_envelope;

/// So much of each is sealed anew in one command: some 20 ms of the writer's time.
const BATCH: u32 = 200;

/// So many former data keys go in one command.
const SETTLED: u32 = 500;

/// Looked for no more often than this.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is looked whether time has brought something about: keys that are not needed any more are kept for a while.
const AGEING: Duration = Duration::from_secs(5);

/// Before something that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum ResealError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("a secret cannot be sealed anew")]
    Seal(#[from] SealError),
    #[error("an authority's key has a name that is none")]
    Fingerprint(#[from] npanel_pki::FingerprintError),
    #[error("it was refused: {0}")]
    Refused(String),
}

/// Runs until it is dropped.
pub(crate) async fn run(cluster: Cluster, keys: LiveClusterKeys) {
    let mut applied = cluster.applied();
    loop {
        applied.borrow_and_update();
        match once(&cluster, &keys).await {
            Ok(true) => continue,
            Ok(false) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "secrets could not be sealed anew; trying again"
                );
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        if let Ok(Err(_)) = tokio::time::timeout(AGEING, applied.changed()).await {
            return;
        }
    }
}

/// Does what there is to do, one batch of it. Whether there may be more.
async fn once(cluster: &Cluster, keys: &LiveClusterKeys) -> Result<bool, ResealError> {
    let work = cluster.state().secrets_work(cluster.time().await, BATCH).await?;
    if work.can_settle {
        propose(cluster, Command::SettleSecrets(SettleSecrets { most: SETTLED })).await?;
        return Ok(true);
    }
    if work.new_data_keys.is_empty() && work.reseal.is_empty() {
        return Ok(false);
    }
    let batch = sealed(&keys.now(), &work)?;
    tracing::debug!(
        data_keys = batch.data_keys.len(),
        secrets = batch.resealed.len(),
        "sealing secrets anew"
    );
    propose(cluster, Command::ResealSecrets(batch)).await?;
    Ok(true)
}

fn sealed(keys: &ClusterKeys, work: &SecretsWork) -> Result<ResealSecrets, ResealError> {
    let mut batch = ResealSecrets::default();
    for (tenant, follows) in &work.new_data_keys {
        let key = DataKey::successor();
        batch.data_keys.push(NewDataKey {
            tenant_id: tenant.to_bytes(),
            follows: follows.clone(),
            name: key.name_bytes(),
            wrapped_data_key: keys.wrap(*tenant, &key)?,
        });
    }
    for secret in &work.reseal {
        batch.resealed.push(Resealed {
            kind: secret.kind.as_str().to_owned(),
            object_id: secret.object.clone(),
            name: if secret.by.is_none() { secret.key.name.clone() } else { Vec::new() },
            was: Sha256::digest(&secret.sealed).to_vec(),
            sealed: anew(keys, secret)?,
        });
    }
    Ok(batch)
}

fn anew(keys: &ClusterKeys, secret: &ToReseal) -> Result<Vec<u8>, ResealError> {
    let data_key = |key: &StoredDataKey| keys.unwrap(secret.tenant, &key.name, &key.wrapped);
    let field = match secret.kind {
        SealedKind::DataKey | SealedKind::FormerDataKey => {
            let key = keys.unwrap(secret.tenant, &secret.key.name, &secret.sealed)?;
            return Ok(keys.wrap(secret.tenant, &key)?);
        }
        SealedKind::Authority => {
            return Ok(keys.rewrap_authority(KeyFingerprint::from_bytes(&secret.object)?, &secret.sealed)?);
        }
        SealedKind::AuditKey => {
            return Ok(keys.wrap_audit_key(&keys.unwrap_audit_key(&secret.object, &secret.sealed)?)?);
        }
        SealedKind::DatabaseUser => Field::database_password(secret.tenant, &secret.object),
        SealedKind::Webhook => Field::webhook_secret(secret.tenant, &secret.object),
        SealedKind::UserTotp => Field::totp_key(secret.tenant, &secret.object),
        SealedKind::IdentityProvider => Field::client_secret(secret.tenant, &secret.object),
    };
    let plain = data_key(&secret.key)?.open(field, &secret.sealed)?;
    let by = secret.by.as_ref().ok_or(SealError::Seal)?;
    Ok(data_key(by)?.seal(field, &plain)?)
}

async fn propose(cluster: &Cluster, command: Command) -> Result<(), ResealError> {
    match cluster.propose(own_envelope(cluster.id(), command)).await?.outcome {
        Some(Outcome::Refused(refused)) => Err(ResealError::Refused(refused.message)),
        Some(Outcome::Accepted(_)) | None => Ok(()),
    }
}
