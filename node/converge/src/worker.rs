//! Carrying out one run: the operation, then the note in the ledger.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use npanel_executor::{Done, Failure, Output, Request, StageTime};
use npanel_ledger::{Ledger, ObjectKey, Progress};
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    Clock, Executor, Observer, Troubles,
    operation_id::{Incarnation, Subject},
    plan::{Ended, Run, Task},
};

/// Carries out one run.
pub(crate) struct Worker<E, O> {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) executor: Arc<E>,
    pub(crate) observer: Arc<O>,
    pub(crate) troubles: Arc<Troubles>,
    pub(crate) clock: Clock,
    pub(crate) incarnation: Incarnation,
}

impl<E: Executor, O: Observer> Worker<E, O> {
    /// Carries a run out, and says how it ended.
    pub(crate) async fn work(self, run: Run) -> (Run, Ended) {
        let ended = AssertUnwindSafe(self.carry_out(&run)).catch_unwind().await;
        (run, ended.unwrap_or_else(|panic| Ended::Failed(panicked(panic.as_ref()))))
    }

    async fn carry_out(&self, run: &Run) -> Ended {
        let done = match self.operate(run).await {
            Ok(done) => done,
            Err(failure) => return Ended::Failed(failure),
        };
        let mut stages = vec![stage("wait", run.waited)];
        stages.extend(done.stages);
        let differed = if done.changed { done.differed } else { Vec::new() };
        match (run.subject, self.progress(&run.task)) {
            (Subject::Object(key), Some(progress)) => self.note(key, run, progress, stages).await,
            _ => Ended::Ensured(stages, differed),
        }
    }

    async fn operate(&self, run: &Run) -> Result<Done, Failure> {
        let Some(operation) = run.task.operation() else {
            return Ok(Done {
                changed: false,
                stages: Vec::new(),
                differed: Vec::new(),
                output: Output::Nothing,
            });
        };
        let name = operation.name();
        let id = self.incarnation.operation(&run.subject.to_string(), run.generation, name, run.attempt);
        let begun = Instant::now();
        let number = self.troubles.begin(name);
        let answer = self.executor.call(Request { id, operation: operation.clone() }).await;
        self.troubles.end(number);
        let took = begun.elapsed();
        self.observer.operation_ended(name, took, answer.is_ok());
        let (subject, generation) = (run.subject, run.generation);
        match &answer {
            Ok(done) => {
                tracing::info!(%subject, %generation, operation = name, changed = done.changed, ?took, "done");
            }
            Err(failure) => {
                tracing::warn!(%subject, %generation, operation = name, %failure, ?took, "failed");
            }
        }
        answer
    }

    /// How far a removal is once the task's operation is done.
    fn progress(&self, task: &Task) -> Option<Progress> {
        let since = self.clock.now();
        match task {
            Task::Ensure(_) => None,
            Task::Retire(_, retention) => Some(Progress::Retained { since, until: since.plus(*retention) }),
            Task::Remove(_) => Some(Progress::Removed { since }),
        }
    }

    async fn note(&self, key: ObjectKey, run: &Run, progress: Progress, stages: Vec<StageTime>) -> Ended {
        let (ledger, generation) = (Arc::clone(&self.ledger), run.generation);
        let noted = spawn_blocking(move || ledger.note_removal(key, generation, progress)).await;
        match noted {
            Ok(Ok(entry)) => {
                self.troubles.note_ledger(true);
                Ended::Noted(stages, entry)
            }
            Ok(Err(error)) => {
                self.troubles.note_ledger(false);
                tracing::error!(%key, error = &error as &dyn std::error::Error, "ledger not written");
                Ended::Failed(failure("LedgerUnwritable", &error.to_string(), "note"))
            }
            Err(_) => Ended::Failed(failure("Internal", "the daemon has a fault; see its log", "note")),
        }
    }
}

/// A fault of ours costs one object's attempt, not the node.
fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().unwrap_or("no text");
    tracing::error!(panic = text, "an operation panicked");
    failure("Internal", "the daemon has a fault; see its log", "plan")
}

fn failure(reason: &str, message: &str, stage: &str) -> Failure {
    Failure {
        reason: reason.to_owned(),
        message: message.to_owned(),
        stage: stage.to_owned(),
        retriable: true,
    }
}

fn stage(name: &str, took: Duration) -> StageTime {
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    StageTime { stage: name.to_owned(), microseconds }
}
