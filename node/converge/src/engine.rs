//! The one task that turns the plan into operations.

use std::sync::Arc;

use npanel_executor::{Done, Operation, Output, Request, Sweep};
use npanel_ledger::{Ledger, ObjectKey};
use npanel_model::{NodeRole, Timestamp};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Events, Executor, Observer, Reports, Troubles, backoff,
    operation_id::Incarnation,
    plan::{Ended, Lane, Now, Planner, Run},
    worker::Worker,
};

/// So many operations run side by side: enough to keep two cores and a disk busy while each waits for its
/// service, few enough that a service is not flooded after a restart.
const SIDE_BY_SIDE: usize = 8;

/// The calendar's time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::from_fn(Timestamp::now)
    }

    /// Another, for tests.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// What the engine has to know of the node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the node is for.
    pub roles: Vec<NodeRole>,
    /// Deletions accepted until then were released by a person.
    pub released: Timestamp,
}

/// What the engine says, and to whom: clones say it to the same.
#[derive(Debug, Clone, Default)]
pub struct Bulletin {
    /// What has become of each object.
    pub reports: Arc<Reports>,
    /// What happened by itself.
    pub events: Arc<Events>,
    /// What keeps the node from its work.
    pub troubles: Arc<Troubles>,
}

#[derive(Debug)]
enum Message {
    Changed(Vec<ObjectKey>),
    ReleaseDeletions(Timestamp),
}

/// Wakes the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::UnboundedSender<Message>);

impl Handle {
    /// These objects have changed in the ledger.
    pub fn changed(&self, keys: Vec<ObjectKey>) {
        self.send(Message::Changed(keys));
    }

    /// A person releases the deletions that were accepted until `until`.
    pub fn release_deletions(&self, until: Timestamp) {
        self.send(Message::ReleaseDeletions(until));
    }

    fn send(&self, message: Message) {
        // Fails only when the engine has ended, and then the daemon ends; the ledger has it all.
        drop(self.0.send(message));
    }
}

/// Converges the node until it is stopped.
pub struct Engine<E, O> {
    ledger: Arc<Ledger>,
    executor: Arc<E>,
    observer: Arc<O>,
    bulletin: Bulletin,
    clock: Clock,
    settings: Settings,
    incarnation: Incarnation,
    messages: mpsc::UnboundedReceiver<Message>,
}

impl<E: Executor, O: Observer> Engine<E, O> {
    /// An engine that has not begun, and the handle that wakes it.
    pub fn new(
        ledger: Arc<Ledger>,
        executor: E,
        observer: Arc<O>,
        bulletin: Bulletin,
        clock: Clock,
        settings: Settings,
    ) -> (Self, Handle) {
        let (sender, messages) = mpsc::unbounded_channel();
        let (executor, incarnation) = (Arc::new(executor), Incarnation::new());
        let engine = Self { ledger, executor, observer, bulletin, clock, settings, incarnation, messages };
        (engine, Handle(sender))
    }

    /// Runs until `stop`. Operations that run then are finished by the executor; what they came to is found
    /// out at the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut planner = Planner::new(&self.settings.roles, self.settings.released, self.now());
        for (key, entry) in self.ledger.entries() {
            planner.learn(key, &entry, Lane::Routine, self.now());
        }
        let mut running = JoinSet::new();
        let mut sweeps = interval(backoff::SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeping = JoinSet::new();
        loop {
            self.start_what_is_due(&mut planner, &mut running);
            self.publish(&mut planner);
            // While there is no room, only the end of an operation matters.
            let next = planner.next_due().filter(|_| running.len() < SIDE_BY_SIDE);
            tokio::select! {
                () = stop.cancelled() => return,
                Some(message) = self.messages.recv() => self.take(&mut planner, message),
                Some(ended) = running.join_next() => {
                    if let Ok((run, ended)) = ended {
                        planner.end(&run, ended, self.now());
                    }
                }
                // One at a time: an executor that is slow is not asked for more.
                _ = sweeps.tick(), if sweeping.is_empty() => {
                    self.bulletin.events.tick(self.clock.now());
                    sweeping.spawn(sweep(Arc::clone(&self.executor)));
                }
                Some(swept) = sweeping.join_next() => {
                    if let Ok(Some(found)) = swept {
                        planner.swept(&found, self.now());
                    }
                }
                () = until(next) => {}
            }
        }
    }

    fn publish(&self, planner: &mut Planner) {
        for report in planner.news() {
            self.bulletin.reports.publish(report);
        }
        for event in planner.events() {
            self.bulletin.events.tell(event);
        }
        for (role, failure) in planner.bases_moved() {
            match failure {
                Some(failure) => {
                    let now = self.clock.now();
                    self.bulletin.troubles.base_failed(role, failure.reason, failure.message, now);
                }
                None => self.bulletin.troubles.base_is_good(role),
            }
        }
        self.bulletin.troubles.set_held(planner.held_count());
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), wall: self.clock.now() }
    }

    fn take(&self, planner: &mut Planner, message: Message) {
        match message {
            Message::Changed(keys) => {
                for key in keys {
                    if let Some(entry) = self.ledger.entry(key) {
                        planner.learn(key, &entry, Lane::Fresh, self.now());
                    }
                }
            }
            Message::ReleaseDeletions(time) => planner.release_deletions(time, self.now()),
        }
    }

    fn start_what_is_due(&self, planner: &mut Planner, running: &mut JoinSet<(Run, Ended)>) {
        while running.len() < SIDE_BY_SIDE {
            let Some(run) = planner.start(self.now()) else { return };
            let worker = Worker {
                ledger: Arc::clone(&self.ledger),
                executor: Arc::clone(&self.executor),
                observer: Arc::clone(&self.observer),
                troubles: Arc::clone(&self.bulletin.troubles),
                clock: self.clock.clone(),
                incarnation: self.incarnation,
            };
            running.spawn(worker.work(run));
        }
    }
}

/// What a sweep found; none if the executor could not be asked: its absence is told of elsewhere.
async fn sweep<E: Executor>(executor: Arc<E>) -> Option<Sweep> {
    match executor.call(Request::new(Operation::Sweep {})).await {
        Ok(Done { output: Output::Sweep(sweep), .. }) => Some(sweep),
        Ok(_) => None,
        Err(failure) => {
            tracing::debug!(%failure, "cannot sweep for drift");
            None
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
