//! A cluster of one controller that leads, and its loops.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use npanel_cloud::{Courier, FixedAddresses, Outgoing, Outside};
use npanel_consensus::{Cluster, Dial, Leadership, Prepare, Purpose};
use npanel_model::{
    AccountId, ControllerId, DomainId, Network, NodeId, OperationId, PlanId, TenantId, Timestamp, TokenId,
    ZoneId,
};
use npanel_pki::{ClusterKey, ClusterKeys, DataKey, LiveClusterKeys, TokenSecret};
use npanel_proto::command::{
    Certificate, CreateAccount, CreateCluster, CreateDomain, CreatePlan, CreateToken, CreateZone,
    EnrolController, EnrolNode, Envelope, Principal, Refused, envelope::Command, outcome::Outcome,
    principal::Who,
};
use npanel_proto::controller::{Answer, Question};
use npanel_reconcile::{Anchor, Liveness, NodeConnections, Placing, Reconciler, Registration};
use npanel_state::Reader;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};
use tonic::transport::{Channel, Endpoint};

use crate::played_node::PlayedNode;

struct Alone;

impl Dial for Alone {
    fn channel(&self, _: ControllerId, _: &str) -> Channel {
        Endpoint::from_static("http://nobody.invalid").connect_lazy()
    }
}

/// Placement, with a gate between what is chosen and what is proposed.
struct Gated {
    placing: Arc<Placing>,
    gate: watch::Receiver<bool>,
    days_ahead: Arc<AtomicI64>,
}

impl Prepare for Gated {
    fn prepare<'a>(
        &'a self,
        envelope: &'a mut Envelope,
        purpose: Purpose,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(async move {
            let prepared = self.placing.prepare(envelope, purpose, state).await;
            if matches!(envelope.command, Some(Command::CreateAccount(_))) {
                self.gate.clone().wait_for(|is_open| *is_open).await.expect("the fleet holds the gate");
            }
            prepared
        })
    }

    fn now(&self) -> Timestamp {
        let ahead = self.days_ahead.load(Ordering::Relaxed) * 86_400_000;
        Timestamp::from_millis(Timestamp::now().as_millis() + ahead)
    }

    fn settled(&self, envelope: &Envelope) {
        self.placing.settled(envelope);
    }

    fn answer<'a>(
        &'a self,
        question: Question,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        self.placing.answer(question, state)
    }
}

pub(crate) struct Fleet {
    pub(crate) root: TenantId,
    pub(crate) data_key: DataKey,
    pub(crate) keys: LiveClusterKeys,
    pub(crate) liveness: Liveness,
    connections: NodeConnections,
    pub(crate) placing: Arc<Placing>,
    /// Accounts whose nodes are chosen are proposed while it is open.
    pub(crate) gate: watch::Sender<bool>,
    /// How far the controller's clock is ahead.
    pub(crate) days_ahead: Arc<AtomicI64>,
    cluster: Cluster,
    pub(crate) plan: PlanId,
    loops: Reconciler,
    tasks: JoinSet<()>,
    _directory: TempDir,
}

