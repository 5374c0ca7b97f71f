//! The leader vouches for the audit: it signs what the tree is, and has it kept by every controller.

use std::time::Duration;

use npanel_audit::{Checkpoint, Hash, SignedCheckpoint, VerifierKey, origin};
use npanel_consensus::{Cluster, ProposeError};
use npanel_pki::{AuditKey, ClusterKeys, LiveClusterKeys, SealError};
use npanel_proto::command::{CreateAuditKey, RecordCheckpoint, envelope::Command, outcome::Outcome};
use npanel_state::{AuditKeyRow, QueryError, Reader};
use tokio::time::{MissedTickBehavior, interval};

use crate::recorder::own_envelope;

/// How old the last checkpoint is before the next one. What is younger than the last is vouched for by nothing.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether it is time: a new leader goes on where the one before it was.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum Unsigned {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("the audit's key cannot be used")]
    Key(#[from] SealError),
    #[error("the state refuses it: {0}")]
    Refused(String),
}

/// Runs until it is dropped.
pub(crate) async fn run(cluster: Cluster, keys: LiveClusterKeys) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = once(&cluster, &keys.now()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit could not be vouched for");
        }
    }
}

async fn once(cluster: &Cluster, keys: &ClusterKeys) -> Result<(), Unsigned> {
    let state = cluster.state();
    let Some(founded) = state.cluster().await? else { return Ok(()) };
    let size = state.audit_size().await?;
    let last = state.audit_checkpoint().await?;
    let vouched = last.as_ref().map_or(0, |checkpoint| checkpoint.tree_size);
    if size <= vouched {
        return Ok(());
    }
    let now = cluster.time().await;
    if last.is_some_and(|checkpoint| now.since(checkpoint.time) < EVERY) {
        return Ok(());
    }
    let signing = signing_key(cluster, keys).await?;
    let Some(name) = VerifierKey::new(&origin(&founded.id), &signing.public()) else { return Ok(()) };
    let root = state.audit_root(size).await?;
    require_unbroken(state, vouched, size, root).await?;
    let command = RecordCheckpoint { note: signed(&name, &signing, size, root).to_string() };
    propose(cluster, Command::RecordCheckpoint(command)).await
}

fn signed(name: &VerifierKey, key: &AuditKey, size: u64, root: Hash) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: name.name().to_owned(), size, root };
    let signature = key.sign(checkpoint.text().as_bytes());
    checkpoint.signed(name, &signature)
}

/// Nothing is signed that does not go on from what was signed before.
async fn require_unbroken(state: &Reader, vouched: u64, size: u64, root: Hash) -> Result<(), Unsigned> {
    let Some(before) = state.audit_checkpoint_of(vouched).await? else { return Ok(()) };
    let said = before.note.parse::<SignedCheckpoint>().map(|note| note.unverified().root);
    let proof = state.audit_consistency(vouched, size).await?;
    let goes_on = said
        .is_ok_and(|said| npanel_audit::verify_consistency((vouched, said), (size, root), &proof).is_ok());
    if goes_on {
        return Ok(());
    }
    let why = format!("the first {size} entries do not go on from the {vouched} of the last checkpoint");
    Err(Unsigned::Refused(format!("{why}: the state was changed by something other than the controllers")))
}

/// The key of the state; made if there is none yet.
async fn signing_key(cluster: &Cluster, keys: &ClusterKeys) -> Result<AuditKey, Unsigned> {
    if let Some(row) = cluster.state().audit_key().await? {
        return opened(keys, &row);
    }
    let made = AuditKey::generate();
    let command =
        CreateAuditKey { public_key: made.public().to_vec(), sealed_key: keys.wrap_audit_key(&made)? };
    propose(cluster, Command::CreateAuditKey(command)).await?;
    Ok(made)
}

fn opened(keys: &ClusterKeys, row: &AuditKeyRow) -> Result<AuditKey, Unsigned> {
    Ok(keys.unwrap_audit_key(&row.public_key, &row.sealed_key)?)
}

async fn propose(cluster: &Cluster, command: Command) -> Result<(), Unsigned> {
    match cluster.propose(own_envelope(cluster.id(), command)).await?.outcome {
        Some(Outcome::Refused(refused)) => Err(Unsigned::Refused(refused.message)),
        Some(Outcome::Accepted(_)) | None => Ok(()),
    }
}
