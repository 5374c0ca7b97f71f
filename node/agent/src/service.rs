//! The `Node` service: what controllers ask of this daemon.

use std::{net::IpAddr, pin::Pin, sync::Arc};

use futures::Stream;
use npanel_converge::{Bulletin, Events, Handle, Reports, preview};
use npanel_ledger::{AcceptError, Fence, Ledger, NotAnOffer, ObjectKey, Offer, Verdict};
use npanel_model::{NodeRole, Timestamp};
use npanel_proto::{
    NODE_PROTOCOLS,
    node::{
        self, ApplyRequest, ApplyResponse, ApplyResult, EventsRequest, HeartbeatRequest, HeartbeatResponse,
        HelloRequest, HelloResponse, InventoryRequest, InventoryResponse, ObjectIntent, ObjectReport,
        PreviewRequest, PreviewResponse, WatchRequest, apply_result, node_server::Node,
    },
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, watch},
    task::spawn_blocking,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{conditions, config::Place, roster::Roster, vitals::Vitals};

/// How many reports may wait for a slow watcher before its task waits.
const AHEAD: usize = 64;

/// What all connections share.
#[derive(Debug, Clone)]
pub struct NodeService {
    /// What is wanted.
    pub ledger: Arc<Ledger>,
    /// What has become of it, and what happened besides.
    pub bulletin: Bulletin,
    /// Who carries it out.
    pub engine: Handle,
    /// How the machine is.
    pub vitals: Vitals,
    /// What the node is for.
    pub roles: Arc<[NodeRole]>,
    /// Where it is reached.
    pub address: IpAddr,
    /// Told which authority issues certificates now, as leaders say.
    pub issuing: watch::Sender<Vec<u8>>,
    /// Told which controllers there are, as leaders say.
    pub roster: Arc<Roster>,
    /// Where it stands.
    pub place: Place,
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Node for NodeService {
    async fn hello(&self, request: Request<HelloRequest>) -> Reply<HelloResponse> {
        let request = request.into_inner();
        let (oldest, newest) = (*NODE_PROTOCOLS.start(), *NODE_PROTOCOLS.end());
        let chosen = request.newest_protocol.min(newest);
        let common = chosen >= request.oldest_protocol.max(oldest);
        Ok(Response::new(HelloResponse {
            protocol: if common { chosen } else { 0 },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            facts: Some(self.facts().await?),
            fence: Some(self.ledger.fence().into()),
        }))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Reply<ApplyResponse> {
        let request = request.into_inner();
        let fence = fence(request.fence)?;
        let (ledger, reports, engine) =
            (Arc::clone(&self.ledger), Arc::clone(&self.bulletin.reports), self.engine.clone());
        let troubles = Arc::clone(&self.bulletin.troubles);
        // In one go: a caller that goes away in between must not leave accepted intents that nobody carries out.
        let taken = spawn_blocking(move || {
            let taken = take(&ledger, &reports, &engine, fence, &request.objects);
            troubles.note_ledger(!matches!(taken, Err(AcceptError::Store(_))));
            taken
        })
        .await;
        let results = taken.map_err(|_| Status::internal("the daemon has a fault"))?.map_err(refusal)?;
        Ok(Response::new(ApplyResponse { results }))
    }

    async fn preview(&self, request: Request<PreviewRequest>) -> Reply<PreviewResponse> {
        let intents = request.into_inner().objects;
        let executor = self.vitals.executor();
        let objects = preview(executor, &self.ledger, &self.roles, &intents, Timestamp::now()).await;
        Ok(Response::new(PreviewResponse { objects }))
    }

    type EventsStream = Pin<Box<dyn Stream<Item = Result<node::Event, Status>> + Send>>;

    async fn events(&self, _request: Request<EventsRequest>) -> Reply<Self::EventsStream> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(tell(Arc::clone(&self.bulletin.events), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<ObjectReport, Status>> + Send>>;

    async fn watch(&self, _request: Request<WatchRequest>) -> Reply<Self::WatchStream> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(feed(Arc::clone(&self.bulletin.reports), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn inventory(&self, _request: Request<InventoryRequest>) -> Reply<InventoryResponse> {
        Ok(Response::new(InventoryResponse { entries: self.ledger.inventory() }))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Reply<HeartbeatResponse> {
        let request = request.into_inner();
        let fence = fence(request.fence)?;
        let (ledger, troubles) = (Arc::clone(&self.ledger), Arc::clone(&self.bulletin.troubles));
        let roster = Arc::clone(&self.roster);
        let seen = spawn_blocking(move || {
            // A leader may go on without its fence being written down: it is checked all the same, and a node
            // that cannot write has to say so.
            match ledger.observe(fence) {
                Err(AcceptError::Store(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be written");
                    troubles.note_ledger(false);
                }
                observed => observed?,
            }
            // Only now: the fence has told a leader of today from one that was deposed.
            if let Some(controllers) = &request.controllers {
                roster.take(controllers);
            }
            Ok((ledger.digest().to_vec(), ledger.len()))
        });
        let (ledger_digest, objects) =
            seen.await.map_err(|_| Status::internal("the daemon has a fault"))?.map_err(refusal)?;
        let issuing = request.issuing_authority;
        self.issuing.send_if_modified(|known| std::mem::replace(known, issuing.clone()) != issuing);
        let now = Timestamp::now();
        if request.time_millis > 0 {
            self.vitals.note_leader_time(Timestamp::from_millis(request.time_millis), now);
        }
        let conditions = self.vitals.conditions(&self.bulletin.troubles, now);
        Ok(Response::new(HeartbeatResponse {
            ledger_digest,
            capacity: self.vitals.capacity().map(capacity),
            failed_services: self.vitals.failed_services(),
            objects: objects as u64,
            conditions: conditions.iter().map(conditions::to_proto).collect(),
        }))
    }
}

impl NodeService {
    async fn facts(&self) -> Result<node::Facts, Status> {
        let facts = self.vitals.facts().await.map_err(|failure| Status::unavailable(failure.to_string()))?;
        Ok(node::Facts {
            roles: self.roles.iter().map(ToString::to_string).collect(),
            address: self.address.to_string(),
            os_profile: facts.os_profile,
            php_versions: facts.php_versions.iter().map(ToString::to_string).collect(),
            capacity: Some(capacity(facts.capacity)),
            availability_zone: self
                .place
                .availability_zone
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            labels: self.place.labels.iter().map(ToString::to_string).collect(),
            missing: facts
                .missing
                .iter()
                .filter(|(role, _)| self.roles.contains(role))
                .map(missing)
                .collect(),
        })
    }
}

fn missing((role, reason): &(NodeRole, String)) -> node::MissingCapability {
    node::MissingCapability { role: role.to_string(), reason: reason.clone() }
}

fn fence(fence: Option<node::Fence>) -> Result<Fence, Status> {
    fence.map(Fence::from).ok_or_else(|| Status::invalid_argument("a fence is needed"))
}

fn refusal(error: AcceptError) -> Status {
    match error {
        AcceptError::StaleFence(stale) => Status::failed_precondition(stale.to_string()),
        AcceptError::Store(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be written");
            // The leader goes on, and offers again.
            Status::resource_exhausted(error.to_string())
        }
    }
}

fn take(
    ledger: &Ledger,
    reports: &Reports,
    engine: &Handle,
    fence: Fence,
    messages: &[ObjectIntent],
) -> Result<Vec<ApplyResult>, AcceptError> {
    let parsed: Vec<Result<Offer, NotAnOffer>> = messages.iter().map(Offer::parse).collect();
    let offers: Vec<Offer> = parsed.iter().filter_map(|offer| offer.as_ref().ok().cloned()).collect();
    let verdicts = ledger.accept(fence, &offers, Timestamp::now())?;
    let with = |wanted: &Verdict| -> Vec<ObjectKey> {
        let pairs = offers.iter().zip(&verdicts);
        pairs.filter(|(_, verdict)| *verdict == wanted).map(|(offer, _)| offer.key).collect()
    };
    let accepted = with(&Verdict::Accepted);
    if !accepted.is_empty() {
        engine.changed(accepted);
    }
    // Whoever offers again what is here has missed what became of it.
    with(&Verdict::Unchanged).into_iter().for_each(|key| reports.repeat(key));
    let mut verdicts = verdicts.iter();
    let results = messages.iter().zip(&parsed).map(|(message, offer)| {
        let (verdict, text) = match offer {
            Ok(_) => verdicts.next().map(answer).unwrap_or_default(),
            Err(error @ NotAnOffer::UnknownKind) => (apply_result::Verdict::UnknownKind, error.to_string()),
            Err(NotAnOffer::Invalid(error)) => (apply_result::Verdict::Invalid, error.to_string()),
        };
        ApplyResult { object: message.object.clone(), verdict: verdict as i32, message: text }
    });
    Ok(results.collect())
}

fn answer(verdict: &Verdict) -> (apply_result::Verdict, String) {
    match verdict {
        Verdict::Accepted => (apply_result::Verdict::Accepted, String::new()),
        Verdict::Unchanged => (apply_result::Verdict::Unchanged, String::new()),
        Verdict::Refused(refusal) => (apply_result::Verdict::Refused, refusal.to_string()),
    }
}

/// Everything now, then each change; everything again if the watcher was too slow. Ends with the watcher.
async fn feed(reports: Arc<Reports>, watcher: mpsc::Sender<Result<ObjectReport, Status>>) {
    loop {
        let mut watch = reports.watch();
        for report in &watch.now {
            if watcher.send(Ok(report.into())).await.is_err() {
                return;
            }
        }
        loop {
            tokio::select! {
                () = watcher.closed() => return,
                change = watch.changes.recv() => match change {
                    Ok(report) => {
                        if watcher.send(Ok((&report).into())).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

/// The newest events, then each as it comes; the newest again if the listener was too slow. Ends with it.
async fn tell(events: Arc<Events>, listener: mpsc::Sender<Result<node::Event, Status>>) {
    loop {
        let (newest, mut next) = events.watch();
        for event in &newest {
            if listener.send(Ok(event.into())).await.is_err() {
                return;
            }
        }
        loop {
            tokio::select! {
                () = listener.closed() => return,
                event = next.recv() => match event {
                    Ok(event) => {
                        if listener.send(Ok((&event).into())).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

fn capacity(capacity: npanel_executor::Capacity) -> node::Capacity {
    node::Capacity {
        disk_total_mb: capacity.disk_total.0,
        disk_free_mb: capacity.disk_free.0,
        memory_total_mb: capacity.memory_total.0,
        memory_free_mb: capacity.memory_free.0,
    }
}
