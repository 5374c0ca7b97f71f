//! One controller with its fleet port open on the loopback, and machines that dial it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use npanel_consensus::{Cluster, Dial, Leadership, Unprepared};
use npanel_model::{ControllerId, NodeId, TenantId, Timestamp};
use npanel_pki::{
    ApiKeyText, BootstrapToken, CertificateAuthority, ClusterId, ClusterKey, ClusterSecrets, Credentials,
    Identity, KeyFingerprint, Lifetimes, LiveCredentials, PrivateKey, Serial, TokenCredential, tls,
};
use npanel_proto::{
    command::{
        Certificate, CreateApiKey, CreateCluster, CreateToken, EnrolController, Envelope, Principal,
        envelope::Command, outcome::Outcome, principal::Who,
    },
    controller::{RaftMessage, controller_client::ControllerClient},
    enrolment::{EnrolRequest, EnrolResponse, Role, enrolment_client::EnrolmentClient},
};
use npanel_reconcile::NodeConnections;
use npanel_server::{
    authorities::Authorities,
    fleet::{self, FleetListener, FleetParts, Strangers},
};
use npanel_state::Reader;
use rustls::{ClientConfig, pki_types::CertificateDer};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

struct Alone;

impl Dial for Alone {
    fn channel(&self, _: ControllerId, _: &str) -> Channel {
        Endpoint::from_static("http://nobody.invalid").connect_lazy()
    }
}

pub(crate) struct Controller {
    pub(crate) address: SocketAddr,
    pub(crate) connections: NodeConnections,
    pub(crate) strangers: Strangers,
    /// The first API key, as if it were a bootstrap token.
    pub(crate) api_key: TokenCredential,
    cluster: Cluster,
    authority: CertificateAuthority,
    _tasks: JoinSet<()>,
    _directory: TempDir,
}

