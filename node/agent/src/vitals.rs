//! The machine's vitals, read through the executor now and then, so that a heartbeat is cheap.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use npanel_converge::Troubles;
use npanel_executor::{Capacity, Client, Facts, FailedService, Failure, FileSystem, Operation, Output};
use npanel_model::{NodeCondition, NodeRole, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    conditions::{Conditions, Findings},
    leftovers,
};

/// How often they are read.
const EVERY: Duration = Duration::from_secs(5);

/// The executor answers reads within milliseconds; one that takes this long is of no use.
const PATIENCE: Duration = Duration::from_secs(5);

/// How old an answer may be while the executor counts as reachable.
const FRESH: Duration = Duration::from_secs(15);

/// The unit that is missing when the executor does not answer.
const EXECUTOR_UNIT: &str = "npanel-executor.service";

/// What is known of the machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vitals {
    executor: Client,
    roles: Arc<[NodeRole]>,
    known: Arc<Mutex<Known>>,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Known {
    capacity: Option<Capacity>,
    failed_services: Vec<FailedService>,
    file_systems: Vec<FileSystem>,
    facts: Option<Facts>,
    answered: Option<Instant>,
    /// How far this clock was ahead of the leader's, in milliseconds, and when that was heard.
    clock_ahead: Option<(i64, Instant)>,
    conditions: Conditions,
    leftovers: leftovers::Known,
}

impl Vitals {
    /// Nothing is known yet.
    pub fn new(executor: Client, roles: &[NodeRole]) -> Self {
        Self { executor, roles: roles.into(), known: Arc::default(), begun: Instant::now() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is asked.
    pub(crate) fn executor(&self) -> &Client {
        &self.executor
    }

    /// Reads them again and again. Never ends.
    pub(crate) async fn keep_reading(&self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(failure) = self.read().await {
                tracing::debug!(%failure, "the executor does not answer");
            }
        }
    }

    async fn read(&self) -> Result<(), Failure> {
        if let Output::Capacity(capacity) = self.ask(Operation::Capacity {}).await? {
            let mut known = self.known();
            known.capacity = Some(capacity);
            known.answered = Some(Instant::now());
        }
        let health = Operation::ServiceHealth { roles: self.roles.to_vec() };
        if let Output::ServiceHealth(health) = self.ask(health).await? {
            let mut known = self.known();
            known.failed_services = health.failed;
            known.file_systems = health.file_systems;
        }
        Ok(())
    }

    async fn ask(&self, operation: Operation) -> Result<Output, Failure> {
        Ok(self.executor.within(PATIENCE).run(operation).await?.output)
    }

    /// What the machine is; as it was when last asked, if the executor does not answer now.
    ///
    /// # Errors
    /// The executor's, if it never answered.
    pub(crate) async fn facts(&self) -> Result<Facts, Failure> {
        match self.ask(Operation::Facts {}).await {
            Ok(Output::Facts(facts)) => {
                self.known().facts = Some(facts.clone());
                Ok(facts)
            }
            Ok(_) => Err(Failure {
                reason: "ExecutorProtocol".to_owned(),
                message: "the executor answered something else".to_owned(),
                stage: "call".to_owned(),
                retriable: true,
            }),
            Err(failure) => self.known().facts.clone().ok_or(failure),
        }
    }

    /// Space and memory, if they were ever read.
    pub(crate) fn capacity(&self) -> Option<Capacity> {
        self.known().capacity
    }

    /// Whether the executor has answered lately.
    pub(crate) fn executor_answers(&self) -> bool {
        self.known().answered.is_some_and(|answered| answered.elapsed() < FRESH)
    }

    /// Services that should run and do not, the executor among them.
    pub(crate) fn failed_services(&self) -> Vec<String> {
        let answers = self.executor_answers();
        let known = self.known();
        let own = (!answers).then(|| EXECUTOR_UNIT.to_owned());
        known.failed_services.iter().map(|service| service.unit.clone()).chain(own).collect()
    }

    /// The leader's clock, as its heartbeat tells it.
    pub(crate) fn note_leader_time(&self, leader: Timestamp, now: Timestamp) {
        let ahead = now.as_millis() - leader.as_millis();
        self.known().clock_ahead = Some((ahead, Instant::now()));
    }

    /// What lies on the machine and belongs to no object.
    pub(crate) fn note_leftovers(&self, leftovers: leftovers::Known) {
        self.known().leftovers = leftovers;
    }

    /// Whether a leader spoke lately: the ledger is as it wants it, or is about to be.
    pub(crate) fn is_led(&self) -> bool {
        self.known().clock_ahead.is_some_and(|(_, at)| at.elapsed() < FRESH)
    }

    /// What is wrong with the node now.
    pub(crate) fn conditions(&self, troubles: &Troubles, now: Timestamp) -> Vec<NodeCondition> {
        let executor_answers = self.executor_answers() || self.begun.elapsed() < FRESH;
        let mut known = self.known();
        let fresh = |(ahead, at): (i64, Instant)| (at.elapsed() < FRESH).then_some(ahead);
        let findings = Findings {
            capacity: known.capacity,
            file_systems: known.file_systems.clone(),
            failed: known.failed_services.clone(),
            executor_answers,
            slowness: troubles.slowness(),
            ledger_unwritable: troubles.is_ledger_unwritable(),
            clock_ahead_millis: known.clock_ahead.and_then(fresh),
            held: troubles.held(),
            bases: troubles.bases(),
            leftovers: known.leftovers.clone(),
        };
        known.conditions.of(&findings, now)
    }
}
