//! Controllers in one process, each with its own files, joined by pipes that can be cut.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use npanel_consensus::{
    Cluster, ClusterError, ControllerService, Dial, JoinKeys, Leadership, Prepare, Purpose, Roll,
    refused_as_removed,
};
use npanel_model::{ApiKeyId, ControllerId, RequestId, TenantId, Timestamp};
use npanel_pki::Identity;
use npanel_proto::command::{
    Accepted, Certificate, CreateApiKey, CreateCluster, CreateTenant, CreateToken, EnrolController, Envelope,
    Outcome, Principal, Refused, RemoveController, ReplaceController, envelope::Command, outcome,
    principal::Who,
};
use npanel_state::Reader;
use tokio::{
    io::DuplexStream,
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tonic::transport::{Channel, Endpoint, Server};

/// Longer than any election here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const HASH: [u8; 32] = [7; 32];

type Doors = Arc<Mutex<HashMap<u64, mpsc::UnboundedSender<DuplexStream>>>>;

struct NoKeys;

impl JoinKeys for NoKeys {
    fn seal_for(&self, _: ControllerId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A preparation that can be made to find nothing.
struct Preparing {
    refuses: Arc<AtomicBool>,
    /// How far the member's clock is ahead, in milliseconds.
    ahead: Arc<AtomicI64>,
    /// What is free of its disk.
    free: Arc<AtomicU64>,
    max_feature_level: u32,
}

impl Prepare for Preparing {
    fn prepare<'a>(
        &'a self,
        _: &'a mut Envelope,
        _: Purpose,
        _: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        let refused =
            Refused { code: "no_node".into(), message: "nothing is connected".into(), field: String::new() };
        let answer = if self.refuses.load(Ordering::Relaxed) { Err(refused) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(Timestamp::now().as_millis() + self.ahead.load(Ordering::Relaxed))
    }

    fn max_feature_level(&self) -> u32 {
        self.max_feature_level
    }

    fn free_space(&self, _: &std::path::Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::Relaxed))
    }
}

struct Pipes {
    own: u64,
    doors: Doors,
}

/// What a call is for: its path.
#[derive(Clone)]
struct Call(String);

/// What becomes of calls between members.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Those who neither reach others nor are reached.
    pub(crate) cut_off: Mutex<BTreeSet<u64>>,
    /// Calls of theirs that came to nothing.
    pub(crate) lost: watch::Sender<usize>,
    /// One who is cut off as soon as it has received two megabytes of a snapshot, and where it keeps that.
    pub(crate) cut_halfway: Mutex<Option<(u64, PathBuf)>>,
    /// Whether nobody is told the time.
    pub(crate) keeps_time_secret: AtomicBool,
    /// Calls for the time that were refused for that.
    pub(crate) time_refused: watch::Sender<usize>,
    /// Who belongs to the cluster, as each member has it.
    rolls: Mutex<HashMap<u64, Roll>>,
}

/// The snapshot that is being received in a directory, and how much of it there is.
pub(crate) fn received(snapshots: &std::path::Path) -> Option<(PathBuf, u64)> {
    let mut files = std::fs::read_dir(snapshots).ok()?.flatten();
    let file = files.find(|file| file.file_name().to_string_lossy().starts_with("receiving-"))?;
    Some((file.path(), file.metadata().ok()?.len()))
}

impl Traffic {
    fn cut_if_halfway(&self, at: u64) {
        let mut halfway = self.cut_halfway.lock().expect("no panic");
        let is_halfway = |(id, snapshots): &mut (u64, PathBuf)| {
            *id == at && received(snapshots).is_some_and(|(_, have)| have >= 2 << 20)
        };
        if halfway.take_if(is_halfway).is_some() {
            self.cut_off.lock().expect("no panic").insert(at);
        }
    }

    fn admit(&self, at: u64, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        let agent = request.metadata().get("user-agent").and_then(|agent| agent.to_str().ok());
        let caller = agent.and_then(|agent| agent.split(' ').next()?.parse().ok()).expect("a member calls");
        self.cut_if_halfway(at);
        let is_in = |set: &Mutex<BTreeSet<u64>>, id| set.lock().expect("no panic").contains(&id);
        if is_in(&self.cut_off, caller) || is_in(&self.cut_off, at) {
            self.lost.send_modify(|lost| *lost += usize::from(is_in(&self.cut_off, caller)));
            return Err(tonic::Status::unavailable("cut off"));
        }
        let asks_time = request.extensions().get::<Call>().is_some_and(|call| call.0.ends_with("/Clock"));
        if asks_time && self.keeps_time_secret.load(Ordering::Relaxed) {
            self.time_refused.send_modify(|refused| *refused += 1);
            return Err(tonic::Status::unavailable("the time is not told"));
        }
        // As the fleet's port does.
        let rolls = self.rolls.lock().expect("no panic");
        if rolls.get(&at).is_some_and(|roll| roll.is_gone(ControllerId(caller))) {
            return Err(refused_as_removed());
        }
        request.extensions_mut().insert(Identity::Controller(ControllerId(caller)));
        Ok(request)
    }
}

