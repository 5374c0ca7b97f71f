//! Raft's messages to other controllers, over gRPC.

use std::{sync::Arc, time::Duration};

use npanel_model::ControllerId;
use npanel_proto::controller::{RaftMessage, controller_client::ControllerClient};
use openraft::{
    BasicNode, RaftNetwork, RaftNetworkFactory, Snapshot,
    error::{
        InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, ReplicationClosed, Unreachable,
    },
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        SnapshotResponse, VoteRequest, VoteResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{
    belonging::Belonging,
    compaction::Answering,
    config::Dial,
    election::Hearing,
    encoding::{from_bytes, to_bytes},
    lines::Lines,
    log::Synced,
    sending::{self, SendError, Sending},
    types::{LogId, Types, Vote},
};

/// How long a message that tells nothing but a commit waits for this leader's disk.
const COMMIT_PATIENCE: Duration = Duration::from_millis(50);

/// The largest message between controllers: a snapshot's chunk is 1 MiB, a batch of 256 entries rarely more
/// than that; commands are at most 1 MiB each.
pub(crate) const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// Makes a connection for each peer.
pub(crate) struct Network {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) hearing: Arc<Hearing>,
    pub(crate) belonging: Arc<Belonging>,
    pub(crate) sending: Arc<Sending>,
    pub(crate) answering: Arc<Answering>,
    pub(crate) synced: Synced,
}

/// The connection to one peer. The library makes one for each follower that it sends the log to, and one for each read that it has
/// confirmed.
pub(crate) struct Connection {
    target: u64,
    address: String,
    dial: Arc<dyn Dial>,
    /// Its own, once it sends more than a word: the log is not to wait behind other calls.
    own: Option<ControllerClient<Channel>>,
    lines: Arc<Lines>,
    hearing: Arc<Hearing>,
    belonging: Arc<Belonging>,
    sending: Arc<Sending>,
    answering: Arc<Answering>,
    told: Told,
}

/// Which commits followers are told of: those that are on this leader's disk, too, for the library counts its entries before
/// they are.
struct Told {
    synced: Synced,
    last: Option<LogId>,
}

impl Told {
    async fn limit(&mut self, rpc: &mut AppendEntriesRequest<Types>) {
        let Some(commit) = rpc.leader_commit else { return };
        if rpc.entries.is_empty() {
            // Nothing else is told: it may as well wait, for less than a heartbeat.
            let _ = tokio::time::timeout(COMMIT_PATIENCE, self.synced.reaches(commit.index)).await;
        }
        if self.synced.upto() >= commit.index {
            self.last = Some(commit);
        }
        rpc.leader_commit = self.last;
    }
}

pub(crate) fn client(channel: Channel) -> ControllerClient<Channel> {
    ControllerClient::new(channel)
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE)
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        let (hearing, belonging) = (Arc::clone(&self.hearing), Arc::clone(&self.belonging));
        let (sending, answering) = (Arc::clone(&self.sending), Arc::clone(&self.answering));
        let told = Told { synced: self.synced.clone(), last: None };
        Connection {
            target,
            address: node.addr.clone(),
            dial: Arc::clone(&self.dial),
            own: None,
            lines: Arc::clone(&self.lines),
            hearing,
            belonging,
            sending,
            answering,
            told,
        }
    }
}

type Failure<E> = RPCError<u64, BasicNode, RaftError<u64, E>>;

fn not_sent<E: std::error::Error>(status: &Status) -> Failure<E> {
    match status.code() {
        // As after a pause: one that was removed need not ask again and again.
        Code::Unavailable | Code::PermissionDenied => RPCError::Unreachable(Unreachable::new(status)),
        _ => RPCError::Network(NetworkError::new(status)),
    }
}

impl Connection {
    fn own(&mut self) -> &mut ControllerClient<Channel> {
        self.own.get_or_insert_with(|| client(self.dial.channel(ControllerId(self.target), &self.address)))
    }

    /// Says a word to the peer, by a line that others use, too.
    async fn say(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let mut call = self.lines.call(ControllerId(self.target), &self.address);
        let answer = call.client().append_entries(request).await;
        call.ended(&answer);
        answer
    }

    fn request(message: &impl Serialize, option: &RPCOption) -> Request<RaftMessage> {
        let mut request = Request::new(RaftMessage { payload: to_bytes(message), data: Vec::new() });
        request.set_timeout(option.hard_ttl());
        request
    }

    fn answer<T, E>(&self, answer: Result<Response<RaftMessage>, Status>) -> Result<T, Failure<E>>
    where
        T: DeserializeOwned,
        E: std::error::Error + DeserializeOwned,
    {
        let refused = |status: Status| {
            self.belonging.note(&status);
            not_sent(&status)
        };
        let message = answer.map_err(refused)?.into_inner();
        self.answering.note(self.target);
        let decoded: Result<T, RaftError<u64, E>> =
            from_bytes(&message.payload).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        decoded.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

impl RaftNetwork<Types> for Connection {
    async fn append_entries(
        &mut self,
        mut rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        self.told.limit(&mut rpc).await;
        let request = Self::request(&rpc, &option);
        let answer = if rpc.entries.is_empty() && self.own.is_none() {
            self.say(request).await
        } else {
            self.own().append_entries(request).await
        };
        self.answer(answer)
    }

    /// Never called: [`Self::full_snapshot`] does without.
    async fn install_snapshot(
        &mut self,
        _: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RPCError<u64, BasicNode, RaftError<u64, InstallSnapshotError>>>
    {
        let error = std::io::Error::other("snapshots are sent by another way");
        Err(RPCError::Unreachable(Unreachable::new(&error)))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<Types>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, SendError> {
        let sending = Arc::clone(&self.sending);
        sending::send(self.own(), &sending, vote, snapshot, cancel).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        let answer = self.own().vote(Self::request(&rpc, &option)).await;
        let answer: VoteResponse<u64> = self.answer(answer)?;
        if !answer.vote_granted && answer.last_log_id > rpc.last_log_id {
            self.hearing.refused_as_behind();
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;
    use tokio::sync::watch;

    use super::*;

    fn at(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, 1), index)
    }

    async fn told(told: &mut Told, commit: u64) -> Option<u64> {
        let mut rpc = AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: Vec::new(),
            leader_commit: Some(at(commit)),
        };
        told.limit(&mut rpc).await;
        rpc.leader_commit.map(|id| id.index)
    }

    #[tokio::test(start_paused = true)]
    async fn followers_are_not_told_of_a_commit_before_it_is_on_the_leaders_disk() {
        let disk = watch::Sender::new(Ok(4));
        let mut to_follower = Told { synced: Synced::told_by(&disk), last: None };
        assert_eq!(told(&mut to_follower, 5).await, None);
        assert_eq!(told(&mut to_follower, 3).await, Some(3));
        assert_eq!(told(&mut to_follower, 5).await, Some(3));
        drop(disk.send_replace(Ok(5)));
        assert_eq!(told(&mut to_follower, 5).await, Some(5));
    }
}
