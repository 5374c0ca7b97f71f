//! What a cluster member is given from outside.

use std::{future::Future, pin::Pin};

use npanel_model::ControllerId;
use npanel_proto::command::{Envelope, Refused};
use npanel_state::Reader;

/// How to reach another controller's gRPC services.
pub trait Dial: Send + Sync + 'static {
    /// A channel to the controller at `address` (`HOST:PORT`). It connects when first used, and again after a
    /// failure; the peer must prove to be this very controller.
    fn channel(&self, controller: ControllerId, address: &str) -> tonic::transport::Channel;
}

/// What the leader does to a command before it proposes it: decisions that need more than the state, such as
/// placement. Runs on the leader only; what it decides is checked again when the command is applied.
pub trait Prepare: Send + Sync + 'static {
    /// Completes the envelope, or refuses it.
    fn prepare<'a>(
        &'a self,
        envelope: &'a mut Envelope,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;
}

/// Proposes every command as it is.
#[derive(Debug, Clone, Copy)]
pub struct Unprepared;

impl Prepare for Unprepared {
    fn prepare<'a>(
        &'a self,
        _: &'a mut Envelope,
        _: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Election after 1 to 2 s of silence and a heartbeat every 250 ms: a pause of a busy two-core machine is not
/// an election, and a dead leader is replaced within 3 s.
pub(crate) fn raft() -> openraft::Config {
    openraft::Config {
        cluster_name: "npanel".to_owned(),
        heartbeat_interval: 250,
        election_timeout_min: 1000,
        election_timeout_max: 2000,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 256,
        snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(10_000),
        max_in_snapshot_log_to_keep: 5_000,
        snapshot_max_chunk_size: 1024 * 1024,
        ..openraft::Config::default()
    }
}
