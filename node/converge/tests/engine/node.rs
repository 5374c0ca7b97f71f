//! A node: a ledger, the engine, and the stand-in.

use std::{sync::Arc, time::Duration};

use npanel_converge::{
    Bulletin, Clock, Engine, Event, Events, Handle, Report, Reports, Settings, State, Unobserved,
};
use npanel_ledger::{Fence, Ledger, ObjectKey, Offer, Verdict};
use npanel_model::{NodeRole, Timestamp};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;

const FENCE: Fence = Fence { epoch: 1, term: 1, leader: 1 };

/// Longer than anything here takes, in paused time.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

pub(crate) struct Node {
    pub(crate) fake: Fake,
    pub(crate) reports: Arc<Reports>,
    pub(crate) events: Arc<Events>,
    pub(crate) engine: Handle,
    pub(crate) ledger: Arc<Ledger>,
    directory: TempDir,
    clock: Clock,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) fn boot() -> Self {
        let begun = Instant::now();
        let epoch = Timestamp::from_millis(1_800_000_000_000);
        let clock = Clock::from_fn(move || epoch.plus(begun.elapsed()));
        Self::boot_from(TempDir::new().expect("a directory"), clock, Fake::default())
    }

    fn boot_from(directory: TempDir, clock: Clock, fake: Fake) -> Self {
        let ledger = Arc::new(Ledger::open(directory.path()).expect("a ledger"));
        let bulletin = Bulletin::default();
        let (reports, events) = (Arc::clone(&bulletin.reports), Arc::clone(&bulletin.events));
        let released = Timestamp::from_millis(0);
        let (engine, handle) = Engine::new(
            Arc::clone(&ledger),
            fake.clone(),
            Arc::new(Unobserved),
            bulletin,
            clock.clone(),
            Settings { roles: NodeRole::ALL.to_vec(), released },
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(engine.run(stop.clone()));
        Self { fake, reports, events, engine: handle, ledger, directory, clock, stop, task }
    }

    /// The daemon ends and begins again, with a fresh memory of calls.
    pub(crate) async fn restart(self) -> Self {
        let Self { reports, events: _, engine, ledger, directory, clock, stop, task, fake: _ } = self;
        stop.cancel();
        task.await.expect("the engine ended well");
        drop((ledger, reports, engine));
        // An operation that was running holds on to the ledger until it ends.
        tokio::time::sleep(Duration::from_secs(5)).await;
        Self::boot_from(directory, clock, Fake::default())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn push(&self, offers: &[Offer]) {
        let verdicts = self.ledger.accept(FENCE, offers, self.clock.now()).expect("accepted");
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted), "{verdicts:?}");
        self.engine.changed(offers.iter().map(|offer| offer.key).collect());
    }

    /// The first report of the object that is so; those known already count.
    pub(crate) async fn until(&self, key: ObjectKey, so: impl Fn(&Report) -> bool) -> Report {
        let mut watch = self.reports.watch();
        if let Some(report) = watch.now.iter().find(|report| report.key == key && so(report)) {
            return report.clone();
        }
        let found = timeout(PATIENCE, async {
            loop {
                let report = watch.changes.recv().await.expect("a report");
                if report.key == key && so(&report) {
                    return report;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("{key} never got there: {:?}", self.report(key)))
    }

    pub(crate) async fn converged(&self, offers: &[Offer]) {
        for offer in offers {
            let good =
                |report: &Report| report.state == State::Converged && report.generation == offer.generation;
            self.until(offer.key, good).await;
        }
    }

    pub(crate) async fn state(&self, key: ObjectKey, word: &str) -> Report {
        self.until(key, |report| report.state.word() == word).await
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.watch().0
    }

    pub(crate) fn report(&self, key: ObjectKey) -> Option<Report> {
        self.reports.watch().now.into_iter().find(|report| report.key == key)
    }
}

/// Lets paused time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
