//! Which controllers there are, as nodes are told.

use std::{convert::Infallible, time::Duration};

use npanel_consensus::Cluster;
use npanel_proto::node::{Controller, Controllers};
use npanel_state::{QueryError, Reader};
use tokio::{sync::watch, time::sleep};

/// How often the state is asked while it changes all the time.
const GRAIN: Duration = Duration::from_millis(500);

pub(crate) async fn read(state: &Reader) -> Result<Controllers, QueryError> {
    // In this order: one that is enrolled in between is then new, not gone.
    let next_id = state.next_controller_id().await?.0;
    let present = state.controllers().await?.into_iter();
    let present = present.map(|one| Controller { id: one.id.0, address: one.fleet_address }).collect();
    Ok(Controllers { present, next_id })
}

/// Keeps it up to date. Ends with the cluster, or when the state cannot be asked; then by never coming back.
pub(crate) async fn follow(cluster: Cluster, to: watch::Sender<Controllers>) -> Infallible {
    let mut applied = cluster.applied();
    loop {
        applied.borrow_and_update();
        match read(cluster.state()).await {
            Ok(now) => {
                to.send_if_modified(|told| std::mem::replace(told, now.clone()) != now);
            }
            Err(error) => tracing::error!(%error, "the controllers cannot be read from the state"),
        }
        sleep(GRAIN).await;
        if applied.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
