//! What a controller answers to other controllers. The listener has checked that the caller is one, and put
//! its [`Identity`] into the request's extensions.

use std::sync::Arc;

use npanel_model::ControllerId;
use npanel_pki::Identity;
use npanel_proto::controller::{
    Answer, ClockRequest, ClockResponse, FeatureLevelRequest, FeatureLevelResponse, ForeseeRequest,
    ForeseeResponse, HealthRequest, HealthResponse, JoinRequest, JoinResponse, ProposeRequest,
    ProposeResponse, Question, RaftMessage, ReadIndexRequest, ReadIndexResponse,
    controller_server::{Controller, ControllerServer},
};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Response, Status};

use crate::{
    Cluster, Overload, canvass,
    encoding::{from_bytes, to_bytes},
    lines::LARGEST_MESSAGE,
    log::Synced,
    propose::{DISK_FULL, NOT_LEADER},
    receiving::Answer as Answered,
    types::{LogId, Types},
};

/// Seals the cluster's keys for a controller that joins.
pub trait JoinKeys: Send + Sync + 'static {
    /// The CA and the cluster key, sealed to the joiner's X25519 public key. `None`: the key is not usable.
    fn seal_for(&self, joiner: ControllerId, sealing_key: &[u8]) -> Option<Vec<u8>>;
}

/// The service. To be served behind a check of the caller's identity.
pub struct ControllerService {
    cluster: Cluster,
    keys: Arc<dyn JoinKeys>,
}

impl ControllerService {
    /// The service as tonic serves it.
    pub fn server(cluster: Cluster, keys: Arc<dyn JoinKeys>) -> ControllerServer<Self> {
        ControllerServer::new(Self { cluster, keys })
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE)
    }
}

fn caller<T>(request: &Request<T>) -> Result<ControllerId, Status> {
    match request.extensions().get::<Identity>() {
        Some(Identity::Controller(id)) => Ok(*id),
        _ => Err(Status::permission_denied("only controllers may call this")),
    }
}

fn decode<T: DeserializeOwned>(request: Request<RaftMessage>) -> Result<T, Status> {
    caller(&request)?;
    from_bytes(&request.into_inner().payload).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn encode(answer: &impl Serialize) -> Result<Response<RaftMessage>, Status> {
    Ok(Response::new(RaftMessage { payload: to_bytes(answer), data: Vec::new() }))
}

/// Returns once the entries that an answer says are here are on disk. Without an answer the leader asks again.
async fn on_disk<E>(
    answer: &Result<AppendEntriesResponse<u64>, E>,
    last: Option<LogId>,
    synced: &Synced,
) -> Result<(), Status> {
    match (answer, last) {
        (Ok(AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_)), Some(last)) => {
            let reached = synced.reaches(last.index).await;
            reached.map_err(|failure| Status::unavailable(failure.to_string()))
        }
        _ => Ok(()),
    }
}

#[tonic::async_trait]
impl Controller for ControllerService {
    async fn append_entries(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let message: AppendEntriesRequest<Types> = decode(request)?;
        let last = message.entries.last().map(|entry| entry.log_id).or(message.prev_log_id);
        let answer = self.cluster.raft().append_entries(message).await;
        if !matches!(answer, Ok(AppendEntriesResponse::HigherVote(_)) | Err(_)) {
            self.cluster.hearing().followed();
        }
        on_disk(&answer, last, self.cluster.synced()).await?;
        encode(&answer)
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let message = decode(request)?;
        let answer = self.cluster.raft().vote(message).await;
        if answer.as_ref().is_ok_and(|answer| answer.vote_granted) {
            self.cluster.hearing().heard();
        }
        encode(&answer)
    }