/// Keeps a member's roll up to date.
async fn call_the_roll(id: u64, cluster: Cluster, traffic: Arc<Traffic>) {
    let mut applied = cluster.applied();
    loop {
        applied.borrow_and_update();
        let Ok(roll) = cluster.roll().await else { return };
        traffic.rolls.lock().expect("no panic").insert(id, roll);
        if applied.changed().await.is_err() {
            return;
        }
    }
}

impl Dial for Pipes {
    fn channel(&self, controller: ControllerId, _address: &str) -> Channel {
        let doors = Arc::clone(&self.doors);
        let connector = tower::service_fn(move |_| {
            let door = doors.lock().expect("no panic").get(&controller.0).cloned();
            async move {
                let (ours, theirs) = tokio::io::duplex(1 << 20);
                let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
                door.ok_or_else(refused)?.send(theirs).map_err(|_| refused())?;
                Ok::<_, io::Error>(TokioIo::new(ours))
            }
        });
        Endpoint::from_static("http://controller.invalid")
            .user_agent(self.own.to_string())
            .expect("a number is a header's value")
            .connect_with_connector_lazy(connector)
    }
}

/// A running controller.
pub(crate) struct Member {
    pub(crate) cluster: Cluster,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) ahead: Arc<AtomicI64>,
    /// What is free of its disk.
    pub(crate) free: Arc<AtomicU64>,
    server: JoinHandle<()>,
    roll: JoinHandle<()>,
    /// The connections to it.
    lines: Arc<Mutex<JoinSet<()>>>,
}

/// All of them.
pub(crate) struct Members {
    directory: tempfile::TempDir,
    doors: Doors,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) running: HashMap<u64, Member>,
    pub(crate) root: TenantId,
    pub(crate) admin: ApiKeyId,
    pub(crate) refuse_preparation: Arc<AtomicBool>,
    /// The feature level that each goes up to when it is started next.
    pub(crate) levels: HashMap<u64, u32>,
}

impl Members {
    /// A cluster of `count`, all voters.
    pub(crate) async fn start(count: u64) -> Self {
        Self::start_at(count, npanel_state::FEATURE_LEVEL).await
    }

    /// The same, where all go up to this feature level.
    pub(crate) async fn start_at(count: u64, level: u32) -> Self {
        let mut members = Self {
            directory: tempfile::tempdir().expect("a directory"),
            doors: Doors::default(),
            traffic: Arc::default(),
            running: HashMap::new(),
            root: TenantId::generate(),
            admin: ApiKeyId::generate(),
            refuse_preparation: Arc::default(),
            levels: (1..=count).map(|id| (id, level)).collect(),
        };
        members.run(1).await;
        members.member(1).found("c1.example:1").await.expect("founded");
        members.leader_among(&[1]).await;
        members.accept(1, Who::ControllerId(1), members.first_command()).await;
        for id in 2..=count {
            members.enrol(id).await;
            members.run(id).await;
        }
        members.wait_for_voters(count).await;
        members
    }

    pub(crate) fn path(&self, id: u64) -> PathBuf {
        self.directory.path().join(format!("c{id}"))
    }

    /// Starts (again) a controller on its files.
    pub(crate) async fn run(&mut self, id: u64) {
        self.try_run(id).await.expect("it starts");
    }

