//! What the API needs of the replicated state, so that its tests need no replication.

use std::{collections::BTreeMap, time::Duration};

use futures::future::BoxFuture;
use npanel_consensus::{Asked, Overload};
use npanel_model::ControllerId;
use npanel_proto::{
    command::{Envelope, Outcome},
    controller::{Answer, ForeseeResponse, Question},
};
use npanel_state::{Reader, StateCopy};
use tokio::sync::watch;

/// The replicated state: agreed commands in, queries out.
pub trait Agreement: Send + Sync + 'static {
    /// Has a command agreed on and applied; returns when this controller has applied it. The leader fills in
    /// the time, the feature level and the nodes chosen.
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unproposed>>;

    /// What a command would come to if it were proposed now. Changes nothing.
    fn foresee(&self, envelope: Envelope) -> BoxFuture<'_, Result<ForeseeResponse, Unproposed>>;

    /// Returns when this controller has applied everything that was agreed on before the call.
    fn linearize(&self) -> BoxFuture<'_, Result<(), Unproposed>>;

    /// How long ago this controller last knew that it had all that was agreed on; `None`: not since it started.
    fn age(&self) -> Option<Duration> {
        None
    }

    /// Has the leader answer what only it knows.
    fn ask(&self, _: Question) -> BoxFuture<'_, Result<Answer, Unproposed>> {
        Box::pin(std::future::ready(Err(Unproposed::NoLeader)))
    }

    /// Queries on what this controller has applied.
    fn reader(&self) -> &Reader;

    /// The index of the last applied log entry, followed as it moves.
    fn applied(&self) -> watch::Receiver<u64>;

    /// How the agreement stands, as this controller knows.
    fn status(&self) -> AgreementStatus;

    /// How each of these controllers, at its fleet address, is: asked all at once, for a second at most.
    fn health(
        &self,
        controllers: Vec<(ControllerId, String)>,
    ) -> BoxFuture<'_, BTreeMap<ControllerId, Asked>>;

    /// A copy of what this controller has applied, as it is at one moment.
    fn copy_state(&self) -> BoxFuture<'_, Result<StateCopy, Uncopied>>;
}

/// How long a read waits for this controller to catch up with the leader.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(2);

impl dyn Agreement {
    /// Returns when this controller shows what others have acknowledged. If no leader says so within two seconds, what is here
    /// is what there is to say: for what goes on when more has come.
    pub(crate) async fn catch_up(&self) {
        if !matches!(tokio::time::timeout(CATCH_UP, self.linearize()).await, Ok(Ok(()))) {
            tracing::debug!("this controller could not catch up with the leader");
        }
    }
}

/// Why a command was not agreed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproposed {
    /// No leader answered in time. The command may have been agreed on, or may still be.
    #[error("the cluster has no leader at the moment")]
    NoLeader,
    /// The leader's disk is full. The command was not begun.
    #[error("the disk of the controller that leads is full")]
    DiskFull,
    /// There is too much under way. The command was not begun.
    #[error(transparent)]
    Overloaded(Overload),
    /// This controller cannot go on.
    #[error("this controller cannot take part in the agreement: {0}")]
    Stopped(String),
}

/// Why the state was not copied, for the log.
#[derive(Debug, thiserror::Error)]
#[error("the state cannot be copied")]
pub struct Uncopied(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// How the agreement stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgreementStatus {
    /// This controller.
    pub controller_id: u64,
    /// The leader that it knows of.
    pub leader_id: Option<ControllerId>,
    /// The term.
    pub term: u64,
    /// The last entry that it has applied.
    pub applied_index: u64,
    /// The last entry that it has.
    pub last_log_index: Option<u64>,
    /// The controllers that vote.
    pub voters: Vec<ControllerId>,
    /// The controllers that only receive.
    pub learners: Vec<ControllerId>,
    /// The feature level that this controller goes up to.
    pub max_feature_level: u32,
    /// By how many seconds this controller's clock is ahead of the others' (behind, if negative); 0 if they agree.
    pub clock_seconds_ahead: i64,
    /// On the leader: the last entry that each controller is known to have.
    pub replicated: BTreeMap<ControllerId, u64>,
}
