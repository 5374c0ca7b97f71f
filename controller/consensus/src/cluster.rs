//! The handle to everything replicated.

use std::{path::Path, sync::Arc, time::Duration};

use npanel_model::{ControllerId, Timestamp};
use npanel_proto::{
    command::{Envelope, Refused},
    controller::{Answer, NodeAnswer, Question},
};
use npanel_state::{ForeseenObject, Reader, StateCopy, Store, StoreError};
use openraft::BasicNode;
use tokio::{sync::watch, task::JoinSet};
use tonic::transport::Channel;

use crate::{
    admission::{Admission, Admissions},
    applying::Applying,
    belonging::{Belonging, Roll},
    canvass::{self, Canvass},
    clock::Clock,
    compaction::{Answering, Compaction},
    config::{self, Dial, Prepare, Purpose},
    duty::Means,
    election::{self, Hearing},
    leadership::{self, Leadership},
    levels::Raising,
    lines::Lines,
    log::{Log, Synced},
    machine::Machine,
    membership::Membership,
    network::Network,
    reading::Rounds,
    receiving::Receiving,
    room::Room,
    sending::Sending,
    shelf::COPYING,
    types::Raft,
};

/// A leader that was not heard for so long is none: more than any election takes.
const SILENCE: Duration = Duration::from_secs(3);

/// A cluster member that cannot be started, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The state cannot be opened.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The log cannot be opened.
    #[error("{0}")]
    Log(String),
    /// There is a state without the log that it came from. With the log the vote is gone, too: whoever goes on can vote twice.
    #[error(
        "there is a state in the data directory, but its raft log is gone: remove this controller from the cluster, move its \
         data directory away, and join it anew (docs/operations/controllers.md)"
    )]
    LogGone,
    /// The log is of a version that kept it otherwise.
    #[error(
        "the data directory holds a raft-log.db, which this version does not read: it was made by one before the first \
         release. Go on with that version, or move the data directory away and join this controller anew"
    )]
    LogOfOldVersion,
    /// The rules do not let a log begin anew so.
    #[error("the state cannot be gone on from: {0}")]
    Refused(String),
    /// A directory cannot be used.
    #[error("the data directory cannot be used")]
    Io(#[from] std::io::Error),
    /// The consensus library refused.
    #[error("consensus failed: {0}")]
    Consensus(String),
}

/// A controller as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: ControllerId,
    /// Its fleet address.
    pub address: String,
    /// Whether it votes, and will when the membership change under way (if any) is done.
    pub is_voter: bool,
    /// The last log index it is known to have; known to the leader only.
    pub matched_index: Option<u64>,
}

/// The replication as this controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// This controller.
    pub id: ControllerId,
    /// The leader, while it is heard. A leader itself is heard while a majority answers it.
    pub leader: Option<ControllerId>,
    /// The current term.
    pub term: u64,
    /// The end of this controller's log.
    pub last_log_index: u64,
    /// How far this controller's state is.
    pub applied_index: u64,
    /// The members.
    pub peers: Vec<Peer>,
    /// By how many seconds this controller's clock is ahead of the others' (behind, if negative), if it matters.
    pub clock_seconds_ahead: i64,
}

struct Inner {
    raft: Raft,
    hearing: Arc<Hearing>,
    /// How far the log is on disk.
    synced: Synced,
    store: Store,
    receiving: Arc<Receiving>,
    room: Arc<Room>,
    applying: Arc<Applying>,
    leadership: watch::Receiver<Leadership>,
    /// The leader that the library knows of.
    leader: watch::Receiver<Option<u64>>,
    dial: Arc<dyn Dial>,
    lines: Arc<Lines>,
    prepare: Arc<dyn Prepare>,
    clock: Arc<Clock>,
    belonging: Arc<Belonging>,
    rounds: Rounds,
    /// Held while the state is copied for a backup.
    copying: tokio::sync::Mutex<()>,
    admission: Admission,
    /// Held by the leader from its word that others can do without a controller until that is removed.
    removing: tokio::sync::Mutex<()>,
    /// Ends with the last handle.
    _tasks: JoinSet<()>,
}

