//! Asking before standing for election: a controller that could not win does not begin a term, which would depose a leader
//! that others follow.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use npanel_model::ControllerId;
use npanel_proto::controller::RaftMessage;
use openraft::{BasicNode, RaftMetrics, ServerState};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{
    belonging::Belonging,
    config::Dial,
    election::{Hearing, LEASE},
    encoding::{from_bytes, to_bytes},
    lines::client,
    types::{LogId, Raft},
};

/// How long a voter may take to answer. One that is there does so in milliseconds, a handshake included.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a voter is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WouldVote {
    /// The end of the asker's log.
    last_log: Option<LogId>,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// It would vote for the asker.
    Yes,
    /// It follows a leader, or leads.
    HasLeader,
    /// Its log holds what the asker's does not.
    HoldsMore,
}

/// What came of asking all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canvassed {
    /// A majority would vote for this controller.
    Enough,
    /// Too few would, or answer.
    TooFew,
    /// Too few would, and somebody's log holds more.
    Behind,
}

/// Asks the voters.
pub(crate) struct Canvass {
    pub(crate) raft: Raft,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) belonging: Arc<Belonging>,
}

impl Canvass {
    /// Asks every other voter at once, until it is decided. Each is dialled anew: a connection of before a partition may
    /// hang for seconds.
    pub(crate) async fn ask(&self) -> Canvassed {
        let (own, configs, others) = {
            let metrics = self.raft.metrics();
            let now = metrics.borrow();
            let membership = now.membership_config.membership();
            let others: Vec<(u64, String)> = membership
                .voter_ids()
                .filter(|id| *id != now.id)
                .filter_map(|id| Some((id, membership.get_node(&id)?.addr.clone())))
                .collect();
            (now.id, membership.get_joint_config().clone(), others)
        };
        let asked = to_bytes(&WouldVote { last_log: self.raft.data_metrics().borrow().last_log });
        let (mut willing, mut holds_more) = (BTreeSet::from([own]), false);
        let mut silent: BTreeSet<u64> = others.iter().map(|(id, _)| *id).collect();
        let mut answers: FuturesUnordered<_> = others
            .into_iter()
            .map(|(id, address)| {
                let asked = asked.clone();
                async move { (id, self.ask_one(id, &address, asked).await) }
            })
            .collect();
        loop {
            if is_majority(&configs, &willing) {
                return Canvassed::Enough;
            }
            let hoped_for: BTreeSet<u64> = willing.union(&silent).copied().collect();
            if !is_majority(&configs, &hoped_for) {
                break;
            }
            let Some((id, verdict)) = answers.next().await else { break };
            silent.remove(&id);
            match verdict {
                Some(Verdict::Yes) => {
                    willing.insert(id);
                }
                Some(Verdict::HoldsMore) => holds_more = true,
                Some(Verdict::HasLeader) | None => {}
            }
        }
        if holds_more { Canvassed::Behind } else { Canvassed::TooFew }
    }

    async fn ask_one(&self, id: u64, address: &str, payload: Vec<u8>) -> Option<Verdict> {
        let mut voter = client(self.dial.channel(ControllerId(id), address));
        match timeout(PATIENCE, voter.would_vote(RaftMessage { payload, data: Vec::new() })).await.ok()? {
            Ok(answer) => from_bytes(&answer.into_inner().payload).ok(),
            Err(status) => {
                self.belonging.note(&status);
                None
            }
        }
    }
}

/// Whether these are a majority of the voters: of both the old and the new, while they change.
fn is_majority(configs: &[BTreeSet<u64>], of: &BTreeSet<u64>) -> bool {
    configs.iter().all(|voters| 2 * voters.intersection(of).count() > voters.len())
}

/// What this controller says to one that asks.
pub(crate) fn verdict(raft: &Raft, hearing: &Hearing, asked: &WouldVote) -> Verdict {
    // One that leads and has lost its majority would let another lead.
    if leads(&raft.metrics().borrow(), LEASE) || hearing.followed_within(LEASE) {
        Verdict::HasLeader
    } else if asked.last_log < raft.data_metrics().borrow().last_log {
        Verdict::HoldsMore
    } else {
        Verdict::Yes
    }
}

/// Whether this controller leads and a majority has acknowledged that so lately.
pub(crate) fn leads(now: &RaftMetrics<u64, BasicNode>, lately: Duration) -> bool {
    let acknowledged = now.millis_since_quorum_ack.map(Duration::from_millis);
    now.state == ServerState::Leader && acknowledged.is_some_and(|ago| ago <= lately)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_members_change_it_takes_a_majority_of_the_old_and_of_the_new() {
        let (old, new) = (BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5]));
        let both = [old.clone(), new];
        assert!(is_majority(&[old], &BTreeSet::from([1, 2])));
        assert!(!is_majority(&both, &BTreeSet::from([1, 2])));
        assert!(is_majority(&both, &BTreeSet::from([1, 3, 4])));
        assert!(is_majority(&[BTreeSet::from([1])], &BTreeSet::from([1])));
        assert!(!is_majority(&[BTreeSet::from([1, 2])], &BTreeSet::from([1])));
    }
}
