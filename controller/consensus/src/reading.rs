//! Reads that show all that was decided before they were asked for: which entry they must have seen is asked for many of
//! them at once.

use std::{sync::Arc, time::Duration};

use npanel_model::ControllerId;
use npanel_proto::controller::ReadIndexRequest;
use openraft::error::{CheckIsLeaderError, RaftError};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{config::Dial, network::client, types::Raft};

/// Reads that may wait for the next round.
const QUEUE: usize = 4096;

/// A round takes a message to a majority and back. One that takes longer has found a leader that is cut off.
const ROUND: Duration = Duration::from_secs(1);

type Ask = oneshot::Sender<Option<u64>>;

/// Asks for many reads at once. A read is in a round that begins after it was asked for, as it must be; those that come
/// while one is under way are in the next one together.
#[derive(Debug)]
pub(crate) struct Rounds {
    asks: mpsc::Sender<Ask>,
}

impl Rounds {
    pub(crate) fn start(raft: Raft, dial: Arc<dyn Dial>, tasks: &mut JoinSet<()>) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        tasks.spawn(run(raft, dial, asked));
        Self { asks }
    }

    /// The entry that a read must have seen that is asked for now. `None`: no leader said.
    pub(crate) async fn index(&self) -> Option<u64> {
        let (ask, answer) = oneshot::channel();
        self.asks.send(ask).await.ok()?;
        answer.await.ok()?
    }
}

async fn run(raft: Raft, dial: Arc<dyn Dial>, mut asked: mpsc::Receiver<Ask>) {
    let mut round = Vec::new();
    while asked.recv_many(&mut round, QUEUE).await > 0 {
        let index = timeout(ROUND, of_leader(&raft, &*dial)).await.unwrap_or(None);
        for ask in round.drain(..) {
            // Who has gone away does not need it.
            let _ = ask.send(index);
        }
    }
}

/// From the leader, wherever it is.
async fn of_leader(raft: &Raft, dial: &dyn Dial) -> Option<u64> {
    let (own, leader, address) = {
        let metrics = raft.metrics();
        let now = metrics.borrow();
        let address =
            now.current_leader.and_then(|id| now.membership_config.membership().get_node(&id).cloned());
        (now.id, now.current_leader?, address)
    };
    if leader == own {
        return confirmed(raft).await;
    }
    let mut remote = client(dial.channel(ControllerId(leader), &address?.addr));
    remote.read_index(ReadIndexRequest {}).await.ok().map(|answer| answer.into_inner().index)
}

/// Confirmed by a majority. `None`: this controller does not lead.
pub(crate) async fn confirmed(raft: &Raft) -> Option<u64> {
    match raft.get_read_log_id().await {
        Ok((read, applied)) => Some(read.or(applied).map_or(0, |id| id.index)),
        Err(RaftError::APIError(
            CheckIsLeaderError::ForwardToLeader(_) | CheckIsLeaderError::QuorumNotEnough(_),
        )) => None,
        Err(RaftError::Fatal(error)) => {
            tracing::error!(error = %error, "the consensus library has stopped");
            None
        }
    }
}
