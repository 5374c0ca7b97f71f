//! What a cluster member is given from outside.

use std::{future::Future, io, path::Path, pin::Pin, time::Duration};

use npanel_model::{ControllerId, Timestamp};
use npanel_proto::{
    command::{Envelope, Refused},
    controller::{Answer, NodeAnswer, Question},
};
use npanel_state::{ForeseenObject, Reader};

use crate::{compaction::Retention, election::LEASE};

/// How to reach another controller's gRPC services.
pub trait Dial: Send + Sync + 'static {
    /// A channel to the controller at `address` (`HOST:PORT`). It connects when first used, and again after a
    /// failure; the peer must prove to be this very controller.
    fn channel(&self, controller: ControllerId, address: &str) -> tonic::transport::Channel;
}

/// What a command is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be proposed: what is chosen counts, until [`Prepare::settled`].
    Propose,
    /// Only to be looked at: nothing is kept of it.
    Foresee,
}

/// What the leader does to a command before it proposes it: decisions that need more than the state, such as
/// placement. Runs on the leader only; what it decides is checked again when the command is applied.
pub trait Prepare: Send + Sync + 'static {
    /// Completes the envelope, or refuses it.
    fn prepare<'a>(
        &'a self,
        envelope: &'a mut Envelope,
        purpose: Purpose,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

    /// What this machine's clock says.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// How many bytes are free where this controller keeps its log and state.
    ///
    /// # Errors
    /// If it cannot be asked.
    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        npanel_state::space::free(directory)
    }

    /// How much of the log is kept.
    fn retention(&self) -> Retention {
        Retention::default()
    }

    /// The highest feature level that this controller goes up to: its version's, unless it is held back.
    fn max_feature_level(&self) -> u32 {
        npanel_state::FEATURE_LEVEL
    }

    /// Asks the nodes concerned what these objects would change there: one answer per object, in order. Runs on the
    /// leader only. Unless it is known how, nobody is asked.
    fn consult<'a>(
        &'a self,
        objects: &'a [ForeseenObject],
    ) -> Pin<Box<dyn Future<Output = Vec<NodeAnswer>> + Send + 'a>> {
        Box::pin(std::future::ready(vec![NodeAnswer::default(); objects.len()]))
    }

    /// The envelope, as it was prepared to be proposed, has been decided, or never will be.
    fn settled(&self, _: &Envelope) {}

    /// Answers what only the leader knows. Runs on the leader only.
    fn answer<'a>(&'a self, _: Question, _: &'a Reader) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(std::future::ready(Answer::default()))
    }
}

/// Proposes every command as it is.
#[derive(Debug, Clone, Copy)]
pub struct Unprepared {
    max_feature_level: u32,
}

impl Unprepared {
    /// For a controller that goes up to this feature level.
    pub fn up_to(max_feature_level: u32) -> Self {
        Self { max_feature_level }
    }
}

impl Default for Unprepared {
    fn default() -> Self {
        Self::up_to(npanel_state::FEATURE_LEVEL)
    }
}

impl Prepare for Unprepared {
    fn prepare<'a>(
        &'a self,
        _: &'a mut Envelope,
        _: Purpose,
        _: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn max_feature_level(&self) -> u32 {
        self.max_feature_level
    }
}

/// How often a leader says that it is there.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(200);

pub(crate) fn raft() -> openraft::Config {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).expect("less than a second");
    let lease = milliseconds(LEASE);
    openraft::Config {
        cluster_name: "npanel".to_owned(),
        heartbeat_interval: milliseconds(HEARTBEAT),
        // The library's lease is its longest timeout; who stands when is decided in `election`.
        election_timeout_min: lease - 1,
        election_timeout_max: lease,
        enable_elect: false,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 256,
        // When snapshots are made and what is purged is decided in `compaction`.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        ..openraft::Config::default()
    }
}
