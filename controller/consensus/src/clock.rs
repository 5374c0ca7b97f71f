//! The time that commands are stamped with. The state's time never goes back, so a leader whose clock is ahead of the
//! others' would take all of them along for ever: what is to expire in years would have expired. So a controller compares
//! its clock with those of the others, and if it is not theirs, the majority's counts.
//!
//! Clocks that are all wrong together are not found out here, nor is that of a cluster of one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use npanel_model::{ControllerId, Timestamp};
use npanel_proto::controller::ClockRequest;
use tokio::time::{sleep, timeout};

use crate::{
    belonging::Belonging,
    config::{Dial, Prepare},
    lines::client,
    types::Raft,
};

/// How far clocks may be apart, or may move against the time that passes. Far above what a time service leaves, far
/// beneath what hurts anything that expires.
const TOLERANCE: Duration = Duration::from_secs(60);

/// How often clocks are compared. A jump in between is noticed at once, by the time that passes.
const EVERY: Duration = Duration::from_secs(30);

/// A peer on the same network says the time sooner than that, or does not count.
const PATIENCE: Duration = Duration::from_millis(300);

/// Where nothing is known yet they are asked again for so long, each time with this patience, after such a pause: a machine that has
/// just started may be slow, and the state's time never goes back.
const AT_FIRST: Duration = Duration::from_secs(5);
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(1);
const PAUSE_AT_FIRST: Duration = Duration::from_millis(100);

/// This controller's clock and the others'.
pub(crate) struct Clock {
    raft: Raft,
    dial: Arc<dyn Dial>,
    prepare: Arc<dyn Prepare>,
    belonging: Arc<Belonging>,
    known: Mutex<Option<Compared>>,
    /// Held by the one command for which the others are asked at first.
    asking_first: tokio::sync::Mutex<()>,
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy)]
struct Compared {
    at: Instant,
    /// What this controller's clock said then.
    own: Timestamp,
    /// How far it was ahead of the majority's, in milliseconds.
    ahead: i64,
}

impl Compared {
    /// Whether the clock has gone on since as time does.
    fn explains(&self, now: Timestamp) -> bool {
        let expected = self.own.plus(self.at.elapsed());
        (now.as_millis() - expected.as_millis()).unsigned_abs() <= TOLERANCE.as_millis() as u64
    }

    /// The time by what has passed since, whatever the clock says by now.
    fn gone_on(&self) -> Timestamp {
        self.corrected(self.own.plus(self.at.elapsed()))
    }

    fn corrected(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis() - significant(self.ahead))
    }
}

/// Clocks that are nearly alike are left alone.
fn significant(ahead: i64) -> i64 {
    if ahead.unsigned_abs() > TOLERANCE.as_millis() as u64 { ahead } else { 0 }
}

