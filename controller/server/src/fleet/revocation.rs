//! Who is to be looked at again because certificates were revoked.

use std::time::Duration;

use npanel_consensus::Cluster;
use npanel_state::QueryError;
use tokio::{sync::watch, time::sleep};

/// How often the state is asked while it changes all the time: a revocation ends connections well within a second.
const GRAIN: Duration = Duration::from_millis(200);

/// Moves the channel's value with every revocation, until the state ends.
pub(super) async fn follow(cluster: Cluster, revocations: watch::Sender<u64>) {
    let mut applied = cluster.applied();
    loop {
        applied.borrow_and_update();
        match cluster.state().last_revocation().await {
            Ok(last) => {
                revocations.send_if_modified(|seen| std::mem::replace(seen, last) != last);
            }
            Err(error) => tell(&error),
        }
        sleep(GRAIN).await;
        if applied.changed().await.is_err() {
            return;
        }
    }
}

fn tell(error: &QueryError) {
    tracing::error!(%error, "revocations cannot be read from the state");
}