/// A member of the cluster. Cheap to clone; every clone is the same member.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

pub(crate) async fn open_log(directory: &Path) -> Result<Log, ClusterError> {
    if directory.join("raft-log.db").exists() {
        return Err(ClusterError::LogOfOldVersion);
    }
    let path = directory.join("raft-log");
    let opened = tokio::task::spawn_blocking(move || Log::open(&path)).await;
    opened
        .map_err(|error| ClusterError::Log(error.to_string()))?
        .map_err(|error| ClusterError::Log(error.to_string()))
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts this controller's part, with log, state and snapshots beneath `directory`.
    ///
    /// # Errors
    /// If its files cannot be used.
    pub async fn start(
        id: ControllerId,
        directory: &Path,
        dial: Arc<dyn Dial>,
        prepare: Arc<dyn Prepare>,
    ) -> Result<Self, ClusterError> {
        std::fs::create_dir_all(directory)?;
        let log = open_log(directory).await?;
        log.lead_no_more(id.0);
        let store = Store::open_up_to(&directory.join("state"), prepare.max_feature_level()).await?;
        if log.is_new() && store.applied().borrow().position.is_some() {
            return Err(ClusterError::LogGone);
        }
        let machine = Machine::open(store.clone(), &directory.join("snapshots"), log.synced()).await?;
        let receiving = Receiving::new(machine.shelf().clone(), store.clone());
        let (sending, answering) = (Arc::new(Sending::default()), Arc::new(Answering::default()));
        let config = config::raft().validate().map_err(|error| ClusterError::Consensus(error.to_string()))?;
        let (hearing, belonging) = (Hearing::new(), Belonging::new());
        let lines = Lines::new(Arc::clone(&dial));
        let network = Network {
            dial: Arc::clone(&dial),
            lines: Arc::clone(&lines),
            hearing: Arc::clone(&hearing),
            belonging: Arc::clone(&belonging),
            sending: Arc::clone(&sending),
            answering: Arc::clone(&answering),
            synced: log.synced(),
        };
        let (synced, extent) = (log.synced(), log.extent());
        let raft = Raft::new(id.0, Arc::new(config), network, log, machine)
            .await
            .map_err(|error| ClusterError::Consensus(error.to_string()))?;

        let mut tasks = JoinSet::new();
        let canvass =
            Canvass { raft: raft.clone(), dial: Arc::clone(&dial), belonging: Arc::clone(&belonging) };
        tasks.spawn(election::run(canvass, Arc::clone(&hearing)));
        let compaction = Compaction {
            raft: raft.clone(),
            log: extent,
            store: store.clone(),
            sending,
            answering,
            retention: prepare.retention(),
        };
        tasks.spawn(compaction.run());
        let room = Arc::new(Room::default());
        tasks.spawn(Arc::clone(&room).look(directory.to_owned(), Arc::clone(&prepare)));
        let (sender, leadership) = watch::channel(Leadership::Follower { leader: None });
        let applying = Applying::follow(&store, raft.clone(), &mut tasks);
        tasks.spawn(leadership::publish(raft.clone(), Arc::clone(&applying), sender));
        let clock = Clock::new(raft.clone(), Arc::clone(&dial), Arc::clone(&prepare), Arc::clone(&belonging));
        let clock = Arc::new(clock);
        tasks.spawn(Arc::clone(&clock).keep_comparing());
        let means = Means {
            raft: raft.clone(),
            store: store.clone(),
            applying: Arc::clone(&applying),
            dial: Arc::clone(&dial),
            belonging: Arc::clone(&belonging),
            clock: Arc::clone(&clock),
        };
        tasks.spawn(Membership(means.clone()).run(leadership.clone()));
        tasks.spawn(Raising(means).run(leadership.clone()));
        let rounds = Rounds::start(raft.clone(), Arc::clone(&lines), &mut tasks);
        let (sender, leader) = watch::channel(None);
        tasks.spawn(leadership::publish_leader(raft.clone(), sender));
        tasks.spawn(Arc::clone(&belonging).follow(raft.clone(), store.clone(), applying.watch()));
        Ok(Self {
            inner: Arc::new(Inner {
                raft,
                hearing,
                synced,
                store,
                receiving,
                room,
                applying,
                leadership,
                leader,
                dial,
                lines,
                prepare,
                clock,
                belonging,
                rounds,
                copying: tokio::sync::Mutex::new(()),
                admission: Admission::default(),
                removing: tokio::sync::Mutex::new(()),
                _tasks: tasks,
            }),
        })
    }

    /// Returns when this controller takes no part any more: its disk has failed, or it was shut down.
    pub async fn stopped(&self) {
        let mut metrics = self.raft().metrics();
        // An error means that the library is gone, which is as much.
        let _ = metrics.wait_for(|now| now.running_state.is_err()).await;
    }

    /// Makes this controller, reachable at `address`, the first and only member of a new cluster.
    ///
    /// # Errors
    /// If it is a member already.
    pub async fn found(&self, address: &str) -> Result<(), ClusterError> {
        let first = [(self.id().0, BasicNode::new(address))];
        let founded = self.inner.raft.initialize(std::collections::BTreeMap::from(first)).await;
        founded.map_err(|error| ClusterError::Consensus(error.to_string()))
    }

    /// Stops taking part. What was acknowledged is on disk already.
    ///
    /// # Errors
    /// If the consensus library's tasks had failed.
    pub async fn shutdown(&self) -> Result<(), ClusterError> {
        self.inner.raft.shutdown().await.map_err(|error| ClusterError::Consensus(error.to_string()))
    }

    /// This controller's id.
    pub fn id(&self) -> ControllerId {
        ControllerId(self.inner.raft.metrics().borrow().id)
    }

    /// The feature level that the cluster is at, as this replica's state has it; `None` before there is a cluster.
    pub fn feature_level(&self) -> Option<u32> {
        *self.inner.store.feature_level().borrow()
    }

    /// The feature level that this controller goes up to.
    pub fn max_feature_level(&self) -> u32 {
        self.inner.store.max_feature_level()
    }

    /// Queries on this replica's state.
    pub fn state(&self) -> &Reader {
        self.inner.store.reader()
    }

    /// The log index up to which this replica's state is applied, followed as it moves.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.inner.applying.watch()
    }

    pub(crate) fn applying(&self) -> &Applying {
        &self.inner.applying
    }

    pub(crate) fn known_leader(&self) -> watch::Receiver<Option<u64>> {
        self.inner.leader.clone()
    }

    /// Who leads, followed as it changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Becomes `true` when this controller learns that it was removed from the cluster: what it has is old from then on,
    /// and stays so.
    pub fn removed(&self) -> watch::Receiver<bool> {
        self.inner.belonging.removed()
    }

    /// Who belongs to the cluster, as this replica's state has it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn roll(&self) -> Result<Roll, npanel_state::QueryError> {
        Roll::read(&self.inner.store).await
    }

    /// The replication as this controller sees it.
    pub fn status(&self) -> ClusterStatus {
        let metrics = self.inner.raft.metrics();
        let now = metrics.borrow();
        // While the membership changes, it takes a majority of the old voters and one of the new: a voter is
        // only counted on once it is in both.
        let configs = now.membership_config.membership().get_joint_config();
        let is_voter = |id: &u64| !configs.is_empty() && configs.iter().all(|voters| voters.contains(id));
        let matched = |id: &u64| now.replication.as_ref().and_then(|all| all.get(id).copied().flatten());
        let peer = |(id, node): (&u64, &BasicNode)| Peer {
            id: ControllerId(*id),
            address: node.addr.clone(),
            is_voter: is_voter(id),
            matched_index: matched(id).map(|id| id.index),
        };
        let is_led = canvass::leads(&now, SILENCE) || self.inner.hearing.followed_within(SILENCE);
        ClusterStatus {
            id: ControllerId(now.id),
            leader: now.current_leader.filter(|_| is_led).map(ControllerId),
            term: now.current_term,
            last_log_index: now.last_log_index.unwrap_or(0),
            applied_index: self.inner.applying.now(),
            peers: now.membership_config.nodes().map(peer).collect(),
            clock_seconds_ahead: self.inner.clock.seconds_ahead(),
        }
    }

    /// Makes a snapshot now and purges the log up to it, as far as is configured to be kept: before a backup,
    /// or to free disk space.
    ///
    /// # Errors
    /// If the snapshot cannot be made.
    pub async fn compact(&self) -> Result<(), ClusterError> {
        let failed = |error: &dyn std::fmt::Display| ClusterError::Consensus(error.to_string());
        let applied = self.inner.applying.now();
        let trigger = self.inner.raft.trigger();
        trigger.snapshot().await.map_err(|error| failed(&error))?;
        let covered = |metrics: &openraft::RaftMetrics<u64, BasicNode>| {
            metrics.running_state.is_err() || metrics.snapshot.is_some_and(|id| id.index >= applied)
        };
        let mut metrics = self.inner.raft.metrics();
        metrics.wait_for(covered).await.map_err(|error| failed(&error))?;
        trigger.purge_log(applied).await.map_err(|error| failed(&error))
    }

    /// Copies the state as it is at one moment, for a backup. No write waits for it; the next snapshot does, and one copy waits for
    /// another.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn copy_state(&self) -> Result<StateCopy, ClusterError> {
        let _one = self.inner.copying.lock().await;
        let path = self.inner.receiving.shelf().clear(COPYING)?;
        Ok(StateCopy::make(&self.inner.store, path).await?)
    }

    /// The time that a command would be given now if this controller led: not its own clock's if that is far from the
    /// others'.
    pub async fn time(&self) -> Timestamp {
        self.clock().stamp().await
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn rounds(&self) -> &Rounds {
        &self.inner.rounds
    }

    /// How long ago this controller last knew that what was decided had come to it: that a majority followed it, or that
    /// it followed a leader. `None`: not since it started.
    pub fn age(&self) -> Option<Duration> {
        let metrics = self.inner.raft.metrics();
        let now = metrics.borrow();
        if now.current_leader == Some(now.id) {
            return now.millis_since_quorum_ack.map(Duration::from_millis);
        }
        self.inner.hearing.followed_ago()
    }

    /// How much is under way, and what was not let in.
    pub fn admissions(&self) -> Admissions {
        self.inner.admission.usage()
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.inner.admission
    }

    pub(crate) fn removing(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.removing
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.inner.raft
    }

    pub(crate) fn hearing(&self) -> &Hearing {
        &self.inner.hearing
    }

    pub(crate) fn belonging(&self) -> &Belonging {
        &self.inner.belonging
    }

    pub(crate) fn dial(&self) -> &dyn Dial {
        self.inner.dial.as_ref()
    }

    /// To other controllers, for calls that need not be sure of who they reach now.
    pub(crate) fn lines(&self) -> &Arc<Lines> {
        &self.inner.lines
    }

    /// A connection of its own.
    pub(crate) fn channel(&self, controller: ControllerId, address: &str) -> Channel {
        self.inner.dial.channel(controller, address)
    }

    pub(crate) fn room(&self) -> &Room {
        &self.inner.room
    }

    pub(crate) fn receiving(&self) -> &Arc<Receiving> {
        &self.inner.receiving
    }

    pub(crate) fn synced(&self) -> &Synced {
        &self.inner.synced
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) async fn consult(&self, objects: &[ForeseenObject]) -> Vec<NodeAnswer> {
        self.inner.prepare.consult(objects).await
    }

    pub(crate) async fn prepare(&self, envelope: &mut Envelope, purpose: Purpose) -> Result<(), Refused> {
        self.inner.prepare.prepare(envelope, purpose, self.state()).await
    }

    pub(crate) fn settled(&self, envelope: &Envelope) {
        self.inner.prepare.settled(envelope);
    }

    pub(crate) async fn answer(&self, question: Question) -> Answer {
        self.inner.prepare.answer(question, self.state()).await
    }
}
