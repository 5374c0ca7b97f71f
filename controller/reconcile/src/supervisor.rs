//! One session per connected node while this controller leads.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use npanel_cloud::Courier;
use npanel_consensus::{Cluster, Leadership};
use npanel_model::NodeId;
use npanel_pki::LiveClusterKeys;
use npanel_proto::{
    command::{NodeEvent, Observation},
    node::{Controllers, Fence},
};
use npanel_state::QueryError;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    anchoring::{self, Anchor},
    checkpoints, chores,
    connections::{Connection, NodeConnections},
    intent::Intents,
    liveness::Liveness,
    recorder, replacing, roster, secrets,
    session::{Session, SessionError},
    webhooks,
};

/// Before a session that failed is begun again.
const SESSION_PAUSE: Duration = Duration::from_secs(1);

/// Before leading is tried again after the state could not be queried.
const LEADING_PAUSE: Duration = Duration::from_secs(1);

/// How soon after a look at whom changes concern the next one follows: with hundreds of writes a second, each is not looked at for
/// itself.
const GRAIN: Duration = Duration::from_millis(5);

/// The leader's loops.
#[derive(Debug, Clone)]
pub struct Reconciler {
    cluster: Cluster,
    connections: NodeConnections,
    liveness: Liveness,
    keys: LiveClusterKeys,
    issuing: watch::Receiver<Vec<u8>>,
    anchor: Option<Anchor>,
    courier: Option<Courier>,
}

impl Reconciler {
    /// The loops of this controller. Nothing runs before [`Reconciler::run`].
    pub fn new(
        cluster: Cluster,
        connections: NodeConnections,
        liveness: Liveness,
        keys: LiveClusterKeys,
    ) -> Self {
        Self {
            cluster,
            connections,
            liveness,
            keys,
            issuing: watch::Sender::default().subscribe(),
            anchor: None,
            courier: None,
        }
    }

    /// Has nodes told which authority issues (the fingerprint of its key), so that they renew soon after a rotation.
    #[must_use]
    pub fn announcing(self, issuing: watch::Receiver<Vec<u8>>) -> Self {
        Self { issuing, ..self }
    }

    /// Has the audit's checkpoints kept outside of the fleet, too.
    #[must_use]
    pub fn anchoring(self, anchor: Option<Anchor>) -> Self {
        Self { anchor, ..self }
    }

    /// Has webhooks told what changes.
    #[must_use]
    pub fn telling(self, courier: Courier) -> Self {
        Self { courier: Some(courier), ..self }
    }