    async fn would_vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let asked = decode(request)?;
        encode(&canvass::verdict(self.cluster.raft(), self.cluster.hearing(), &asked))
    }

    async fn install_snapshot(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        caller(&request)?;
        let RaftMessage { payload, data } = request.into_inner();
        let piece = from_bytes(&payload).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let answer = self.cluster.receiving().take(self.cluster.raft(), piece, data).await;
        if !matches!(answer, Answered::Later { .. }) {
            self.cluster.hearing().followed();
        }
        encode(&answer)
    }

    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeResponse>, Status> {
        caller(&request)?;
        let envelope = request
            .into_inner()
            .envelope
            .ok_or_else(|| Status::invalid_argument("there is no command in the request"))?;
        match self.cluster.propose_as_leader(envelope).await.map_err(Overload::status)? {
            Some(outcome) => Ok(Response::new(ProposeResponse { outcome: Some(outcome) })),
            None if self.cluster.room().is_short() => {
                Err(Status::new(DISK_FULL, "this controller's disk is full"))
            }
            None => Err(Status::new(NOT_LEADER, "this controller does not lead")),
        }
    }

    async fn foresee(&self, request: Request<ForeseeRequest>) -> Result<Response<ForeseeResponse>, Status> {
        caller(&request)?;
        let envelope = request
            .into_inner()
            .envelope
            .ok_or_else(|| Status::invalid_argument("there is no command in the request"))?;
        match self.cluster.foresee_as_leader(envelope).await.map_err(Overload::status)? {
            Some(answer) => Ok(Response::new(answer)),
            None => Err(Status::new(NOT_LEADER, "this controller does not lead")),
        }
    }

    async fn read_index(
        &self,
        request: Request<ReadIndexRequest>,
    ) -> Result<Response<ReadIndexResponse>, Status> {
        caller(&request)?;
        match self.cluster.read_index().await {
            Some(index) => Ok(Response::new(ReadIndexResponse { index })),
            None => Err(Status::new(NOT_LEADER, "this controller does not lead")),
        }
    }

    async fn feature_level(
        &self,
        request: Request<FeatureLevelRequest>,
    ) -> Result<Response<FeatureLevelResponse>, Status> {
        caller(&request)?;
        Ok(Response::new(FeatureLevelResponse { max_feature_level: self.cluster.max_feature_level() }))
    }

    async fn clock(&self, request: Request<ClockRequest>) -> Result<Response<ClockResponse>, Status> {
        caller(&request)?;
        Ok(Response::new(ClockResponse { time_millis: self.cluster.clock().own().as_millis() }))
    }

    async fn ask(&self, request: Request<Question>) -> Result<Response<Answer>, Status> {
        caller(&request)?;
        match self.cluster.answer_as_leader(request.into_inner()).await {
            Some(answer) => Ok(Response::new(answer)),
            None => Err(Status::new(NOT_LEADER, "this controller does not lead")),
        }
    }

    async fn health(&self, request: Request<HealthRequest>) -> Result<Response<HealthResponse>, Status> {
        caller(&request)?;
        Ok(Response::new(self.cluster.health().into()))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let joiner = caller(&request)?;
        let sealed_keys = self
            .keys
            .seal_for(joiner, &request.into_inner().sealing_key)
            .ok_or_else(|| Status::invalid_argument("the sealing key is not an X25519 public key"))?;
        Ok(Response::new(JoinResponse { sealed_keys }))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use openraft::CommittedLeaderId;
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn a_leader_is_not_told_that_an_entry_is_here_before_it_is_on_disk() {
        let disk = watch::Sender::new(Ok(4));
        let synced = Synced::told_by(&disk);
        let last = Some(LogId::new(CommittedLeaderId::new(1, 1), 5));
        let taken: Result<_, ()> = Ok(AppendEntriesResponse::Success);
        assert!(on_disk(&taken, last, &synced).now_or_never().is_none());
        let refused: Result<_, ()> = Ok(AppendEntriesResponse::Conflict);
        assert!(on_disk(&refused, last, &synced).now_or_never().is_some());
        drop(disk.send_replace(Ok(5)));
        on_disk(&taken, last, &synced).await.expect("it is on disk");
        drop(disk);
        let later = Some(LogId::new(CommittedLeaderId::new(1, 1), 6));
        on_disk(&taken, later, &synced).await.expect_err("it never will be");
    }
}
