//! What a leader sees to by itself: what it needs for that, and when it does.

use std::{sync::Arc, time::Duration};

use npanel_state::Store;
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    applying::Applying, belonging::Belonging, clock::Clock, config::Dial, leadership::Leadership, types::Raft,
};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What it takes to look, to ask the other controllers, and to propose something.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) raft: Raft,
    pub(crate) store: Store,
    pub(crate) applying: Arc<Applying>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) belonging: Arc<Belonging>,
    pub(crate) clock: Arc<Clock>,
}

/// When it is a leader's turn: every so often, while this controller leads.
pub(crate) struct Turns {
    tick: Interval,
    leadership: watch::Receiver<Leadership>,
}

impl Turns {
    pub(crate) fn every(period: Duration, leadership: watch::Receiver<Leadership>) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, leadership }
    }

    /// Returns at the next turn; `false` once there will be none, as the process ends.
    pub(crate) async fn next(&mut self) -> bool {
        self.tick.tick().await;
        self.leadership.borrow().is_leader() || self.leadership.changed().await.is_ok()
    }
}