    /// Follows leadership, and leads while this controller is the leader. Ends with the cluster. Safe to drop at
    /// any point.
    pub async fn run(self) {
        let mut leadership = self.cluster.leadership();
        loop {
            let now = *leadership.borrow_and_update();
            let changed = match now {
                Leadership::Leader { term } => {
                    tracing::info!(term, "this controller leads");
                    let changed = tokio::select! {
                        changed = other_than(&mut leadership, now) => changed,
                        never = self.lead(term) => match never {},
                    };
                    self.liveness.reset(None);
                    tracing::info!(term, "this controller leads no longer");
                    changed
                }
                Leadership::Follower { .. } => leadership.changed().await,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Leads for a term. Dropping it ends every task that it started.
    async fn lead(&self, term: u64) -> Infallible {
        self.liveness.reset(Some(std::time::Instant::now()));
        loop {
            match self.lead_once(term).await {
                Ok(never) => match never {},
                Err(error) => tracing::error!(error = %error, "the leader's loops stumbled; beginning again"),
            }
            tokio::time::sleep(LEADING_PAUSE).await;
        }
    }

    async fn lead_once(&self, term: u64) -> Result<Infallible, QueryError> {
        // The index before the first session loads: what changes after it is told to the sessions.
        let mut applied = self.cluster.applied();
        let mut known = *applied.borrow_and_update();
        let epoch = self.cluster.state().cluster().await?.map_or(0, |cluster| cluster.epoch);
        let (observations, recorded) = mpsc::channel(recorder::QUEUE);
        let (events, happened) = mpsc::channel(recorder::QUEUE);
        let (listing, controllers) = watch::channel(roster::read(self.cluster.state()).await?);
        let mut sessions = Sessions {
            reconciler: self,
            fence: Fence { epoch, term, leader_id: self.cluster.id().0 },
            observations,
            events,
            controllers,
            running: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let mut following = JoinSet::new();
        following.spawn(roster::follow(self.cluster.clone(), listing));
        let mut recording = JoinSet::new();
        recording.spawn(recorder::run(self.cluster.clone(), recorded));
        recording.spawn(recorder::run(self.cluster.clone(), happened));
        recording.spawn(chores::run(self.cluster.clone()));
        recording.spawn(replacing::run(self.cluster.clone()));
        recording.spawn(checkpoints::run(self.cluster.clone(), self.keys.clone()));
        recording.spawn(secrets::run(self.cluster.clone(), self.keys.clone()));
        if let Some(anchor) = self.anchor.clone() {
            recording.spawn(anchoring::run(self.cluster.clone(), anchor));
        }
        if let Some(courier) = self.courier.clone() {
            recording.spawn(webhooks::run(self.cluster.clone(), self.keys.clone(), courier));
        }

        let mut connections = self.connections.changes();
        sessions.follow_connections();
        loop {
            tokio::select! {
                _ = connections.changed() => sessions.follow_connections(),
                Ok(()) = applied.changed() => {
                    known = sessions.signal_changes(known).await?;
                    tokio::time::sleep(GRAIN).await;
                }
                Some(ended) = sessions.tasks.join_next_with_id() => sessions.ended(ended),
            }
        }
    }
}

/// Returns when leadership is not `held` any more.
async fn other_than(
    leadership: &mut watch::Receiver<Leadership>,
    held: Leadership,
) -> Result<(), watch::error::RecvError> {
    leadership.wait_for(|now| *now != held).await.map(|_| ())
}

struct Running {
    connection: u64,
    changed: Arc<Notify>,
    task: AbortHandle,
}

struct Sessions<'a> {
    reconciler: &'a Reconciler,
    fence: Fence,
    observations: mpsc::Sender<Observation>,
    events: mpsc::Sender<NodeEvent>,
    controllers: watch::Receiver<Controllers>,
    running: HashMap<NodeId, Running>,
    tasks: JoinSet<SessionError>,
}

impl Sessions<'_> {
    /// Begins a session on every new connection and ends those whose connection is gone.
    fn follow_connections(&mut self) {
        let connected: HashMap<NodeId, Connection> = self.reconciler.connections.all().into_iter().collect();
        let liveness = &self.reconciler.liveness;
        self.running.retain(|node, running| {
            let current =
                connected.get(node).is_some_and(|connection| connection.number == running.connection);
            if !current {
                running.task.abort();
                liveness.lost(*node);
            }
            current
        });
        for (node, connection) in connected {
            if !self.running.contains_key(&node) {
                self.begin(node, connection, Duration::ZERO);
            }
        }
    }

    fn begin(&mut self, node: NodeId, connection: Connection, pause: Duration) {
        let changed = Arc::new(Notify::new());
        let reconciler = self.reconciler;
        let session = Session {
            node,
            cluster: reconciler.cluster.clone(),
            fence: self.fence,
            intents: Intents::new(reconciler.cluster.state().clone(), reconciler.keys.clone()),
            liveness: reconciler.liveness.clone(),
            observations: self.observations.clone(),
            events: self.events.clone(),
            changed: Arc::clone(&changed),
            issuing: reconciler.issuing.clone(),
            controllers: self.controllers.clone(),
        };
        let number = connection.number;
        let task = self.tasks.spawn(async move {
            tokio::time::sleep_until(Instant::now() + pause).await;
            session.run(connection.channel).await
        });
        self.running.insert(node, Running { connection: number, changed, task });
    }

    /// Wakes the sessions of the nodes for which something changed after `known`. Returns the new `known`.
    async fn signal_changes(&self, known: u64) -> Result<u64, QueryError> {
        let (nodes, reaches) = self.reconciler.cluster.state().nodes_changed_since(known).await?;
        for running in nodes.iter().filter_map(|node| self.running.get(node)) {
            running.changed.notify_one();
        }
        Ok(reaches)
    }

    /// A session ended by itself: begins it anew after a pause, if the node still has the connection.
    fn ended(&mut self, ended: Result<(Id, SessionError), JoinError>) {
        let (task, why) = match ended {
            Ok((task, error)) => (task, error.to_string()),
            Err(error) => (error.id(), error.to_string()),
        };
        let found = self.running.iter().find(|(_, running)| running.task.id() == task);
        let Some((node, number)) = found.map(|(node, running)| (*node, running.connection)) else { return };
        self.running.remove(&node);
        let connection = self.reconciler.connections.get(node);
        if let Some(connection) = connection.filter(|connection| connection.number == number) {
            tracing::warn!(node = %node, error = why, "the session with a node failed; beginning again");
            self.begin(node, connection, SESSION_PAUSE);
        }
    }
}
