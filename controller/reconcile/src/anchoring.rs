//! The leader keeps the audit's checkpoints where no controller can change them.

use std::time::Duration;

use npanel_audit::SignedCheckpoint;
use npanel_cloud::{Bucket, BucketError};
use npanel_consensus::Cluster;
use npanel_model::Timestamp;
use npanel_state::QueryError;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked for a new checkpoint, and tried again.
const EVERY: Duration = Duration::from_secs(5);

/// Where checkpoints are kept outside, and for how long.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// The bucket, made with object lock.
    pub bucket: Bucket,
    /// What the objects' names begin with.
    pub prefix: String,
    /// How long nobody can remove one.
    pub retention: Duration,
}

#[derive(Debug, thiserror::Error)]
enum Unkept {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("the newest checkpoint of the audit is not one")]
    Form(#[from] npanel_audit::CheckpointError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// Runs until it is dropped. A new leader keeps the newest checkpoint once more, which changes nothing.
pub(crate) async fn run(cluster: Cluster, anchor: Anchor) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = 0;
    loop {
        ticks.tick().await;
        match once(&cluster, &anchor, kept).await {
            Ok(now) => kept = now,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a checkpoint of the audit could not be kept outside; trying again"
            ),
        }
    }
}

/// The serial of the checkpoint that is kept now.
async fn once(cluster: &Cluster, anchor: &Anchor, kept: u64) -> Result<u64, Unkept> {
    let Some(newest) = cluster.state().audit_checkpoint().await?.filter(|newest| newest.serial > kept) else {
        return Ok(kept);
    };
    let note: SignedCheckpoint = newest.note.parse()?;
    let name = anchor.name(&note);
    anchor.bucket.put_locked(&name, newest.note, Timestamp::now().plus(anchor.retention)).await?;
    tracing::debug!(name, "a checkpoint of the audit is kept outside");
    Ok(newest.serial)
}

impl Anchor {
    /// In the order of their sizes, by their names.
    fn name(&self, note: &SignedCheckpoint) -> String {
        let checkpoint = note.unverified();
        format!("{}{}/{:020}.checkpoint", self.prefix, checkpoint.origin, checkpoint.size)
    }
}