    /// The same, if it can be.
    pub(crate) async fn try_run(&mut self, id: u64) -> Result<(), ClusterError> {
        let max_feature_level = self.levels.get(&id).copied().unwrap_or(npanel_state::FEATURE_LEVEL);
        let dial = Arc::new(Pipes { own: id, doors: Arc::clone(&self.doors) });
        let path = self.path(id);
        let ahead = Arc::default();
        let refuses = Arc::clone(&self.refuse_preparation);
        let free = Arc::new(AtomicU64::new(1 << 40));
        let prepare =
            Preparing { refuses, ahead: Arc::clone(&ahead), free: Arc::clone(&free), max_feature_level };
        let cluster = Cluster::start(ControllerId(id), &path, dial, Arc::new(prepare)).await?;
        let (door, visitors) = mpsc::unbounded_channel::<DuplexStream>();
        let lines: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let of_member = Arc::clone(&lines);
        // Through a line of its own, which ends with the member, as those of a process do.
        let connect = move |mut outside: DuplexStream| {
            let (mut line, inside) = tokio::io::duplex(1 << 20);
            of_member.lock().expect("no panic").spawn(async move {
                drop(tokio::io::copy_bidirectional(&mut outside, &mut line).await);
            });
            Ok::<_, io::Error>(inside)
        };
        let incoming = tokio_stream::StreamExt::map(
            tokio_stream::wrappers::UnboundedReceiverStream::new(visitors),
            connect,
        );
        let service = ControllerService::server(cluster.clone(), Arc::new(NoKeys));
        let traffic = Arc::clone(&self.traffic);
        let checked = tonic::service::interceptor::InterceptedService::new(service, move |request| {
            traffic.admit(id, request)
        });
        let server = tokio::spawn(async move {
            let named = tower::util::MapRequestLayer::new(|mut request: tonic::codegen::http::Request<_>| {
                let call = Call(request.uri().path().to_owned());
                request.extensions_mut().insert(call);
                request
            });
            let served =
                Server::builder().layer(named).add_service(checked).serve_with_incoming(incoming).await;
            drop(served);
        });
        self.doors.lock().expect("no panic").insert(id, door);
        let roll = tokio::spawn(call_the_roll(id, cluster.clone(), Arc::clone(&self.traffic)));
        self.running.insert(id, Member { cluster, server, roll, ahead, free, lines });
        Ok(())
    }

    /// A line to a member, as another member has it.
    #[cfg(feature = "failpoints")]
    pub(crate) fn line(&self, from: u64, to: u64) -> Channel {
        Pipes { own: from, doors: Arc::clone(&self.doors) }.channel(ControllerId(to), "")
    }

    /// Takes a controller away without a word.
    pub(crate) async fn kill(&mut self, id: u64) {
        self.doors.lock().expect("no panic").remove(&id);
        let member = self.running.remove(&id).expect("it runs");
        member.server.abort();
        member.lines.lock().expect("no panic").abort_all();
        member.roll.abort();
        member.cluster.shutdown().await.expect("its tasks end");
    }

    /// Cuts a member off from the others, on the connections that are there, too.
    pub(crate) fn cut_off(&self, id: u64) {
        self.traffic.cut_off.lock().expect("no panic").insert(id);
    }

    pub(crate) fn join_again(&self, id: u64) {
        self.traffic.cut_off.lock().expect("no panic").remove(&id);
    }

    /// Waits until this one knows that it was removed.
    pub(crate) async fn wait_for_farewell(&self, id: u64) {
        let mut removed = self.member(id).removed();
        timeout(PATIENCE, removed.wait_for(|removed| *removed)).await.expect("in time").expect("it runs");
    }

    pub(crate) fn member(&self, id: u64) -> &Cluster {
        &self.running[&id].cluster
    }

    fn first_command(&self) -> Command {
        Command::CreateCluster(CreateCluster {
            cluster_id: "test".into(),
            root_tenant_id: self.root.to_bytes(),
            root_tenant_name: "platform".into(),
            wrapped_data_key: vec![1],
            first_key: Some(CreateApiKey {
                api_key_id: self.admin.to_bytes(),
                tenant_id: self.root.to_bytes(),
                name: "admin".into(),
                secret_hash: HASH.to_vec(),
                actions: vec!["*".into()],
                ..CreateApiKey::default()
            }),
            first_controller: Some(controller(1)),
            name_server_domain: "ns.example".into(),
            retention_seconds: 3600,
            ..CreateCluster::default()
        })
    }

    pub(crate) async fn enrol(&self, id: u64) {
        self.enrol_at(1, id).await;
    }

    /// By way of controller `at`.
    pub(crate) async fn enrol_at(&self, at: u64, id: u64) {
        let create = controller_token();
        let token = create.token_id.clone();
        self.accept(at, self.by_admin(), Command::CreateToken(create)).await;
        self.enrol_with(at, id, token).await;
    }

    /// Enrols a controller with a token that is there.
    pub(crate) async fn enrol_with(&self, at: u64, id: u64, token: Vec<u8>) {
        let enrol = Command::EnrolController(EnrolController {
            token_id: token.clone(),
            token_secret_hash: HASH.to_vec(),
            ..controller(id)
        });
        self.accept(at, Who::TokenId(token), enrol).await;
    }

    /// What becomes of a removal that is asked for at `at`.
    pub(crate) async fn remove(&self, at: u64, id: u64) -> Result<(), Refused> {
        let command = Command::RemoveController(RemoveController { controller_id: id });
        self.decide(at, envelope(self.by_admin(), command)).await.map(drop)
    }

