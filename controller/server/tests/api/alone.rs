//! One replica that agrees with itself.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use npanel_consensus::Asked;
use npanel_model::{AssignmentId, ControllerId, NodeId, Timestamp};
use npanel_proto::{
    command::{
        Assignment, CreateAccount, CreateZone, Envelope, Observation, Outcome, Principal, RecordObservations,
        ZoneAssignment, envelope::Command, outcome, principal::Who,
    },
    controller::{ForeseeResponse, NodeAnswer, foresee_response},
};
use npanel_server::agreement::{Agreement, AgreementStatus, Uncopied, Unproposed};
use npanel_state::{Foresight, LogPosition, LogRecord, Reader, RecordPayload, StateCopy, Store};
use tokio::sync::{Mutex, watch};

pub(crate) struct Alone {
    store: Store,
    next: Mutex<u64>,
    applied: watch::Sender<u64>,
    node: NodeId,
    has_leader: watch::Sender<bool>,
    /// By how many milliseconds the leader's clock is ahead of this machine's.
    pub(crate) ahead: AtomicI64,
    /// What another controller has acknowledged and this one has not applied yet.
    behind: Mutex<Vec<(Who, Command)>>,
    /// What was proposed, as the log would keep it.
    pub(crate) log: Mutex<Vec<Envelope>>,
    directory: tempfile::TempDir,
}

impl Alone {
    pub(crate) async fn new(node: NodeId) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            store: Store::open(directory.path()).await.expect("the store opens"),
            next: Mutex::new(1),
            applied: watch::Sender::new(0),
            node,
            has_leader: watch::Sender::new(true),
            ahead: AtomicI64::default(),
            behind: Mutex::default(),
            log: Mutex::default(),
            directory,
        }
    }

    pub(crate) fn applied_now(&self) -> u64 {
        *self.applied.borrow()
    }

    pub(crate) fn lose_leader(&self) {
        self.has_leader.send_replace(false);
    }

    /// Another controller acknowledges a command that has not come here yet, while this one believes that it leads.
    pub(crate) async fn accept_elsewhere(&self, who: Who, command: Command) {
        self.behind.lock().await.push((who, command));
    }

    /// What the leader does before it proposes.
    fn prepare(&self, envelope: &mut Envelope) {
        envelope.time_millis = Timestamp::now().as_millis() + self.ahead.load(Ordering::Relaxed);
        envelope.feature_level = npanel_state::FEATURE_LEVEL;
        match &mut envelope.command {
            Some(Command::CreateAccount(account)) => self.place(account),
            Some(Command::CreateDomain(domain)) => self.place_zone(domain.zone.as_mut()),
            Some(Command::CreateZone(zone)) => self.place_zone(Some(zone)),
            _ => {}
        }
    }

    fn place(&self, account: &mut CreateAccount) {
        let assignment = |part: &str| Assignment {
            assignment_id: AssignmentId::generate().to_bytes(),
            part: part.to_owned(),
            node_id: self.node.to_bytes(),
        };
        account.assignments = vec![assignment("web"), assignment("database")];
        let verdict = format!(
            r#"{{"node_id":"{0}","name":"n1","verdict":"chosen","reason":"the only one"}}"#,
            self.node
        );
        account.placement_report =
            format!(r#"{{"parts":[{{"part":"web","chosen":"{0}","nodes":[{verdict}]}}]}}"#, self.node);
        self.place_zone(account.domain.as_mut().and_then(|domain| domain.zone.as_mut()));
    }

    fn place_zone(&self, zone: Option<&mut CreateZone>) {
        if let Some(zone) = zone {
            zone.assignments = vec![ZoneAssignment {
                assignment_id: AssignmentId::generate().to_bytes(),
                node_id: self.node.to_bytes(),
            }];
        }
    }

    async fn apply(&self, mut envelope: Envelope) -> Outcome {
        self.prepare(&mut envelope);
        self.log.lock().await.push(envelope.clone());
        let mut next = self.next.lock().await;
        let position = LogPosition { term: 1, leader: 1, index: *next };
        let record = LogRecord { position, payload: RecordPayload::Command(envelope.into()) };
        let outcome = self.store.apply(vec![record]).await.expect("applied").pop().expect("one outcome");
        self.applied.send_replace(*next);
        *next += 1;
        outcome
    }

    /// Applies a command that does not come through the API.
    pub(crate) async fn accept(&self, who: Who, command: Command) {
        let principal = Some(Principal { who: Some(who) });
        let envelope = Envelope { principal, command: Some(command), ..Envelope::default() };
        let outcome = self.apply(envelope).await.outcome;
        assert!(matches!(outcome, Some(outcome::Outcome::Accepted(_))), "{outcome:?}");
    }

    /// Every row of every table but the log position, as text.
    pub(crate) async fn content(&self) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("copy.db");
        self.store.copy_to(path.clone()).await.expect("a copy");
        let db = rusqlite::Connection::open(path).expect("it opens");
        let texts = |query: &str| {
            let mut statement = db.prepare(query).expect("a query");
            let columns = statement.column_count();
            let text = |row: &rusqlite::Row<'_>| {
                let value = |at| format!("{:?}", row.get_ref(at).expect("a value"));
                Ok((0..columns).map(value).collect::<Vec<_>>().join(", "))
            };
            statement.query_map([], text).expect("rows").collect::<Result<Vec<_>, _>>().expect("texts")
        };
        let names = db
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name != 'raft' ORDER BY name")
            .expect("a query")
            .query_map([], |row| row.get::<_, String>(0))
            .expect("rows")
            .collect::<Result<Vec<_>, _>>()
            .expect("names");
        let of_table = |name: &String| {
            let mut rows = texts(&format!("SELECT '{name}', * FROM {name}"));
            rows.sort();
            rows
        };
        names.iter().flat_map(of_table).collect()
    }

    /// The node reports `state` for everything that it should have done.
    pub(crate) async fn report(&self, state: &str, removed: &str) {
        let wanted = self.store.reader().wanted_on(self.node).await.expect("a list");
        let observation = |object: npanel_state::WantedObject| Observation {
            node_id: self.node.to_bytes(),
            kind: object.kind.as_str().to_owned(),
            object_id: object.id,
            generation: object.generation.0,
            state: if object.tombstone_seconds.is_some() { removed } else { state }.to_owned(),
            reason: if state == "failed" { "CheckerRefused" } else { "" }.to_owned(),
            since_millis: Timestamp::now().as_millis(),
            stages: r#"[["check",12]]"#.to_owned(),
            ..Observation::default()
        };
        let observations = wanted.into_iter().map(observation).collect();
        let command = Command::RecordObservations(RecordObservations { observations });
        self.accept(Who::ControllerId(1), command).await;
    }
}

