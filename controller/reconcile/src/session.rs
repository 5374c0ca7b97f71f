//! The leader's dealings with one connected node.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use npanel_consensus::{Cluster, ProposeError};
use npanel_model::{NodeCondition, NodeId, RequestId, Timestamp};
use npanel_proto::{
    NODE_PROTOCOLS,
    command::{NodeEvent, Observation, envelope::Command, outcome::Outcome},
    node::{
        ApplyRequest, ApplyResult, Capacity, Controllers, EventsRequest, Fence, HeartbeatRequest,
        HelloRequest, HelloResponse, InventoryRequest, ObjectIntent, ObjectReport, WatchRequest,
        apply_result::Verdict, node_client::NodeClient, object_report::State,
    },
};
use npanel_state::{Node, QueryError};
use prost::Message;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    facts,
    happened::{self, Known},
    intent::Intents,
    liveness::Liveness,
    recorder::own_envelope,
    strangers::Strangers,
    view::{Difference, Key, View, key_of},
};

/// How often a node is asked whether it is there and what its ledger's digest is.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A node that takes longer for a small answer is not well; its session ends and begins anew.
const SMALL_CALL: Duration = Duration::from_secs(10);

/// For calls whose size grows with what the node holds.
const LARGE_CALL: Duration = Duration::from_secs(30);

/// How much goes into one push: well beneath gRPC's usual limit of 4 MiB for a message.
const PUSH_OBJECTS: usize = 128;
const PUSH_BYTES: usize = 1024 * 1024;

/// How many intents are read from the state at once.
const READS_AT_ONCE: usize = 8;

/// An inventory of 100,000 objects has 4 MB.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Why a session ended. It begins anew as long as the node is connected and this controller leads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the call {call} failed ({}: {})", status.code(), status.message())]
    Call { call: &'static str, status: Box<Status> },
    #[error("the node speaks none of the protocol versions {oldest} to {newest}")]
    Protocol { oldest: u32, newest: u32 },
    #[error("the node follows a newer leader (epoch {} term {} controller {}, ours {} {} {})",
        seen.epoch, seen.term, seen.leader_id, ours.epoch, ours.term, ours.leader_id)]
    Deposed { seen: Fence, ours: Fence },
    #[error("the node is no longer in the fleet")]
    Deleted,
    #[error("the node ended its reports")]
    WatchEnded,
    #[error("the recorder has stopped")]
    RecorderStopped,
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

fn failed(call: &'static str) -> impl FnOnce(Status) -> SessionError {
    move |status| SessionError::Call { call, status: Box::new(status) }
}

fn timed<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// What a session is made of.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) node: NodeId,
    pub(crate) cluster: Cluster,
    pub(crate) fence: Fence,
    pub(crate) intents: Intents,
    pub(crate) liveness: Liveness,
    pub(crate) observations: mpsc::Sender<Observation>,
    pub(crate) events: mpsc::Sender<NodeEvent>,
    /// Told when the state changed for this node.
    pub(crate) changed: Arc<Notify>,
    /// The authority that issues now.
    pub(crate) issuing: watch::Receiver<Vec<u8>>,
    /// The controllers that there are.
    pub(crate) controllers: watch::Receiver<Controllers>,
}

