//! A stand-in for the executor: takes a moment, remembers what it was asked, and fails as it is told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use npanel_converge::Executor;
use npanel_executor::{
    Change, Difference, Done, Failure, Operation, Output, Request, StageTime, Sweep, Target, What,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long an operation takes.
pub(crate) const MOMENT: Duration = Duration::from_millis(10);

/// One delivery.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: Uuid,
    pub(crate) text: String,
    pub(crate) begun: Instant,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    failing: HashMap<String, Failure>,
    slow: HashSet<String>,
    drifted: Vec<Target>,
    damaged: HashMap<String, Target>,
    differed: Vec<Difference>,
    executor: Option<Uuid>,
    running: usize,
    most_running: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

/// The operation in a few words.
fn text(operation: &Operation) -> String {
    match operation {
        Operation::EnsureBase { roles } => format!("base {}", roles[0]),
        Operation::EnsureAccount { username, php, .. } => format!("account {username} {php}"),
        Operation::RetireAccount { username, .. } => format!("retire {username}"),
        Operation::PurgeAccount { uid } => format!("purge u{}", uid.get() - 1_900_000_000),
        Operation::EnsureSite { domain, .. } => format!("site {domain}"),
        Operation::RemoveSite { domain } => format!("remove {domain}"),
        Operation::EnsureDatabase { name } => format!("database {name}"),
        Operation::DropDatabase { name } => format!("drop {name}"),
        Operation::EnsureDatabaseUser { name, .. } => format!("user {name}"),
        Operation::DropDatabaseUser { name } => format!("drop user {name}"),
        Operation::EnsureZone { zone } => format!("zone {}", zone.name),
        Operation::RemoveZone { name } => format!("remove zone {name}"),
        other => other.name().to_owned(),
    }
}

fn difference() -> Difference {
    Difference {
        what: What::Resource("a thing".into()),
        change: Change::Replace,
        expected: "one".into(),
        found: "another".into(),
    }
}

impl Fake {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it was locked")
    }

    /// From now on, the operation fails so.
    pub(crate) fn fail(&self, operation: &str, stage: &str, retriable: bool) {
        let failure = Failure {
            reason: "CheckRefused".into(),
            message: "told to fail".into(),
            stage: stage.into(),
            retriable,
        };
        self.state().failing.insert(operation.into(), failure);
    }

    /// From now on, it succeeds again.
    pub(crate) fn mend(&self, operation: &str) {
        self.state().failing.remove(operation);
    }

    /// The operation takes a second.
    pub(crate) fn slow(&self, operation: &str) {
        self.state().slow.insert(operation.into());
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The calls in words, without the base's.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.calls().into_iter().map(|call| call.text);
        texts.filter(|text| !text.starts_with("base")).collect()
    }

    /// The calls of one operation.
    pub(crate) fn of(&self, operation: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.text == operation).collect()
    }

    /// The next sweep finds this, and the operation that follows says how it differed.
    pub(crate) fn drift(&self, target: Target) {
        let differed = difference();
        let mut state = self.state();
        state.drifted.push(target);
        state.differed.push(differed);
    }

    /// What this operation made is damaged until it is carried out again. Answers whether it was not already.
    pub(crate) fn damage(&self, operation: &str, target: Target) -> bool {
        self.state().damaged.insert(operation.into(), target).is_none()
    }

    /// The operations whose work is damaged.
    pub(crate) fn damaged(&self) -> Vec<String> {
        self.state().damaged.keys().cloned().collect()
    }

    /// It begins again, and remembers nothing.
    pub(crate) fn restart(&self) {
        self.state().executor = Some(Uuid::now_v7());
    }

    fn sweep(&self) -> Done {
        let mut state = self.state();
        let executor = *state.executor.get_or_insert_with(Uuid::now_v7);
        let mut drifted = std::mem::take(&mut state.drifted);
        drifted.extend(state.damaged.values().cloned());
        let output = Output::Sweep(Sweep { executor, drifted });
        Done { changed: false, stages: vec![], differed: vec![], output }
    }

    pub(crate) fn most_running(&self) -> usize {
        self.state().most_running
    }
}

impl Executor for Fake {
    async fn call(&self, request: Request) -> Result<Done, Failure> {
        if let Operation::Sweep {} = request.operation {
            return Ok(self.sweep());
        }
        let text = text(&request.operation);
        let mut differed = std::mem::take(&mut self.state().differed);
        if self.state().damaged.remove(&text).is_some() {
            differed.push(difference());
        }
        let (wait, answer) = {
            let mut state = self.state();
            state.calls.push(Call { id: request.id, text: text.clone(), begun: Instant::now() });
            state.running += 1;
            state.most_running = state.most_running.max(state.running);
            let wait = if state.slow.contains(&text) { Duration::from_secs(1) } else { MOMENT };
            (wait, state.failing.get(&text).cloned())
        };
        sleep(wait).await;
        self.state().running -= 1;
        let stages = vec![StageTime { stage: "commit".into(), microseconds: 10_000 }];
        answer.map_or(Ok(Done { changed: true, stages, differed, output: Output::Nothing }), Err)
    }
}
