//! Observations on their way into the log, many at a time.

use std::time::Duration;

use npanel_consensus::Cluster;
use npanel_model::{ControllerId, RequestId};
use npanel_proto::command::{
    Envelope, NodeEvent, Observation, Principal, RecordEvents, RecordObservations, envelope::Command,
    outcome::Outcome, principal::Who,
};
use tokio::sync::mpsc;

/// The most in one command: 256 of them are about 100 kB.
const LARGEST_BATCH: usize = 256;

/// Before a batch that nobody decided is proposed again. Leadership is likely to be lost meanwhile, which ends
/// the recorder.
const PAUSE: Duration = Duration::from_millis(100);

/// How many observations may wait; then the sessions wait, and with them the nodes.
pub(crate) const QUEUE: usize = 4096;

/// What a controller says by itself.
pub(crate) fn own_envelope(controller: ControllerId, command: Command) -> Envelope {
    Envelope {
        principal: Some(Principal { who: Some(Who::ControllerId(controller.0)) }),
        request_id: RequestId::generate().to_bytes(),
        command: Some(command),
        ..Envelope::default()
    }
}

/// Something of which many are written down in one command.
pub(crate) trait Recorded: Send + Sized + 'static {
    /// The command.
    fn together(batch: Vec<Self>) -> Command;
}

impl Recorded for Observation {
    fn together(observations: Vec<Self>) -> Command {
        Command::RecordObservations(RecordObservations { observations })
    }
}

impl Recorded for NodeEvent {
    fn together(events: Vec<Self>) -> Command {
        Command::RecordEvents(RecordEvents { events })
    }
}

/// Runs until every sender is gone. The first observation is proposed at once; those that come while it is being
/// agreed on go together in the next command. So an idle fleet waits for nothing, and a busy one makes large
/// batches.
pub(crate) async fn run<T: Recorded>(cluster: Cluster, mut from: mpsc::Receiver<T>) {
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    while from.recv_many(&mut batch, LARGEST_BATCH).await > 0 {
        let count = batch.len();
        record(&cluster, count, T::together(std::mem::take(&mut batch))).await;
    }
}

async fn record(cluster: &Cluster, count: usize, command: Command) {
    loop {
        match cluster.propose(own_envelope(cluster.id(), command.clone())).await.map(|done| done.outcome) {
            Ok(Some(Outcome::Refused(refused))) => {
                tracing::error!(
                    count,
                    code = refused.code,
                    reason = refused.message,
                    "observations were refused"
                );
                return;
            }
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(count, error = %error, "observations could not be recorded; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
