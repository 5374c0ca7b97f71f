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

use crate::{applying::Applying, lines::Lines, types::Raft};

/// Reads that may wait for the next round.
const QUEUE: usize = 4096;

/// A round takes a message to a majority and back. One that takes longer has found a leader that is cut off.
const ROUND: Duration = Duration::from_secs(1);

/// How often it is looked whether others have come to ask, before a round begins.
const LOOKS: usize = 3;

type Ask = oneshot::Sender<Option<u64>>;

/// Asks for many reads at once. A read is in a round that begins after it was asked for, as it must be; those that come
/// while one is under way are in the next one together.
#[derive(Debug)]
pub(crate) struct Rounds {
    asks: mpsc::Sender<Ask>,
}

impl Rounds {
    pub(crate) fn start(raft: Raft, lines: Arc<Lines>, tasks: &mut JoinSet<()>) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        tasks.spawn(run(raft, lines, asked));
        Self { asks }
    }

    /// The entry that a read must have seen that is asked for now. `None`: no leader said.
    pub(crate) async fn index(&self) -> Option<u64> {
        let (ask, answer) = oneshot::channel();
        self.asks.send(ask).await.ok()?;
        answer.await.ok()?
    }
}

async fn run(raft: Raft, lines: Arc<Lines>, mut asked: mpsc::Receiver<Ask>) {
    let mut round = Vec::new();
    while asked.recv_many(&mut round, QUEUE).await > 0 {
        gather(&mut asked, &mut round).await;
        let index = timeout(ROUND, of_leader(&raft, &lines)).await.unwrap_or(None);
        for ask in round.drain(..) {
            // Who has gone away does not need it.
            let _ = ask.send(index);
        }
    }
}

/// Lets what is ready to run go first: on a controller with much to do, that is mostly reads on their way here, and a round costs the
/// same for all. On one that has nothing else to do it takes no time.
async fn gather(asked: &mut mpsc::Receiver<Ask>, round: &mut Vec<Ask>) {
    for _ in 0..LOOKS {
        tokio::task::yield_now().await;
        while round.len() < QUEUE
            && let Ok(ask) = asked.try_recv()
        {
            round.push(ask);
        }
    }
}

/// From the leader, wherever it is.
async fn of_leader(raft: &Raft, lines: &Arc<Lines>) -> Option<u64> {
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
    let mut call = lines.call(ControllerId(leader), &address?.addr);
    let answer = call.client().read_index(ReadIndexRequest {}).await;
    call.ended(&answer);
    answer.ok().map(|answer| answer.into_inner().index)
}

/// Whether a majority confirms that this controller leads, once it has applied all that was decided before.
pub(crate) async fn is_caught_up(raft: &Raft, applying: &Applying) -> bool {
    match confirmed(raft).await {
        Some(index) => applying.until(index).await.is_ok(),
        None => false,
    }
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
