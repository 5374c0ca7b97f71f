//! A command's way through the log, on the leader.

use std::{pin::Pin, sync::Arc};

use npanel_model::RequestId;
use npanel_proto::command::{Envelope, Outcome, Principal, envelope::Command, outcome, principal::Who};
use openraft::{error::ClientWriteError, raft::ClientWriteResult};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    Cluster,
    admission::{Admitted, Writing},
    clock::Clock,
    types::{Logged, Raft, Types},
};

/// What became of a command that was given to the log.
pub(crate) enum Written {
    Decided(Outcome),
    NotLeader,
    Failed(String),
}

/// The wait for what becomes of a command.
type Decision = Pin<Box<dyn Future<Output = Written> + Send>>;

/// A command in the log. It is counted as under way until it is applied here, also if nobody waits for that any more.
struct Deciding(Option<(Decision, Writing)>);

impl Deciding {
    async fn end(&mut self) -> Written {
        let Some((decided, _)) = self.0.as_mut() else {
            return Written::Failed("it was waited for before".to_owned());
        };
        let written = decided.await;
        self.0 = None;
        written
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        // Without a runtime the process ends, and nothing has to be counted.
        if let (Some((decided, writing)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move {
                decided.await;
                drop(writing);
            });
        }
    }
}

async fn decided(result: oneshot::Receiver<ClientWriteResult<Types>>) -> Written {
    match result.await {
        Ok(Ok(written)) => match written.data.outcome().await {
            Some(outcome) => Written::Decided(outcome),
            None => Written::Failed("the state takes nothing more".to_owned()),
        },
        Ok(Err(ClientWriteError::ForwardToLeader(_))) => Written::NotLeader,
        Ok(Err(error)) => Written::Failed(error.to_string()),
        Err(_) => Written::Failed("the consensus library has stopped".to_owned()),
    }
}

/// Has the leader decide a command of its own, by the rules of a level. `false`: this replica has stopped, and shows nothing more.
pub(crate) async fn write_own(
    raft: &Raft,
    clock: &Clock,
    level: u32,
    command: Command,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let own = raft.metrics().borrow().id;
    let envelope = Envelope {
        principal: Some(Principal { who: Some(Who::ControllerId(own)) }),
        request_id: RequestId::generate().to_bytes(),
        time_millis: clock.stamp().await.as_millis(),
        feature_level: level,
        command: Some(command),
        ..Envelope::default()
    };
    let written = raft.client_write(Logged::from(Arc::new(envelope))).await?;
    match written.data.outcome().await.map(|outcome| outcome.outcome) {
        Some(Some(outcome::Outcome::Refused(refused))) => Err(refused.message.into()),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

impl Cluster {
    /// Gives the command to the log, and waits until it is applied here.
    pub(crate) async fn write(&self, envelope: Arc<Envelope>, place: Admitted) -> Written {
        let writing = self.admission().writing(place);
        match self.raft().client_write_ff(Logged::from(envelope)).await {
            Ok(result) => Deciding(Some((Box::pin(decided(result)), writing))).end().await,
            Err(error) => Written::Failed(error.to_string()),
        }
    }
}
