//! The replicated state as the API asks for it.

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use npanel_consensus::{Asked, Cluster, ProposeError};
use npanel_model::ControllerId;
use npanel_proto::{
    command::{Envelope, Outcome},
    controller::{Answer, ForeseeResponse, Question},
};
use npanel_state::{Reader, StateCopy};
use tokio::sync::watch;

use crate::agreement::{Agreement, AgreementStatus, Uncopied, Unproposed};

/// A member of the cluster.
pub(super) struct Member(pub(super) Cluster);

fn unproposed(error: &ProposeError) -> Unproposed {
    match error {
        ProposeError::NoLeader => Unproposed::NoLeader,
        ProposeError::DiskFull => Unproposed::DiskFull,
        ProposeError::Overloaded(overload) => Unproposed::Overloaded(*overload),
        ProposeError::Stopped => Unproposed::Stopped(error.to_string()),
    }
}

impl Agreement for Member {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unproposed>> {
        async move { self.0.propose(envelope).await.map_err(|error| unproposed(&error)) }.boxed()
    }

    fn foresee(&self, envelope: Envelope) -> BoxFuture<'_, Result<ForeseeResponse, Unproposed>> {
        async move { self.0.foresee(envelope).await.map_err(|error| unproposed(&error)) }.boxed()
    }

    fn linearize(&self) -> BoxFuture<'_, Result<(), Unproposed>> {
        async move { self.0.linearize().await.map_err(|_| Unproposed::NoLeader) }.boxed()
    }

    fn age(&self) -> Option<Duration> {
        self.0.age()
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer, Unproposed>> {
        async move { self.0.ask(question).await.map_err(|_| Unproposed::NoLeader) }.boxed()
    }

    fn reader(&self) -> &Reader {
        self.0.state()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.0.applied()
    }

    fn copy_state(&self) -> BoxFuture<'_, Result<StateCopy, Uncopied>> {
        async move { self.0.copy_state().await.map_err(|error| Uncopied(error.into())) }.boxed()
    }

    fn health(
        &self,
        controllers: Vec<(ControllerId, String)>,
    ) -> BoxFuture<'_, BTreeMap<ControllerId, Asked>> {
        let one = move |(id, address): (ControllerId, String)| async move {
            (id, self.0.ask_health(id, &address).await)
        };
        futures::future::join_all(controllers.into_iter().map(one))
            .map(|all| all.into_iter().collect())
            .boxed()
    }

    fn status(&self) -> AgreementStatus {
        let now = self.0.status();
        let ids = |votes: bool| {
            now.peers.iter().filter(|peer| peer.is_voter == votes).map(|peer| peer.id).collect()
        };
        AgreementStatus {
            controller_id: now.id.0,
            leader_id: now.leader,
            term: now.term,
            applied_index: now.applied_index,
            last_log_index: Some(now.last_log_index),
            max_feature_level: self.0.max_feature_level(),
            clock_seconds_ahead: now.clock_seconds_ahead,
            voters: ids(true),
            learners: ids(false),
            replicated: now.peers.iter().filter_map(|peer| Some((peer.id, peer.matched_index?))).collect(),
        }
    }
}