pub(crate) struct Created {
    pub(crate) id: AccountId,
    pub(crate) operation: OperationId,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::led(None, None).await
    }

    /// Whose checkpoints of the audit are kept outside, too.
    pub(crate) async fn anchored(anchor: Anchor) -> Self {
        Self::led(Some(anchor), None).await
    }

    /// Which tells webhooks, also those in these networks.
    pub(crate) async fn telling(networks: &[Network]) -> Self {
        Self::led(None, Some(courier(networks))).await
    }

    async fn led(anchor: Option<Anchor>, courier: Option<Courier>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (liveness, connections) = (Liveness::default(), NodeConnections::default());
        let (key, data_key, root) = (ClusterKey::generate(), DataKey::generate(), TenantId::generate());
        let keys = LiveClusterKeys::new(ClusterKeys::new(key.clone()));
        let placing = Arc::new(Placing::new(liveness.clone()));
        let gate = watch::Sender::new(true);
        let days_ahead = Arc::<AtomicI64>::default();
        let gated = Arc::new(Gated {
            placing: Arc::clone(&placing),
            gate: gate.subscribe(),
            days_ahead: Arc::clone(&days_ahead),
        });
        let cluster = Cluster::start(ControllerId(1), directory.path(), Arc::new(Alone), gated)
            .await
            .expect("a controller");
        cluster.found("127.0.0.1:1").await.expect("a cluster");
        let mut leadership = cluster.leadership();
        leadership.wait_for(|now| matches!(now, Leadership::Leader { .. })).await.expect("a leader");
        let loops = Reconciler::new(cluster.clone(), connections.clone(), liveness.clone(), keys.clone())
            .anchoring(anchor);
        let loops = match courier {
            Some(courier) => loops.telling(courier),
            None => loops,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(loops.clone().run());
        let fleet = Self {
            loops,
            root,
            liveness,
            connections,
            placing,
            gate,
            days_ahead,
            cluster,
            plan: PlanId::generate(),
            tasks,
            _directory: directory,
            data_key,
            keys,
        };
        fleet
            .accept(Command::CreateCluster(CreateCluster {
                cluster_id: "0190163d-8694-739b-aea5-966c26f8ad91".into(),
                root_tenant_id: root.to_bytes(),
                root_tenant_name: "platform".into(),
                wrapped_data_key: key.wrap(root, &fleet.data_key).expect("wrapped"),
                name_server_domain: "nodes.example".into(),
                retention_seconds: 60,
                first_controller: Some(controller(1)),
                ..CreateCluster::default()
            }))
            .await;
        fleet
            .accept(Command::CreatePlan(CreatePlan {
                plan_id: fleet.plan.to_bytes(),
                tenant_id: root.to_bytes(),
                name: "small".into(),
                disk_mb: 1000,
                domains: None,
                databases: None,
                php_version: "8.2".into(),
                ..CreatePlan::default()
            }))
            .await;
        fleet
    }

    /// What a leader does is done no longer.
    pub(crate) fn lose_leader(&mut self) {
        self.tasks = JoinSet::new();
    }

    /// It is done again, by one that knows nothing but the state.
    pub(crate) fn lead_anew(&mut self) {
        self.tasks.spawn(self.loops.clone().run());
    }

    pub(crate) fn state(&self) -> &Reader {
        self.cluster.state()
    }

    pub(crate) async fn propose(&self, command: Command) -> Option<Outcome> {
        let envelope = Envelope {
            principal: Some(Principal { who: Some(Who::ControllerId(1)) }),
            command: Some(command),
            ..Envelope::default()
        };
        self.cluster.propose(envelope).await.expect("decided").outcome
    }

    pub(crate) async fn accept(&self, command: Command) {
        let outcome = self.propose(command).await;
        assert!(matches!(outcome, Some(Outcome::Accepted(_))), "{outcome:?}");
    }

    pub(crate) async fn enrol_controller(&self, id: u64) {
        let (token, secret) = self.token("controller").await;
        let enrol = EnrolController {
            token_id: token.to_bytes(),
            token_secret_hash: secret.hash().to_bytes(),
            ..controller(id)
        };
        self.accept(Command::EnrolController(enrol)).await;
    }

    async fn token(&self, role: &str) -> (TokenId, TokenSecret) {
        let (token, secret) = (TokenId::generate(), TokenSecret::generate());
        self.accept(Command::CreateToken(CreateToken {
            token_id: token.to_bytes(),
            role: role.into(),
            secret_hash: secret.hash().to_bytes(),
            uses: 1,
            expires_millis: Timestamp::now().plus(Duration::from_secs(60)).as_millis(),
            pool: "default".into(),
            ..CreateToken::default()
        }))
        .await;
        (token, secret)
    }

    pub(crate) async fn enrol(&self, name: &str) -> NodeId {
        let node = NodeId::generate();
        let (token, secret) = self.token("node").await;
        self.accept(Command::EnrolNode(EnrolNode {
            node_id: node.to_bytes(),
            name: name.into(),
            certificate: Some(Certificate {
                serial: node.to_bytes(),
                not_after_millis: Timestamp::now().as_millis(),
                key_fingerprint: vec![1; 32],
                ..Certificate::default()
            }),
            token_id: token.to_bytes(),
            token_secret_hash: secret.hash().to_bytes(),
        }))
        .await;
        node
    }

    /// Connects the node and waits until the leader knows its roles.
    pub(crate) async fn connect(&self, id: NodeId, node: &PlayedNode) -> Registration {
        let registration = self.connections.register(id, node.serve().await);
        self.until("the node is known", async || {
            !self.state().node(id).await.expect("a query").expect("a node").roles.is_empty()
        })
        .await;
        registration
    }

    /// Connects a node that the leader knows, and waits until it knows the roles that it has now.
    pub(crate) async fn connect_again(&self, id: NodeId, node: &PlayedNode) -> Registration {
        let registration = self.connections.register(id, node.serve().await);
        self.until("the node's roles are known", async || {
            self.state().node(id).await.expect("a query").expect("a node").roles.len() == node.roles()
        })
        .await;
        registration
    }

    pub(crate) fn account_command(&self, id: AccountId, username: &str, domain: &str) -> Command {
        let operation_id = OperationId::generate().to_bytes();
        let zone = CreateZone {
            zone_id: ZoneId::generate().to_bytes(),
            account_id: id.to_bytes(),
            name: domain.into(),
            provider: "powerdns".into(),
            operation_id: operation_id.clone(),
            ..CreateZone::default()
        };
        Command::CreateAccount(CreateAccount {
            account_id: id.to_bytes(),
            tenant_id: self.root.to_bytes(),
            plan_id: self.plan.to_bytes(),
            username: username.into(),
            domain: Some(CreateDomain {
                domain_id: DomainId::generate().to_bytes(),
                account_id: id.to_bytes(),
                name: domain.into(),
                document_root: format!("web/{domain}"),
                operation_id: operation_id.clone(),
                zone: Some(zone),
            }),
            operation_id,
            ..CreateAccount::default()
        })
    }

    pub(crate) async fn create_account(&self, username: &str, domain: &str) -> Created {
        let id = AccountId::generate();
        let command = self.account_command(id, username, domain);
        let Command::CreateAccount(body) = &command else { panic!("another command") };
        let operation = OperationId::from_bytes(&body.operation_id).expect("an id");
        self.accept(command).await;
        Created { id, operation }
    }

    pub(crate) async fn is_finished(&self, operation: OperationId) -> bool {
        let found = self.state().operation(self.root, operation).await.expect("a query");
        found.is_some_and(|operation| operation.finished_at.is_some())
    }

    /// Waits for a condition of the state or a node. Each change of the state is a reason to look again, and so is
    /// a little time, because what nodes do is not a change of the state.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let mut applied = self.cluster.applied();
        let wait = async {
            while !condition().await {
                let _ = tokio::time::timeout(Duration::from_millis(20), applied.changed()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .unwrap_or_else(|_| panic!("waited for: {what}"));
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
            key_fingerprint: vec![1; 32],
            ..Certificate::default()
        }),
        ..EnrolController::default()
    }
}

/// Which delivers messages in these networks, too.
fn courier(networks: &[Network]) -> Courier {
    let outside = Outside { allowed: networks.to_vec(), ..Outside::default() };
    Courier::new(Outgoing::new(outside, Arc::new(FixedAddresses::default())).expect("a way out"))
}
