//! Looking after accounts' PHP between operations.

use std::time::Duration;

use npanel_host::Systemd;
use npanel_services::php::{self, Idle};
use tokio::time::{MissedTickBehavior, interval};

/// The longest that a crash loop keeps a site down after it has ended, and how seldom it is let begin again.
const LOOK: Duration = Duration::from_secs(10);

/// Runs until it is dropped: brings back sockets that crashes have tripped, and stops what has no work.
pub(crate) async fn look_after_php(systemd: Systemd, process_idle: Duration) {
    let mut idle = Idle::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match php::revive_failed(&systemd).await {
            Ok(revived) if revived.is_empty() => {}
            Ok(revived) => tracing::info!(?revived, "brought back PHP sockets after crashes"),
            Err(error) => tracing::warn!(%error, "cannot look after PHP sockets"),
        }
        if let Err(error) = idle.stop_idle(&systemd, process_idle).await {
            tracing::warn!(%error, "cannot stop idle PHP");
        }
    }
}
