//! Whether the disk has room for writes. They end before the disk does: what is left then is for the log and the state of what
//! is agreed on already, for votes, and for whoever frees some.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::config::Prepare;

/// Below here no write is begun: room for a segment of the log and the next, and for the state's write-ahead log.
const LEAST: u64 = 32 * 1024 * 1024;

/// From here on writes go on.
const ENOUGH: u64 = 48 * 1024 * 1024;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(250);

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    is_short: AtomicBool,
}

impl Room {
    pub(crate) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Takes note of so many free bytes.
    fn note(&self, free: u64) {
        let was_short = self.is_short();
        let is_short = free < if was_short { ENOUGH } else { LEAST };
        self.is_short.store(is_short, Ordering::Relaxed);
        if is_short && !was_short {
            tracing::error!(
                free,
                needed = ENOUGH,
                "the disk is full: as leader, this controller refuses writes"
            );
        } else if was_short && !is_short {
            tracing::info!(free, "the disk has room again: writes go on");
        }
    }

    /// Looks again and again, as long as the process.
    pub(crate) async fn look(self: Arc<Self>, directory: PathBuf, at: Arc<dyn Prepare>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match at.free_space(&directory) {
                Ok(free) => self.note(free),
                Err(error) => tracing::warn!(%error, "the disk cannot be asked how full it is"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_end_before_the_disk_does_and_do_not_flutter() {
        let room = Room::default();
        for (free, is_short) in
            [(LEAST, false), (LEAST - 1, true), (LEAST, true), (ENOUGH - 1, true), (ENOUGH, false)]
        {
            room.note(free);
            assert_eq!(room.is_short(), is_short, "at {free}");
        }
    }
}