impl Agreement for Alone {
    fn propose(&self, envelope: Envelope) -> BoxFuture<'_, Result<Outcome, Unproposed>> {
        Box::pin(async move {
            if !*self.has_leader.borrow() {
                return Err(Unproposed::NoLeader);
            }
            Ok(self.apply(envelope).await)
        })
    }

    fn foresee(&self, mut envelope: Envelope) -> BoxFuture<'_, Result<ForeseeResponse, Unproposed>> {
        Box::pin(async move {
            self.prepare(&mut envelope);
            envelope.idempotency_key.clear();
            Ok(match self.store.foresee(envelope).await.expect("foreseen") {
                Foresight::Refused(refused) => {
                    ForeseeResponse { foresight: Some(foresee_response::Foresight::Refused(refused)) }
                }
                Foresight::Accepted(foreseen) => {
                    let unasked = vec![NodeAnswer::default(); foreseen.objects.len()];
                    npanel_consensus::told(*foreseen, unasked)
                }
            })
        })
    }

    fn linearize(&self) -> BoxFuture<'_, Result<(), Unproposed>> {
        Box::pin(async {
            if !*self.has_leader.borrow() {
                return Err(Unproposed::NoLeader);
            }
            for (who, command) in std::mem::take(&mut *self.behind.lock().await) {
                self.accept(who, command).await;
            }
            Ok(())
        })
    }

    fn age(&self) -> Option<Duration> {
        Some(Duration::from_millis(7))
    }

    fn copy_state(&self) -> BoxFuture<'_, Result<StateCopy, Uncopied>> {
        Box::pin(async move {
            let path = self.directory.path().join("copying.db");
            StateCopy::make(&self.store, path).await.map_err(|error| Uncopied(error.into()))
        })
    }

    fn reader(&self) -> &Reader {
        self.store.reader()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    fn health(&self, _: Vec<(ControllerId, String)>) -> BoxFuture<'_, BTreeMap<ControllerId, Asked>> {
        Box::pin(std::future::ready(BTreeMap::new()))
    }

    fn status(&self) -> AgreementStatus {
        AgreementStatus {
            controller_id: 1,
            leader_id: self.has_leader.borrow().then_some(ControllerId(1)),
            term: 1,
            applied_index: *self.applied.borrow(),
            voters: vec![ControllerId(1)],
            max_feature_level: npanel_state::FEATURE_LEVEL,
            ..AgreementStatus::default()
        }
    }
}
