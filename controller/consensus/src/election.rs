//! When this controller stands for election.
//!
//! Not left to the consensus library (its `enable_elect` is off), which draws one timeout when it starts, so that two
//! controllers that drew alike split every vote, and which makes a controller that was once refused for a shorter log
//! wait three times as long in every later election until it has led itself. And before a controller stands, it asks the
//! others whether they would vote for it ([`crate::canvass`]), so that one that was cut off ends no leader's term.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{BasicNode, ServerState, metrics::RaftServerMetrics};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    canvass::{Canvass, Canvassed},
    config::HEARTBEAT,
};

/// How long a leader says nothing before somebody stands, in milliseconds: longer than a pause of a busy two-core
/// machine, and longer than [`LEASE`]. Drawn anew each time, so that a split vote is not repeated.
const SILENCE: Range<u64> = 1_200..1_800;
/// How long a candidate waits for votes before it stands again, and one that too few would vote for before it asks again,
/// in milliseconds. More than a heartbeat: a leader that was elected meanwhile has been heard by then.
const RETRY: Range<u64> = 250..600;
/// How long after a leader's word a controller votes for nobody else.
pub(crate) const LEASE: Duration = Duration::from_millis(800);
/// A timer that is later than this says that this process stood still itself.
const LATE: Duration = Duration::from_millis(100);

/// What does not change with every entry.
type Metrics = RaftServerMetrics<u64, BasicNode>;

/// What this controller has heard from others that keeps it from standing.
#[derive(Debug)]
pub(crate) struct Hearing {
    last: Mutex<Instant>,
    /// When a leader was last followed.
    leader: Mutex<Option<Instant>>,
    is_behind: AtomicBool,
}

impl Hearing {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            last: Mutex::new(Instant::now()),
            leader: Mutex::default(),
            is_behind: AtomicBool::new(false),
        })
    }

    /// A candidate was voted for, or there is another reason to begin to wait.
    pub(crate) fn heard(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A leader was followed.
    pub(crate) fn followed(&self) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.heard();
    }

    /// Whether a leader was followed so lately.
    pub(crate) fn followed_within(&self, lately: Duration) -> bool {
        self.followed_ago().is_some_and(|ago| ago <= lately)
    }

    /// How long ago a leader was followed, if one was.
    pub(crate) fn followed_ago(&self) -> Option<Duration> {
        let leader = *self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        leader.map(|leader| leader.elapsed())
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A vote was refused because the voter's log holds more: whoever has as much should stand.
    pub(crate) fn refused_as_behind(&self) {
        self.is_behind.store(true, Ordering::Relaxed);
    }

    /// Returns once nothing was heard for so long. If this process stood still, what was said meanwhile is heard
    /// first.
    async fn silent_for(&self, patience: Duration) {
        loop {
            let due = self.last() + patience;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
            if due.elapsed() > LATE {
                sleep(HEARTBEAT).await;
            }
        }
    }
}

/// What this controller does about there being no leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing yet: it waits for one to be heard.
    Patient,
    /// It has asked, and too few would vote for it.
    Unwanted,
    /// It stands in this term.
    Standing(u64),
}

/// Stands for election whenever there is nobody to follow, until the consensus library stops.
pub(crate) async fn run(canvass: Canvass, hearing: Arc<Hearing>) {
    let mut metrics = canvass.raft.server_metrics();
    let mut stage = Stage::Patient;
    loop {
        let could_stand = may_stand(&metrics.borrow());
        let Ok(now) = metrics.wait_for(may_stand).await.map(|now| now.clone()) else { return };
        if !could_stand {
            // It led, or had no vote: its patience begins now.
            hearing.heard();
            stage = Stage::Patient;
        }
        let since = hearing.last();
        // Nobody can be heard by an only voter; but once it stands, it takes a moment until it leads.
        let is_at_once = stage == Stage::Patient && is_only_voter(&now);
        let patience = if is_at_once { Duration::ZERO } else { stage.draw() };
        tokio::select! {
            () = hearing.silent_for(patience) => {}
            found = metrics.wait_for(|now| stage.is_over(now)), if stage != Stage::Patient => {
                if found.is_err() {
                    return;
                }
                stage = Stage::Patient;
                continue;
            }
        }
        if matches!(stage, Stage::Standing(_)) && hearing.is_behind.swap(false, Ordering::Relaxed) {
            stage = Stage::Patient;
            continue;
        }
        let before = hearing.last();
        if stage == Stage::Unwanted && before != since {
            // A leader was heard, and is waited for as ever when it falls silent.
            stage = Stage::Patient;
            continue;
        }
        let canvassed = canvass.ask().await;
        if !may_stand(&metrics.borrow()) || hearing.last() != before {
            stage = Stage::Patient;
            continue;
        }
        hearing.heard();
        stage = match canvassed {
            Canvassed::Enough => {
                hearing.is_behind.store(false, Ordering::Relaxed);
                let term = metrics.borrow().vote.leader_id().term + 1;
                tracing::info!(term, "no leader is heard; standing for election");
                if canvass.raft.trigger().elect().await.is_err() {
                    return;
                }
                Stage::Standing(term)
            }
            Canvassed::TooFew => {
                if stage != Stage::Unwanted {
                    tracing::info!(
                        "no leader is heard, and too few controllers would vote for this one; asking on"
                    );
                }
                Stage::Unwanted
            }
            Canvassed::Behind => Stage::Patient,
        };
    }
}

impl Stage {
    fn draw(self) -> Duration {
        Duration::from_millis(fastrand::u64(if self == Self::Patient { SILENCE } else { RETRY }))
    }

    /// Whether somebody leads meanwhile.
    fn is_over(self, now: &Metrics) -> bool {
        match self {
            Self::Standing(term) => now.current_leader.is_some() && now.vote.leader_id().term >= term,
            // The leader that is not heard any more is still the last one known.
            Self::Patient | Self::Unwanted => false,
        }
    }
}

fn may_stand(now: &Metrics) -> bool {
    matches!(now.state, ServerState::Follower | ServerState::Candidate)
        && now.membership_config.membership().voter_ids().any(|id| id == now.id)
}

fn is_only_voter(now: &Metrics) -> bool {
    now.membership_config.membership().voter_ids().all(|id| id == now.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_word_puts_the_time_to_stand_off() {
        let (hearing, begun) = (Hearing::new(), Instant::now());
        let patience = Duration::from_secs(2);
        let waits = tokio::spawn({
            let hearing = Arc::clone(&hearing);
            async move { hearing.silent_for(patience).await }
        });
        sleep(Duration::from_millis(1_500)).await;
        hearing.heard();
        waits.await.expect("no panic");
        assert_eq!(begun.elapsed(), Duration::from_millis(3_500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_listens_before_it_stands() {
        let (hearing, begun) = (Hearing::new(), Instant::now());
        let patience = Duration::from_millis(SILENCE.start);
        let waits = tokio::spawn({
            let hearing = Arc::clone(&hearing);
            async move { hearing.silent_for(patience).await }
        });
        tokio::task::yield_now().await;
        // No timer fires meanwhile, as when the process is stopped; then the leader's word is found waiting.
        tokio::time::advance(Duration::from_secs(5)).await;
        hearing.heard();
        waits.await.expect("no panic");
        assert!(begun.elapsed() >= Duration::from_secs(5) + patience, "{:?}", begun.elapsed());
    }

    #[test]
    fn nobody_stands_while_voters_still_hold_to_the_leader() {
        assert!(Duration::from_millis(SILENCE.start) > LEASE + HEARTBEAT);
        assert!(Duration::from_millis(RETRY.start) > HEARTBEAT);
    }
}