/// How far a clock is ahead of the majority's, from how far it is ahead of each of the others. Of two that differ, the
/// earlier counts: time that has not come yet can still come.
fn ahead_of_majority(of_others: impl IntoIterator<Item = i64>) -> i64 {
    let mut all: Vec<i64> = of_others.into_iter().chain([0]).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

impl Clock {
    pub(crate) fn new(
        raft: Raft,
        dial: Arc<dyn Dial>,
        prepare: Arc<dyn Prepare>,
        belonging: Arc<Belonging>,
    ) -> Self {
        Self {
            raft,
            dial,
            prepare,
            belonging,
            known: Mutex::default(),
            asking_first: tokio::sync::Mutex::default(),
        }
    }

    /// What this controller's clock says.
    pub(crate) fn own(&self) -> Timestamp {
        self.prepare.now()
    }

    /// What a command is stamped with. Asks the others only when it is not known how this clock stands to theirs.
    pub(crate) async fn stamp(&self) -> Timestamp {
        match self.known() {
            Some(known) => {
                let now = self.own();
                if known.explains(now) { known.corrected(now) } else { self.after_a_jump(known).await }
            }
            None => self.at_first().await,
        }
    }

    /// The clock has moved against the time that passes, and only the others can say whether it was set or went wrong.
    async fn after_a_jump(&self, known: Compared) -> Timestamp {
        match self.compare(PATIENCE).await {
            Some(compared) => compared.corrected(self.own()),
            None => known.gone_on(),
        }
    }

    /// If nobody answers for long, there is nothing else to go by than this clock.
    async fn at_first(&self) -> Timestamp {
        let _one = self.asking_first.lock().await;
        if let Some(known) = self.known() {
            return known.corrected(self.own());
        }
        let (begun, mut patience) = (Instant::now(), PATIENCE);
        while begun.elapsed() < AT_FIRST {
            if let Some(compared) = self.compare(patience).await {
                return compared.corrected(self.own());
            }
            patience = PATIENCE_AT_FIRST;
            sleep(PAUSE_AT_FIRST).await;
        }
        tracing::error!("none of the other controllers says the time: this controller's clock is believed");
        let believed = Compared { at: Instant::now(), own: self.own(), ahead: 0 };
        self.know(believed);
        believed.own
    }

    /// By how many seconds this clock is ahead of the others', if that matters.
    pub(crate) fn seconds_ahead(&self) -> i64 {
        self.known().map_or(0, |known| significant(known.ahead) / 1000)
    }

    /// Compares again and again.
    pub(crate) async fn keep_comparing(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.compare(PATIENCE).await;
        }
    }

    /// `None`: nobody answered, so nothing is known.
    async fn compare(&self, patience: Duration) -> Option<Compared> {
        let (own, voters) = {
            let metrics = self.raft.metrics();
            let now = metrics.borrow();
            let membership = now.membership_config.membership();
            let voters: Vec<_> = membership
                .voter_ids()
                .filter_map(|id| Some((id, membership.get_node(&id)?.addr.clone())))
                .collect();
            (now.id, voters)
        };
        if voters.is_empty() {
            // It has just started, and does not know yet whom to ask.
            return None;
        }
        let others: Vec<_> = voters.into_iter().filter(|(id, _)| *id != own).collect();
        let asked = others.iter().map(|(id, address)| self.ahead_of(ControllerId(*id), address, patience));
        let ahead: Vec<i64> = futures::future::join_all(asked).await.into_iter().flatten().collect();
        if ahead.is_empty() && !others.is_empty() {
            return None;
        }
        let compared =
            Compared { at: Instant::now(), own: self.own(), ahead: ahead_of_majority(ahead.iter().copied()) };
        if significant(compared.ahead) != 0 {
            let seconds = compared.ahead / 1000;
            tracing::error!(
                seconds,
                "this controller's clock is ahead of the others' (behind, if negative); theirs counts. Set it: timedatectl set-ntp true"
            );
        }
        self.know(compared);
        Some(compared)
    }

    async fn ahead_of(&self, controller: ControllerId, address: &str, patience: Duration) -> Option<i64> {
        let mut remote = client(self.dial.channel(controller, address));
        let answer = timeout(patience, remote.clock(ClockRequest {})).await.ok()?;
        let answer = answer.inspect_err(|status| self.belonging.note(status)).ok()?.into_inner();
        Some(self.own().as_millis() - answer.time_millis)
    }

    fn know(&self, compared: Compared) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(compared);
    }

    fn known(&self) -> Option<Compared> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majoritys_clock_counts_and_of_two_the_earlier() {
        let day = 86_400_000;
        for (of_others, ahead) in [
            (vec![], 0),
            (vec![day, day], day),
            (vec![0, day], 0),
            (vec![0, -day], 0),
            (vec![-day, -day], -day),
            (vec![day], day),
            (vec![-day], 0),
            (vec![0, 0, day, day], 0),
            (vec![0, day, day, day], day),
        ] {
            assert_eq!(ahead_of_majority(of_others.clone()), ahead, "{of_others:?}");
        }
    }

    #[test]
    fn only_a_clock_that_is_far_off_is_corrected() {
        let now = Timestamp::now();
        let compared = |ahead| Compared { at: Instant::now(), own: now, ahead };
        assert_eq!(compared(59_000).corrected(now), now);
        assert_eq!(compared(-3_600_000).corrected(now), now.plus(Duration::from_secs(3600)));
    }

    #[test]
    fn a_jump_is_noticed_either_way() {
        let now = Timestamp::now();
        let compared = Compared { at: Instant::now(), own: now, ahead: 0 };
        assert!(compared.explains(now));
        assert!(!compared.explains(now.plus(Duration::from_secs(90))));
        assert!(!compared.explains(Timestamp::from_millis(now.as_millis() - 90_000)));
    }
}
