//! A node's daemon as the leader sees it: it takes every intent and says at once that it has done it.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{Stream, StreamExt, stream};
use hyper_util::rt::TokioIo;
use npanel_proto::{
    ledger_digest,
    node::{
        ApplyRequest, ApplyResponse, ApplyResult, Capacity, Event, EventsRequest, Facts, Fence,
        HeartbeatRequest, HeartbeatResponse, HelloRequest, HelloResponse, InventoryEntry, InventoryRequest,
        InventoryResponse, ObjectIntent, ObjectKind, ObjectRef, ObjectReport, PreviewRequest,
        PreviewResponse, StageTime, WatchRequest,
        apply_result::Verdict,
        node_server::{Node, NodeServer},
        object_intent::Intent,
        object_report::State,
    },
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

type Key = (i32, Vec<u8>);

#[derive(Default)]
struct Ledger {
    objects: BTreeMap<Key, ObjectIntent>,
    pushed: Vec<(ObjectKind, u64)>,
    refused: BTreeSet<i32>,
    tombstones: usize,
    requests: usize,
    grown_mb: u64,
    heartbeats: usize,
    inventories: usize,
    controllers: Vec<u64>,
    fence: Option<Fence>,
}

#[derive(Clone)]
pub(crate) struct PlayedNode {
    roles: Vec<String>,
    php_versions: Vec<String>,
    labels: Vec<String>,
    ledger: Arc<Mutex<Ledger>>,
    reports: broadcast::Sender<ObjectReport>,
}

fn key(object: &ObjectRef) -> Key {
    (object.kind, object.id.clone())
}

fn is_tombstone(intent: &ObjectIntent) -> bool {
    matches!(intent.intent, Some(Intent::Tombstone(_)))
}

fn report(intent: &ObjectIntent) -> ObjectReport {
    ObjectReport {
        object: intent.object.clone(),
        generation: intent.generation,
        state: if is_tombstone(intent) { State::Removed } else { State::Converged }.into(),
        time_millis: 1,
        stages: vec![StageTime { stage: "commit".into(), microseconds: 5 }],
        ..ObjectReport::default()
    }
}

impl PlayedNode {
    pub(crate) fn new(roles: &[&str]) -> Self {
        Self {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            php_versions: vec!["8.2".into()],
            labels: Vec::new(),
            ledger: Arc::default(),
            reports: broadcast::Sender::new(1024),
        }
    }

    /// How many roles it has.
    pub(crate) fn roles(&self) -> usize {
        self.roles.len()
    }

    pub(crate) fn with_php(self, versions: &[&str]) -> Self {
        Self { php_versions: versions.iter().map(|version| (*version).to_owned()).collect(), ..self }
    }

    pub(crate) fn with_label(self, label: &str) -> Self {
        Self { labels: vec![label.to_owned()], ..self }
    }

    /// Serves one connection; returns the other end of it.
    pub(crate) async fn serve(&self) -> Channel {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let server = Server::builder().add_service(NodeServer::new(self.clone()));
        // The connection stays until the client's end is dropped.
        let incoming = stream::iter([Ok::<_, std::io::Error>(ours)]).chain(stream::pending());
        tokio::spawn(server.serve_with_incoming(incoming));
        let mut once = Some(TokioIo::new(theirs));
        let connector = tower::service_fn(move |_| {
            std::future::ready(once.take().ok_or_else(|| std::io::Error::other("used")))
        });
        Endpoint::from_static("http://node.invalid")
            .connect_with_connector(connector)
            .await
            .expect("a channel")
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no panic elsewhere")
    }

    pub(crate) fn pushed(&self) -> Vec<(ObjectKind, u64)> {
        self.ledger().pushed.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.ledger().requests
    }

    /// Gives it a disk of another size.
    pub(crate) fn grow(&self, disk_total_mb: u64) {
        self.ledger().grown_mb = disk_total_mb - 90_000;
    }

    pub(crate) fn heartbeats(&self) -> usize {
        self.ledger().heartbeats
    }

    /// The controllers that it was told of, and the id that none has had.
    pub(crate) fn controllers(&self) -> Vec<u64> {
        self.ledger().controllers.clone()
    }

    pub(crate) fn inventories(&self) -> usize {
        self.ledger().inventories
    }

    pub(crate) fn tombstones(&self) -> usize {
        self.ledger().tombstones
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ledger().objects.is_empty()
    }

    /// The first intent of the kind.
    pub(crate) fn intent(&self, kind: ObjectKind) -> Option<Intent> {
        let ledger = self.ledger();
        let found = ledger.objects.iter().find(|((of, _), _)| *of == i32::from(kind));
        found.and_then(|(_, intent)| intent.intent.clone())
    }

    pub(crate) fn generation(&self, object: &ObjectRef) -> Option<u64> {
        self.ledger().objects.get(&key(object)).map(|intent| intent.generation)
    }

    /// Loses every object of the kind, without a word.
    pub(crate) fn forget(&self, kind: ObjectKind) {
        self.ledger().objects.retain(|(of, _), _| *of != i32::from(kind));
    }

    /// Has an object that nobody asked for.
    pub(crate) fn hold(&self, object: &ObjectRef, generation: u64) {
        let intent = ObjectIntent { object: Some(object.clone()), generation, intent: None };
        self.ledger().objects.insert(key(object), intent);
    }

    pub(crate) fn refuse(&self, kind: ObjectKind) {
        self.ledger().refused.insert(kind.into());
    }

    fn take(&self, ledger: &mut Ledger, intent: &ObjectIntent) -> Verdict {
        let object = intent.object.clone().expect("an object");
        if ledger.refused.contains(&object.kind) {
            return Verdict::Invalid;
        }
        if is_tombstone(intent) {
            ledger.tombstones += 1;
            ledger.objects.remove(&key(&object));
        } else {
            ledger.pushed.push((object.kind(), intent.generation));
            ledger.objects.insert(key(&object), intent.clone());
        }
        // Nobody may be listening yet.
        let _ = self.reports.send(report(intent));
        Verdict::Accepted
    }
}

fn entries(ledger: &Ledger) -> Vec<InventoryEntry> {
    let entry = |intent: &ObjectIntent| InventoryEntry {
        object: intent.object.clone(),
        generation: intent.generation,
        tombstone: is_tombstone(intent),
    };
    ledger.objects.values().map(entry).collect()
}

#[tonic::async_trait]
impl Node for PlayedNode {
    type EventsStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<ObjectReport, Status>> + Send>>;

    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        let facts = Facts {
            roles: self.roles.clone(),
            address: "10.0.0.9".into(),
            os_profile: "debian-12".into(),
            php_versions: self.php_versions.clone(),
            labels: self.labels.clone(),
            capacity: Some(Capacity { disk_total_mb: 90_000, disk_free_mb: 50_000, ..Capacity::default() }),
            ..Facts::default()
        };
        let fence = self.ledger().fence;
        Ok(Response::new(HelloResponse { protocol: 1, version: "9.9.9".into(), facts: Some(facts), fence }))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyResponse>, Status> {
        let request = request.into_inner();
        let mut ledger = self.ledger();
        ledger.requests += 1;
        ledger.fence = request.fence;
        let results = request.objects.into_iter().map(|intent| {
            let object = intent.object.clone();
            ApplyResult { object, verdict: self.take(&mut ledger, &intent).into(), message: String::new() }
        });
        let results = results.collect();
        Ok(Response::new(ApplyResponse { results }))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let live = BroadcastStream::new(self.reports.subscribe()).filter_map(|report| async { report.ok() });
        let now: Vec<ObjectReport> = self.ledger().objects.values().map(report).collect();
        Ok(Response::new(Box::pin(stream::iter(now).chain(live).map(Ok))))
    }

    async fn inventory(&self, _: Request<InventoryRequest>) -> Result<Response<InventoryResponse>, Status> {
        let mut ledger = self.ledger();
        ledger.inventories += 1;
        Ok(Response::new(InventoryResponse { entries: entries(&ledger) }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let told = request.into_inner().controllers.unwrap_or_default();
        let mut ledger = self.ledger();
        ledger.controllers = told.present.iter().map(|one| one.id).chain([told.next_id]).collect();
        ledger.heartbeats += 1;
        Ok(Response::new(HeartbeatResponse {
            ledger_digest: ledger_digest(&entries(&ledger)).to_vec(),
            capacity: Some(Capacity {
                disk_total_mb: 90_000 + ledger.grown_mb,
                disk_free_mb: 50_000,
                ..Capacity::default()
            }),
            failed_services: Vec::new(),
            objects: ledger.objects.len() as u64,
            conditions: Vec::new(),
        }))
    }

    async fn preview(&self, _: Request<PreviewRequest>) -> Result<Response<PreviewResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn events(&self, _: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        Ok(Response::new(Box::pin(stream::pending())))
    }
}
