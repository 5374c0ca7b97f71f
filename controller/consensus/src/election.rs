//! When this controller stands for election.
//!
//! Not left to the consensus library (its `enable_elect` is off), which draws one timeout when it starts, so that two
//! controllers that drew alike split every vote, and which makes a controller that was once refused for a shorter log
//! wait three times as long in every later election until it has led itself.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{BasicNode, RaftMetrics, ServerState};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{config::HEARTBEAT, types::Raft};

/// How long a leader says nothing before somebody stands, in milliseconds: longer than a pause of a busy two-core
/// machine, and longer than [`LEASE`]. Drawn anew each time, so that a split vote is not repeated.
const SILENCE: Range<u64> = 1_200..1_800;
/// How long a candidate waits for votes before it stands again, in milliseconds. More than a heartbeat: a leader that
/// was elected meanwhile has been heard by then.
const RETRY: Range<u64> = 250..600;
/// How long after a leader's word a controller votes for nobody else.
pub(crate) const LEASE: Duration = Duration::from_millis(800);
/// A timer that is later than this says that this process stood still itself.
const LATE: Duration = Duration::from_millis(100);

type Metrics = RaftMetrics<u64, BasicNode>;

/// What this controller has heard from others that keeps it from standing.
#[derive(Debug)]
pub(crate) struct Hearing {
    last: Mutex<Instant>,
    is_behind: AtomicBool,
}

impl Hearing {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { last: Mutex::new(Instant::now()), is_behind: AtomicBool::new(false) })
    }

    /// A leader was followed, or a candidate voted for.
    pub(crate) fn heard(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A vote was refused because the voter's log holds more: whoever has as much should stand.
    pub(crate) fn refused_as_behind(&self) {
        self.is_behind.store(true, Ordering::Relaxed);
    }

    /// Returns once nothing was heard for so long. If this process stood still, what was said meanwhile is heard
    /// first.
    async fn silent_for(&self, patience: Duration) {
        loop {
            let due = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + patience;
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

/// Stands for election whenever there is nobody to follow, until the consensus library stops.
pub(crate) async fn run(raft: Raft, hearing: Arc<Hearing>) {
    let mut metrics = raft.metrics();
    // The term of the candidacy under way.
    let mut candidacy = None;
    loop {
        let could_stand = may_stand(&metrics.borrow());
        let Ok(now) = metrics.wait_for(may_stand).await.map(|now| now.clone()) else { return };
        if !could_stand {
            // It led, or had no vote: its patience begins now.
            hearing.heard();
            candidacy = None;
        }
        let patience = if is_only_voter(&now) { Duration::ZERO } else { draw(candidacy) };
        tokio::select! {
            () = hearing.silent_for(patience) => {}
            found = metrics.wait_for(|now| is_decided(now, candidacy)), if candidacy.is_some() => {
                if found.is_err() {
                    return;
                }
                candidacy = None;
                continue;
            }
        }
        if candidacy.is_some() && hearing.is_behind.swap(false, Ordering::Relaxed) {
            candidacy = None;
            continue;
        }
        let term = metrics.borrow().current_term;
        if !may_stand(&metrics.borrow()) {
            candidacy = None;
            continue;
        }
        hearing.is_behind.store(false, Ordering::Relaxed);
        hearing.heard();
        candidacy = Some(term + 1);
        tracing::info!(term = term + 1, "no leader is heard; standing for election");
        if raft.trigger().elect().await.is_err() {
            return;
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

/// Whether somebody leads in the term of the candidacy or a later one.
fn is_decided(now: &Metrics, candidacy: Option<u64>) -> bool {
    now.current_leader.is_some() && candidacy.is_some_and(|term| now.current_term >= term)
}

fn draw(candidacy: Option<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(if candidacy.is_some() { RETRY } else { SILENCE }))
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
