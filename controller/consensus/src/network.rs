//! Raft's messages to other controllers, over gRPC.

use std::sync::Arc;

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
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{
    belonging::Belonging,
    commits::{Commits, Follower},
    compaction::Answering,
    config::Dial,
    election::Hearing,
    encoding::{from_bytes, to_bytes},
    lines::{Lines, client},
    log::Synced,
    sending::{self, SendError, Sending},
    types::{Types, Vote},
};

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
    follower: Arc<Follower>,
    dial: Arc<dyn Dial>,
    /// Its own, once it sends more than a word: the log is not to wait behind other calls.
    own: Option<ControllerClient<Channel>>,
    hearing: Arc<Hearing>,
    sending: Arc<Sending>,
    answering: Arc<Answering>,
    commits: Commits,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        let follower = Arc::new(Follower {
            id: ControllerId(target),
            address: node.addr.clone(),
            lines: Arc::clone(&self.lines),
            belonging: Arc::clone(&self.belonging),
        });
        Connection {
            dial: Arc::clone(&self.dial),
            own: None,
            hearing: Arc::clone(&self.hearing),
            sending: Arc::clone(&self.sending),
            answering: Arc::clone(&self.answering),
            commits: Commits::new(Arc::clone(&follower), self.synced.clone()),
            follower,
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
        self.own.get_or_insert_with(|| client(self.dial.channel(self.follower.id, &self.follower.address)))
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
            self.follower.belonging.note(&status);
            not_sent(&status)
        };
        let message = answer.map_err(refused)?.into_inner();
        self.answering.note(self.follower.id.0);
        let decoded: Result<T, RaftError<u64, E>> =
            from_bytes(&message.payload).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        decoded.map_err(|error| RPCError::RemoteError(RemoteError::new(self.follower.id.0, error)))
    }
}

impl RaftNetwork<Types> for Connection {
    async fn append_entries(
        &mut self,
        mut rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        if self.commits.take(&rpc) {
            return Ok(AppendEntriesResponse::Success);
        }
        self.commits.limit(&mut rpc).await;
        let (request, sent) = (Self::request(&rpc, &option), Instant::now());
        let answer = if rpc.entries.is_empty() && self.own.is_none() {
            self.follower.say(request).await
        } else {
            self.own().append_entries(request).await
        };
        let answer = self.answer(answer)?;
        if matches!(answer, AppendEntriesResponse::Success) {
            let upto = rpc.entries.last().map_or(rpc.prev_log_id, |entry| Some(entry.log_id));
            self.commits.agreed(rpc.vote, upto, sent);
        }
        Ok(answer)
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
