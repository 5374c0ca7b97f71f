//! When a snapshot is made, and how far the log is let go.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use npanel_state::Store;
use openraft::{BasicNode, RaftMetrics};
use tokio::time::Instant;

use crate::{log::Extent, sending::Sending, types::Raft};

/// How often it is looked whether anything is due.
const EVERY: Duration = Duration::from_millis(500);

/// How much of the log is kept, and for how long for whom, as far as that is for others to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// A snapshot is due every so many entries, or more with a larger state: when it is this controller's turn.
    pub snapshot_after_entries: u64,
    /// After so many it is due in any case, however large the state is.
    pub snapshot_at_latest_entries: u64,
    /// So many entries below its snapshot the leader keeps, for one that was away for a moment. Followers keep twenty times as
    /// many, because they do not know what a later leader's followers will need.
    pub kept_entries: u64,
    /// One who has not answered for so long holds nothing up any more: it gets a snapshot when it comes back.
    pub patience: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            snapshot_after_entries: 10_000,
            snapshot_at_latest_entries: 400_000,
            kept_entries: 5_000,
            patience: Duration::from_secs(600),
        }
    }
}

const FOLLOWER_KEEPS_TIMES: u64 = 20;

/// With a large state a snapshot is due after one entry for each of so many bytes, for it costs what the state has: with a million
/// accounts after two thirds of as many as there may be.
const BYTES_AN_ENTRY: u64 = 8 * 1024;

/// What is kept for those who are behind: no more than a restart reads again in seconds.
const MOST_ENTRIES: u64 = 1_000_000;
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// Entries go so many at a time, or as many as the leader keeps.
const PURGED_AT_ONCE: u64 = 1_000;

/// When the others last answered this controller.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    last: Mutex<BTreeMap<u64, Instant>>,
}

impl Answering {
    pub(crate) fn note(&self, id: u64) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
    }

    /// One who was never heard has the time that all have, from here on.
    fn is_live(&self, id: u64, patience: Duration) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.entry(id).or_insert_with(Instant::now).elapsed() < patience
    }
}

pub(crate) struct Compaction {
    pub(crate) raft: Raft,
    pub(crate) log: Extent,
    pub(crate) store: Store,
    pub(crate) sending: Arc<Sending>,
    pub(crate) answering: Arc<Answering>,
    pub(crate) retention: Retention,
}

/// What the decisions are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    applied: u64,
    snapshot: u64,
    purged: u64,
    /// Below here the log is beyond what may be kept.
    floor: u64,
    /// On the leader: how far all live followers have come.
    followers: Option<u64>,
    is_leader: bool,
    turn: Turn,
}

/// Which of those who vote this one is, in the order of ids, and how many they are. They make their snapshots one after the other: while
/// one disk is busy with it, a majority of the others answers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    rank: u64,
    of: u64,
}

impl Turn {
    /// Whether the turn comes up between these two entries, where it comes up every so many.
    fn is_between(self, from: u64, to: u64, every: u64) -> bool {
        let ahead = every.saturating_mul(self.rank) / self.of.max(1);
        (to + ahead) / every.max(1) > (from + ahead) / every.max(1)
    }
}

/// Whether a snapshot is due, with a state of so many bytes. While one is being sent, the next waits: the other one goes on with
/// what it has.
fn is_due(now: &Standing, retention: &Retention, state_bytes: u64, is_sending: bool) -> bool {
    let new = now.applied.saturating_sub(now.snapshot);
    let most = retention.snapshot_at_latest_entries;
    // What a turn that comes too soon leaves for the next one is less than the most.
    let longest = most * 2 / 3;
    let every = (state_bytes / BYTES_AN_ENTRY).clamp(retention.snapshot_after_entries.min(longest), longest);
    let is_its_turn = new >= every / 3 && now.turn.is_between(now.snapshot, now.applied, every);
    new >= most || is_its_turn && !is_sending
}

/// The entry up to which the log is let go now.
fn purge_upto(now: &Standing, retention: &Retention) -> Option<u64> {
    let times = if now.is_leader { 1 } else { FOLLOWER_KEEPS_TIMES };
    let kept = retention.kept_entries.saturating_mul(times);
    let wanted = now.snapshot.saturating_sub(kept).min(now.followers.unwrap_or(u64::MAX));
    let upto = wanted.max(now.floor.saturating_sub(1)).min(now.snapshot);
    (upto >= now.purged + PURGED_AT_ONCE.min(retention.kept_entries.max(1))).then_some(upto)
}

impl Compaction {
    /// Runs until the consensus library stops.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let metrics = self.raft.metrics();
        // The end of the log when the last one was asked for: it is asked for once.
        let mut asked = 0;
        loop {
            ticks.tick().await;
            if metrics.borrow().running_state.is_err() {
                return;
            }
            let now = self.standing(&metrics.borrow());
            let state_bytes = self.store.bytes().unwrap_or(u64::MAX);
            let asked_for = Standing { snapshot: now.snapshot.max(asked), ..now };
            if is_due(&asked_for, &self.retention, state_bytes, self.sending.is_under_way()) {
                asked = now.applied;
                if self.raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            if let Some(upto) = purge_upto(&now, &self.retention)
                && self.raft.trigger().purge_log(upto).await.is_err()
            {
                return;
            }
        }
    }