impl Controller {
    pub(crate) async fn start() -> Self {
        tls::install_provider();
        let directory = tempfile::tempdir().expect("a directory");
        let cluster_id = ClusterId::generate();
        let authority = CertificateAuthority::create(cluster_id, Timestamp::now()).expect("an authority");
        let secrets = ClusterSecrets::new(&authority, ClusterKey::generate());
        let authorities = Authorities::new(secrets, Lifetimes::default()).expect("authorities");
        let serial = Serial::generate();
        let credentials = issue(&authority, Identity::Controller(ControllerId(1)), serial, Timestamp::now());
        let cluster = Cluster::start(
            ControllerId(1),
            directory.path(),
            Arc::new(Alone),
            Arc::new(Unprepared::default()),
        )
        .await
        .expect("a controller");
        cluster.found("127.0.0.1:1").await.expect("a cluster");
        let mut leadership = cluster.leadership();
        leadership.wait_for(|now| matches!(now, Leadership::Leader { .. })).await.expect("a leader");

        let connections = NodeConnections::default();
        let first = EnrolController {
            controller_id: 1,
            name: "c1".into(),
            fleet_address: "127.0.0.1:1".into(),
            certificate: Some(Certificate {
                serial: serial.to_bytes(),
                not_after_millis: credentials.not_after().as_millis(),
                key_fingerprint: credentials.own().key.to_bytes(),
                ..Certificate::default()
            }),
            ..EnrolController::default()
        };
        let credentials = LiveCredentials::new(credentials);
        let strangers = fleet::strangers();
        let parts = FleetParts {
            cluster: cluster.clone(),
            connections: connections.clone(),
            credentials,
            authorities,
            strangers: strangers.clone(),
        };
        let listener = FleetListener::bind(([127, 0, 0, 1], 0).into(), parts).await.expect("a listener");
        let address = listener.local_address().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { match listener.serve().await {} });
        let (root, api_key) = (TenantId::generate(), ApiKeyText::generate());
        let shown = api_key.reveal();
        let shown = shown.expose().trim_start_matches("npk_").parse().expect("a credential");
        let controller = Self {
            address,
            api_key: shown,
            connections,
            strangers,
            cluster,
            authority,
            _tasks: tasks,
            _directory: directory,
        };
        controller
            .accept(Command::CreateCluster(CreateCluster {
                cluster_id: cluster_id.to_string(),
                root_tenant_id: root.to_bytes(),
                root_tenant_name: "platform".into(),
                wrapped_data_key: vec![1],
                first_controller: Some(first),
                first_key: Some(CreateApiKey {
                    api_key_id: api_key.id.to_bytes(),
                    tenant_id: root.to_bytes(),
                    name: "administrator".into(),
                    secret_hash: api_key.secret.hash().to_bytes(),
                    actions: vec!["*".into()],
                    ..CreateApiKey::default()
                }),
                name_server_domain: "nodes.example".into(),
                retention_seconds: 60,
                ..CreateCluster::default()
            }))
            .await;
        controller
    }

    pub(crate) fn state(&self) -> &Reader {
        self.cluster.state()
    }

    pub(crate) fn pin(&self) -> KeyFingerprint {
        self.authority.pin()
    }

    /// Another certificate of the controller itself.
    pub(crate) fn credentials(&self) -> Credentials {
        self.issue(Identity::Controller(ControllerId(1)), Serial::generate(), Timestamp::now())
    }

    /// A certificate of which the state knows nothing.
    pub(crate) fn issue(&self, identity: Identity, serial: Serial, now: Timestamp) -> Credentials {
        issue(&self.authority, identity, serial, now)
    }

    pub(crate) async fn accept(&self, command: Command) {
        self.accept_from(Who::ControllerId(1), command).await;
    }

    pub(crate) async fn accept_from(&self, who: Who, command: Command) {
        let envelope = Envelope {
            principal: Some(Principal { who: Some(who) }),
            command: Some(command),
            ..Envelope::default()
        };
        let outcome = self.cluster.propose(envelope).await.expect("decided").outcome;
        assert!(matches!(outcome, Some(Outcome::Accepted(_))), "{outcome:?}");
    }

    pub(crate) async fn token(&self, role: &str, uses: u32) -> BootstrapToken {
        self.token_for(role, uses, "").await
    }

    /// A token for one name; empty: any.
    pub(crate) async fn token_for(&self, role: &str, uses: u32, name: &str) -> BootstrapToken {
        let token = BootstrapToken::generate(self.pin());
        let TokenCredential { id, secret } = &token.credential;
        self.accept(Command::CreateToken(CreateToken {
            token_id: id.to_bytes(),
            role: role.into(),
            secret_hash: secret.hash().to_bytes(),
            uses,
            expires_millis: Timestamp::now().plus(Duration::from_secs(60)).as_millis(),
            pool: "default".into(),
            name: name.into(),
            ..CreateToken::default()
        }))
        .await;
        token
    }

    pub(crate) async fn dial(&self, config: Arc<ClientConfig>) -> TlsStream<TcpStream> {
        self.try_dial(config).await.expect("a handshake")
    }

    pub(crate) async fn try_dial(&self, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        TlsConnector::from(config).connect(tls::fleet_server_name(), stream).await
    }

    fn channel(&self, config: Arc<ClientConfig>) -> Channel {
        let address = self.address;
        let connector = tower::service_fn(move |_| {
            let config = Arc::clone(&config);
            async move {
                let stream = TcpStream::connect(address).await?;
                TlsConnector::from(config).connect(tls::fleet_server_name(), stream).await.map(TokioIo::new)
            }
        });
        Endpoint::from_static("http://controller.invalid").connect_with_connector_lazy(connector)
    }

    pub(crate) fn calls(&self, config: Arc<ClientConfig>) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel(config))
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let mut changes = self.connections.changes();
        let wait = async {
            while !condition() {
                changes.changed().await.expect("the registry lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .unwrap_or_else(|_| panic!("waited for: {what}"));
    }
}

pub(crate) fn issue(
    authority: &CertificateAuthority,
    identity: Identity,
    serial: Serial,
    now: Timestamp,
) -> Credentials {
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let issued = authority.issue(&request, identity, &[], serial, now).expect("a certificate");
    Credentials::new(key, issued.chain, vec![authority.certificate().clone()]).expect("credentials")
}

pub(crate) fn enrolment(controller: &Controller, pin: KeyFingerprint) -> EnrolmentClient<Channel> {
    EnrolmentClient::new(controller.channel(tls::enrolling_client(pin).expect("a configuration")))
}

/// What a machine does that was given a token.
pub(crate) async fn enrol_with(
    controller: &Controller,
    token: &BootstrapToken,
    role: Role,
    name: &str,
) -> (PrivateKey, Result<EnrolResponse, Status>) {
    enrol_up_to(controller, token, role, name, npanel_state::FEATURE_LEVEL).await
}

/// The same, of a controller that goes up to this feature level; 0: of a version that does not say so.
pub(crate) async fn enrol_up_to(
    controller: &Controller,
    token: &BootstrapToken,
    role: Role,
    name: &str,
    max_feature_level: u32,
) -> (PrivateKey, Result<EnrolResponse, Status>) {
    let key = PrivateKey::generate().expect("a key");
    let request = EnrolRequest {
        token: token.credential.reveal().expose().to_owned(),
        role: role.into(),
        certificate_request: key.certificate_request().expect("a request"),
        name: name.into(),
        fleet_address: if role == Role::Controller { "127.0.0.1:2".into() } else { String::new() },
        max_feature_level,
    };
    let answer = enrolment(controller, token.pin).enrol(request).await;
    (key, answer.map(tonic::Response::into_inner))
}

/// The enrolment service on a connection that was dialled for it.
pub(crate) async fn over(stream: TlsStream<TcpStream>) -> EnrolmentClient<Channel> {
    let mut once = Some(TokioIo::new(stream));
    let connect = tower::service_fn(move |_| {
        std::future::ready(once.take().ok_or_else(|| std::io::Error::other("the connection has ended")))
    });
    let endpoint = Endpoint::from_static("http://controller.invalid");
    EnrolmentClient::new(endpoint.connect_with_connector(connect).await.expect("a channel"))
}

pub(crate) fn credentials_of(key: PrivateKey, chain: Vec<Vec<u8>>, cas: Vec<Vec<u8>>) -> Credentials {
    let certificates = |all: Vec<Vec<u8>>| all.into_iter().map(CertificateDer::from).collect();
    Credentials::new(key, certificates(chain), certificates(cas)).expect("credentials")
}

pub(crate) fn joined(key: PrivateKey, answer: EnrolResponse) -> Credentials {
    let credentials = credentials_of(key, answer.certificate_chain, answer.trusted_cas);
    assert_eq!(credentials.id().to_string(), answer.identity);
    credentials
}

/// A node of the fleet.
pub(crate) async fn node_credentials(controller: &Controller) -> Credentials {
    let token = controller.token("node", 1).await;
    let name = format!("n{}", NodeId::generate());
    let (key, answer) = enrol_with(controller, &token, Role::Node, &name).await;
    joined(key, answer.expect("enrolled"))
}

pub(crate) fn raft_message() -> RaftMessage {
    RaftMessage { payload: vec![1, 2, 3], ..RaftMessage::default() }
}

/// Reads until the other end is gone.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut heard = [0; 1024];
    let wait = async { while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the connection is closed");
}