    /// What becomes of a replacement that is asked for at `at`: the token for whoever takes the place.
    pub(crate) async fn replace(&self, at: u64, id: u64, even_if_alive: bool) -> Result<Vec<u8>, Refused> {
        let (command, token) = replacement(id, even_if_alive);
        self.decide(at, envelope(self.by_admin(), command)).await.map(|_| token)
    }

    /// What becomes of a request that may have been made before.
    pub(crate) async fn decide(&self, at: u64, request: Envelope) -> Result<Accepted, Refused> {
        let outcome = self.member(at).propose(request).await.expect("decided");
        match outcome.outcome.expect("an outcome") {
            outcome::Outcome::Accepted(accepted) => Ok(accepted),
            outcome::Outcome::Refused(refused) => Err(refused),
        }
    }

    /// Waits until these, and no others, vote, as each of them says.
    pub(crate) async fn wait_for_members(&self, ids: &[u64]) {
        for id in ids {
            let cluster = self.member(*id);
            let mut applied = cluster.applied();
            let same = || {
                let peers = cluster.status().peers;
                peers.iter().map(|peer| peer.id.0).eq(ids.iter().copied())
                    && peers.iter().all(|peer| peer.is_voter)
            };
            let all = async {
                while !same() {
                    // Whatever moves the members is in the log.
                    let _ = timeout(Duration::from_millis(100), applied.changed()).await;
                }
            };
            timeout(PATIENCE, all).await.expect("the members in time");
        }
    }

    /// A command that makes a tenant.
    pub(crate) fn tenant(&self, id: TenantId, name: &str) -> Command {
        Command::CreateTenant(CreateTenant {
            tenant_id: id.to_bytes(),
            parent_id: self.root.to_bytes(),
            name: name.into(),
            wrapped_data_key: vec![1],
            account_limit: None,
            may_oversell: false,
            ..CreateTenant::default()
        })
    }

    pub(crate) fn by_admin(&self) -> Who {
        Who::ApiKeyId(self.admin.to_bytes())
    }

    pub(crate) async fn accept(&self, at: u64, who: Who, command: Command) -> Outcome {
        let outcome = self.member(at).propose(envelope(who, command)).await.expect("decided");
        assert!(matches!(outcome.outcome, Some(outcome::Outcome::Accepted(_))), "{outcome:?}");
        outcome
    }

    /// Waits until one of these controllers leads, and returns it.
    pub(crate) async fn leader_among(&self, ids: &[u64]) -> u64 {
        let wait_for_one = |id: u64| {
            let mut leadership = self.member(id).leadership();
            Box::pin(async move {
                leadership.wait_for(|now| matches!(now, Leadership::Leader { .. })).await.expect("it runs");
                id
            })
        };
        let first = futures::future::select_all(ids.iter().map(|id| wait_for_one(*id)));
        timeout(PATIENCE, first).await.expect("a leader in time").0
    }

    async fn wait_for_voters(&self, count: u64) {
        let count = usize::try_from(count).expect("a small number");
        for id in self.running.keys() {
            let cluster = self.member(*id);
            let mut applied = cluster.applied();
            let voters =
                |cluster: &Cluster| cluster.status().peers.iter().filter(|peer| peer.is_voter).count();
            let all = async {
                while voters(cluster) < count {
                    applied.changed().await.expect("it runs");
                }
            };
            timeout(PATIENCE, all).await.expect("all vote in time");
        }
    }
}

pub(crate) fn envelope(who: Who, command: Command) -> Envelope {
    Envelope {
        principal: Some(Principal { who: Some(who) }),
        request_id: RequestId::generate().to_bytes(),
        command: Some(command),
        ..Envelope::default()
    }
}

/// A command that lets another take the place of `id`, and the token for it.
pub(crate) fn replacement(id: u64, even_if_alive: bool) -> (Command, Vec<u8>) {
    let create = controller_token();
    let token = create.token_id.clone();
    let body = ReplaceController { controller_id: id, token: Some(create), even_if_alive };
    (Command::ReplaceController(body), token)
}

fn controller_token() -> CreateToken {
    CreateToken {
        token_id: npanel_model::TokenId::generate().to_bytes(),
        role: "controller".into(),
        secret_hash: HASH.to_vec(),
        uses: 1,
        expires_millis: Timestamp::now().as_millis() + 600_000,
        pool: "default".into(),
        ..CreateToken::default()
    }
}

fn controller(id: u64) -> EnrolController {
    EnrolController {
        controller_id: id,
        name: format!("c{id}"),
        fleet_address: format!("c{id}.example:1"),
        certificate: Some(Certificate {
            serial: id.to_be_bytes().to_vec(),
            not_after_millis: i64::MAX,
            key_fingerprint: HASH.to_vec(),
            ..Certificate::default()
        }),
        ..EnrolController::default()
    }
}