impl Session {
    /// Deals with the node until something fails.
    pub(crate) async fn run(self, channel: Channel) -> SessionError {
        let node = self.node;
        let liveness = self.liveness.clone();
        let ended = self.deal(channel).await;
        liveness.lost(node);
        match ended {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn deal(self, channel: Channel) -> Result<Infallible, SessionError> {
        let client = NodeClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
        let hello = self.hello(client.clone()).await?;
        self.note_facts(&hello).await?;
        let view = View::load(self.cluster.state().wanted_on(self.node).await?);
        let (state, node) = (self.cluster.state(), self.node);
        let events = Known::of(state.newest_events_of(node, happened::REPEATED).await?);
        let conditions = state.node_conditions(Some(node)).await?.remove(&node).unwrap_or_default();
        let dealing = Dealing {
            session: &self,
            client,
            view: Mutex::new(view),
            explained: Mutex::new(None),
            events,
            conditions: Mutex::new(conditions),
            said: Mutex::new(hello),
            strangers: Mutex::default(),
        };
        tokio::try_join!(dealing.push(), dealing.listen(), dealing.hear()).map(|(never, _, _)| never)
    }

    async fn hello(&self, mut client: NodeClient<Channel>) -> Result<HelloResponse, SessionError> {
        let (oldest, newest) = (*NODE_PROTOCOLS.start(), *NODE_PROTOCOLS.end());
        let request = timed(HelloRequest { oldest_protocol: oldest, newest_protocol: newest }, SMALL_CALL);
        let hello = client.hello(request).await.map_err(failed("Hello"))?.into_inner();
        if !NODE_PROTOCOLS.contains(&hello.protocol) {
            return Err(SessionError::Protocol { oldest, newest });
        }
        let order = |fence: &Fence| (fence.epoch, fence.term, fence.leader_id);
        match hello.fence {
            Some(seen) if order(&seen) > order(&self.fence) => {
                Err(SessionError::Deposed { seen, ours: self.fence })
            }
            _ => Ok(hello),
        }
    }

    async fn note_facts(&self, hello: &HelloResponse) -> Result<(), SessionError> {
        let known = self.cluster.state().node(self.node).await?.ok_or(SessionError::Deleted)?;
        if let Some(facts) = &hello.facts {
            self.liveness.heard(self.node, facts.capacity.map(Into::into), Vec::new());
        }
        self.write_facts(&known, hello).await
    }

    async fn write_facts(&self, known: &Node, hello: &HelloResponse) -> Result<(), SessionError> {
        let Some(update) = facts::update(self.node, known, hello) else { return Ok(()) };
        tracing::info!(node = %known.name, roles = ?update.roles, version = update.version, "the node has news of itself");
        let command = own_envelope(self.cluster.id(), Command::UpdateNodeFacts(update));
        if let Some(Outcome::Refused(refused)) = self.cluster.propose(command).await?.outcome {
            tracing::error!(node = %known.name, reason = refused.message, "what the node says of itself is refused");
        }
        Ok(())
    }
}

/// A session after its greeting.
struct Dealing<'a> {
    session: &'a Session,
    client: NodeClient<Channel>,
    view: Mutex<View>,
    /// A pair of digests (ours, the node's) that differ for a reason that no push mends.
    explained: Mutex<Option<([u8; 32], Vec<u8>)>>,
    events: Known,
    /// What the state knows to be wrong with the node.
    conditions: Mutex<Vec<NodeCondition>>,
    /// What the node said of itself, its size as it last said it.
    said: Mutex<HelloResponse>,
    /// What the node holds and the state does not know.
    strangers: Mutex<Strangers>,
}

impl Dealing<'_> {
    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every change of the view is one call, so a panic elsewhere leaves it whole.
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the node what is wanted: all that it lacks now, then each change, and on a timer whatever was missed.
    async fn push(&self) -> Result<Infallible, SessionError> {
        self.compare().await?;
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.session.changed.notified() => self.push_changes().await?,
                _ = beat.tick() => self.heartbeat().await?,
            }
        }
    }

    async fn push_changes(&self) -> Result<(), SessionError> {
        let reaches = self.view().reaches();
        let changed = self.session.cluster.state().wanted_since(self.session.node, reaches).await?;
        let keys = self.view().merge(changed);
        self.apply(&keys).await
    }

    async fn heartbeat(&self) -> Result<(), SessionError> {
        let request = HeartbeatRequest {
            fence: Some(self.session.fence),
            time_millis: Timestamp::now().as_millis(),
            issuing_authority: self.session.issuing.borrow().clone(),
            controllers: Some(self.session.controllers.borrow().clone()),
        };
        let request = timed(request, SMALL_CALL);
        let answer = self.client.clone().heartbeat(request).await.map_err(failed("Heartbeat"))?.into_inner();
        let capacity = answer.capacity.map(Into::into);
        let mut conditions = happened::conditions(&answer.conditions);
        let is_as_wanted = answer.ledger_digest == self.view().digest();
        conditions.extend(self.strangers().condition(is_as_wanted));
        // First, for some of them keep the node from getting anything.
        self.session.liveness.heard_conditions(self.session.node, conditions.clone());
        self.session.liveness.heard(self.session.node, capacity, answer.failed_services);
        self.note_size(answer.capacity).await?;
        self.note_conditions(conditions).await?;
        let ours = self.view().digest();
        if answer.ledger_digest == ours || self.is_explained(ours, &answer.ledger_digest) {
            return Ok(());
        }
        tracing::info!(node = %self.session.node, "the ledger is not as wanted; comparing");
        self.reload().await?;
        if self.compare().await? {
            *self.explained.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((self.view().digest(), answer.ledger_digest));
        }
        Ok(())
    }

    /// Writes down that the node has grown or shrunk since it connected.
    async fn note_size(&self, now: Option<Capacity>) -> Result<(), SessionError> {
        let Some(now) = now else { return Ok(()) };
        let hello = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(facts) = &mut said.facts else { return Ok(()) };
            if !facts::is_another_size(facts.capacity.unwrap_or_default(), now) {
                return Ok(());
            }
            facts.capacity = Some(now);
            said.clone()
        };
        let known = self.session.cluster.state().node(self.session.node).await?;
        let known = known.ok_or(SessionError::Deleted)?;
        // Seldom: it shall not make every session's future larger.
        Box::pin(self.session.write_facts(&known, &hello)).await
    }

    /// Writes down what has begun or ceased to be wrong with the node.
    async fn note_conditions(&self, conditions: Vec<NodeCondition>) -> Result<(), SessionError> {
        let node = self.session.node;
        let known = self.conditions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if happened::are_the_same(&known, &conditions) {
            return Ok(());
        }
        tracing::info!(%node, conditions = ?conditions.iter().map(|one| one.kind).collect::<Vec<_>>(), "what is wrong with the node has changed");
        let command = Command::RecordNodeConditions(happened::record(node, &conditions));
        let cluster = &self.session.cluster;
        cluster.propose(own_envelope(cluster.id(), command)).await?;
        *self.conditions.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
        Ok(())
    }

    fn is_explained(&self, ours: [u8; 32], theirs: &[u8]) -> bool {
        let explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        explained.as_ref().is_some_and(|(own, other)| *own == ours && other == theirs)
    }

    async fn reload(&self) -> Result<(), SessionError> {
        let wanted = self.session.cluster.state().wanted_on(self.session.node).await?;
        *self.view() = View::load(wanted);
        Ok(())
    }

    /// Compares with the ledger and pushes what it lacks. Returns whether the ledger lacks nothing and is
    /// different nevertheless, because it has what the state does not know.
    async fn compare(&self) -> Result<bool, SessionError> {
        let request = timed(InventoryRequest {}, LARGE_CALL);
        let ledger = self.client.clone().inventory(request).await.map_err(failed("Inventory"))?.into_inner();
        let Difference { missing, unknown } = self.view().difference(&ledger.entries);
        if !unknown.is_empty() {
            tracing::warn!(
                node = %self.session.node,
                objects = unknown.len(),
                "the node holds objects that the state does not know; they are left alone"
            );
        }
        self.strangers().note(&unknown);
        self.apply(&missing).await?;
        Ok(missing.is_empty() && !unknown.is_empty())
    }

    /// Pushes the newest intent of these objects, an account before what belongs to it.
    async fn apply(&self, keys: &[Key]) -> Result<(), SessionError> {
        if keys.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = {
            let view = self.view();
            keys.iter().filter_map(|key| view.get(key).cloned()).collect()
        };
        let read = |wanted| async move { (self.session.intents.read(&wanted).await, wanted) };
        let mut intents: Vec<ObjectIntent> = Vec::with_capacity(wanted.len());
        let mut reading = stream::iter(wanted.into_iter().map(read)).buffered(READS_AT_ONCE);
        while let Some((intent, wanted)) = reading.next().await {
            match intent {
                Ok(intent) => intents.extend(intent),
                Err(error) => {
                    let key = (wanted.kind, wanted.id);
                    let message = error.to_string();
                    self.note_refusal(&key, wanted.generation.0, "IntentUnreadable", message).await?;
                }
            }
        }
        intents.sort_by_key(|intent| intent.object.as_ref().map_or(0, |object| object.kind));
        for batch in batches(intents) {
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn apply_batch(&self, objects: Vec<ObjectIntent>) -> Result<(), SessionError> {
        let told: Vec<(Option<Key>, u64)> =
            objects.iter().map(|object| (key_of(object.object.as_ref()), object.generation)).collect();
        let request = ApplyRequest {
            fence: Some(self.session.fence),
            objects,
            request_id: RequestId::generate().to_bytes(),
        };
        let answer = match self.client.clone().apply(timed(request, LARGE_CALL)).await {
            Ok(answer) => answer.into_inner(),
            // It says more with its heartbeats, and is offered all of this again with the next of them.
            Err(status) if status.code() == Code::ResourceExhausted => {
                for (key, generation) in &told {
                    let Some(key) = key else { continue };
                    let message = status.message().to_owned();
                    self.note_refusal(key, *generation, "LedgerUnwritable", message).await?;
                }
                return Ok(());
            }
            Err(status) => return Err(failed("Apply")(status)),
        };
        for ((key, generation), result) in told.into_iter().zip(answer.results) {
            let Some(reason) = refusal(&result) else { continue };
            if let Some(key) = key {
                self.note_refusal(&key, generation, reason, result.message).await?;
            }
        }
        Ok(())
    }

    /// Writes down that an object cannot get where it should, as if the node had said so.
    async fn note_refusal(
        &self,
        key: &Key,
        generation: u64,
        reason: &str,
        message: String,
    ) -> Result<(), SessionError> {
        tracing::warn!(node = %self.session.node, kind = key.0.as_str(), reason, message, "an object is refused");
        let report = ObjectReport {
            object: Some(crate::view::wire_object(key)),
            generation,
            state: State::Failed.into(),
            reason: reason.to_owned(),
            message,
            time_millis: Timestamp::now().as_millis(),
            stages: Vec::new(),
        };
        self.note(&report).await
    }

    /// Takes in the node's reports until it ends them.
    async fn listen(&self) -> Result<Infallible, SessionError> {
        let watch = self.client.clone().watch(WatchRequest {}).await.map_err(failed("Watch"))?;
        let mut reports = watch.into_inner().map_err(failed_status);
        while let Some(report) = reports.try_next().await? {
            self.note(&report).await?;
        }
        Err(SessionError::WatchEnded)
    }

    /// Takes in the node's events until it ends them. A daemon of an earlier version has none.
    async fn hear(&self) -> Result<Infallible, SessionError> {
        let told = match self.client.clone().events(EventsRequest {}).await {
            Ok(told) => told,
            Err(status) if status.code() == Code::Unimplemented => return std::future::pending().await,
            Err(status) => return Err(failed("Events")(status)),
        };
        let mut events = told.into_inner().map_err(|status| failed("Events")(status));
        while let Some(event) = events.try_next().await? {
            if let Some(event) = self.events.take(self.session.node, event) {
                self.session.events.send(event).await.map_err(|_| SessionError::RecorderStopped)?;
            }
        }
        Err(SessionError::WatchEnded)
    }

    async fn note(&self, report: &ObjectReport) -> Result<(), SessionError> {
        let news = self.view().report(self.session.node, report);
        match news {
            Some(news) => {
                self.session.observations.send(news).await.map_err(|_| SessionError::RecorderStopped)
            }
            None => Ok(()),
        }
    }
}

fn failed_status(status: Status) -> SessionError {
    failed("Watch")(status)
}

/// What a verdict other than "it is in the ledger" means, as a report's reason.
fn refusal(result: &ApplyResult) -> Option<&'static str> {
    match result.verdict() {
        Verdict::Accepted | Verdict::Unchanged => None,
        Verdict::Refused => Some("IntentRefused"),
        Verdict::UnknownKind => Some("UnknownKind"),
        Verdict::Invalid => Some("IntentInvalid"),
        Verdict::Unspecified => Some("UnknownVerdict"),
    }
}