    fn standing(&self, now: &RaftMetrics<u64, BasicNode>) -> Standing {
        let index = |id: Option<openraft::LogId<u64>>| id.map_or(0, |id| id.index);
        let followers = now.replication.as_ref().map(|all| {
            let live = all
                .iter()
                .filter(|(id, _)| **id != now.id && self.answering.is_live(**id, self.retention.patience));
            live.map(|(_, matched)| index(*matched)).min().unwrap_or(u64::MAX)
        });
        Standing {
            applied: index(now.last_applied),
            snapshot: index(now.snapshot),
            purged: index(now.purged),
            floor: self.log.floor(MOST_ENTRIES, MOST_BYTES),
            followers,
            is_leader: followers.is_some(),
            turn: turn(now),
        }
    }
}

fn turn(now: &RaftMetrics<u64, BasicNode>) -> Turn {
    let voters = || now.membership_config.voter_ids();
    let before = voters().filter(|id| *id < now.id).count();
    Turn { rank: before as u64, of: voters().count() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Standing = Standing {
        applied: 300_000,
        snapshot: 290_000,
        purged: 0,
        floor: 0,
        followers: Some(u64::MAX),
        is_leader: true,
        turn: Turn { rank: 0, of: 1 },
    };

    fn purged(now: &Standing) -> Option<u64> {
        purge_upto(now, &Retention::default())
    }

    #[test]
    fn the_log_goes_as_far_as_every_live_follower_has_come() {
        assert_eq!(purged(&LEADER), Some(285_000));
        assert_eq!(purged(&Standing { followers: Some(120_000), ..LEADER }), Some(120_000));
        assert_eq!(purged(&Standing { followers: Some(0), ..LEADER }), None, "it needs all");
    }

    #[test]
    fn one_who_is_too_far_behind_does_not_hold_it_up() {
        assert_eq!(purged(&Standing { followers: Some(0), floor: 50_001, ..LEADER }), Some(50_000));
        // Never beyond the snapshot, which is what whoever is behind gets.
        let beyond = Standing { followers: Some(0), floor: 299_000, ..LEADER };
        assert_eq!(purged(&beyond), Some(290_000));
    }

    #[test]
    fn a_follower_keeps_what_others_may_ask_it_for_when_it_leads() {
        let follower = Standing { followers: None, is_leader: false, ..LEADER };
        assert_eq!(purged(&follower), Some(190_000));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_is_dead_too_long_holds_nothing_up() {
        let patience = Retention::default().patience;
        let answering = Answering::default();
        let is_live = |answering: &Answering| answering.is_live(2, patience);
        assert!(is_live(&answering), "it was not heard yet");
        tokio::time::advance(patience - Duration::from_secs(1)).await;
        assert!(is_live(&answering));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_live(&answering));
        answering.note(2);
        assert!(is_live(&answering), "it is back");
    }

    #[test]
    fn a_snapshot_waits_for_as_many_entries_as_it_costs_and_for_one_that_is_sent() {
        let at = |snapshot, applied| Standing { snapshot, applied, ..LEADER };
        let is_due =
            |now: &Standing, bytes, is_sending| is_due(now, &Retention::default(), bytes, is_sending);
        assert!(is_due(&at(300_000, 310_000), 0, false));
        assert!(!is_due(&at(300_000, 309_999), 0, false));
        let large = 2 << 30;
        assert!(!is_due(&at(262_144, 524_287), large, false), "the state is large");
        assert!(is_due(&at(262_144, 524_288), large, false));
        assert!(!is_due(&at(500_000, 524_288), large, false), "there was one shortly before");
        assert!(!is_due(&at(300_000, 400_000), 0, true), "one is being sent");
        let long = at(100_000, 500_000);
        assert!(is_due(&long, u64::MAX, true), "the log is long");
        let sooner = Retention { snapshot_at_latest_entries: 60_000, ..Retention::default() };
        assert!(super::is_due(&at(240_000, 300_000), &sooner, u64::MAX, true), "as was asked for");
    }

    #[test]
    fn controllers_make_their_snapshots_one_after_the_other() {
        for bytes in [0, 1 << 30, u64::MAX] {
            let mut snapshots = [0; 3];
            let mut made = Vec::new();
            for applied in (0..2_000_000).step_by(500) {
                for (rank, snapshot) in (0..).zip(&mut snapshots) {
                    let turn = Turn { rank, of: 3 };
                    let now = Standing { snapshot: *snapshot, applied, turn, ..LEADER };
                    if is_due(&now, &Retention::default(), bytes, false) {
                        *snapshot = applied;
                        made.push((applied, rank));
                    }
                }
            }
            let closest = made.windows(2).map(|pair| pair[1].0 - pair[0].0).min().expect("two");
            let longest = made.windows(4).map(|round| round[3].0 - round[0].0).max().expect("four");
            assert!(closest * 4 >= longest, "{bytes} bytes: {made:?}");
            assert!(longest < 400_000, "{bytes} bytes: {made:?}");
        }
    }
}