/// Splits a push, in order, so that no message is too large.
fn batches(intents: Vec<ObjectIntent>) -> Vec<Vec<ObjectIntent>> {
    let mut batches: Vec<Vec<ObjectIntent>> = Vec::new();
    let mut bytes = 0;
    for intent in intents {
        let size = intent.encoded_len();
        match batches.last_mut() {
            Some(batch) if batch.len() < PUSH_OBJECTS && bytes + size <= PUSH_BYTES => {
                bytes += size;
                batch.push(intent);
            }
            _ => {
                bytes = size;
                batches.push(vec![intent]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(id: u16, padding: usize) -> ObjectIntent {
        let mut bytes = vec![0; padding];
        bytes.extend(id.to_be_bytes());
        let object = Some(npanel_proto::node::ObjectRef { kind: 1, id: bytes });
        ObjectIntent { object, generation: 1, intent: None }
    }

    #[test]
    fn a_push_is_split_by_number_and_by_size_and_keeps_its_order() {
        let many: Vec<_> = (0..300).map(|id| intent(id, 0)).collect();
        let sizes: Vec<usize> = batches(many.clone()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [128, 128, 44]);
        assert_eq!(batches(many.clone()).concat(), many);
        let large: Vec<_> = (0..5).map(|id| intent(id, 400 * 1024)).collect();
        let sizes: Vec<usize> = batches(large).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(batches(Vec::new()).is_empty());
    }
}
