//! The daemon renews its certificate by itself, and its connections outlive it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use npanel_model::{ControllerId, NodeId, Timestamp};
use npanel_pki::{
    CertificateAuthority, ChannelBinding, Credentials, Identity, IdentityFiles, Lifetimes, Peer, PrivateKey,
    Serial, lifetime, tls,
};
use npanel_proto::{
    ALPN_NODE,
    enrolment::{
        EnrolRequest, EnrolResponse, RenewRequest, RenewResponse,
        enrolment_server::{Enrolment, EnrolmentServer},
    },
    node::{HeartbeatRequest, node_client::NodeClient},
};
use rustls_pki_types::CertificateDer;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    executor::FakeExecutor,
    offers::FENCE,
    place::{Daemon, PATIENCE, authority, config, credentials},
};

/// What the controller heard, in order.
enum Heard {
    /// The node dialled, and showed this.
    Node(Peer, NodeClient<Channel>),
    /// A certificate was renewed, by who showed this.
    Renewal(Peer),
}

/// A controller that renews whatever is proved, and calls nodes.
struct Controller {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
}

/// The enrolment service on one connection.
#[derive(Clone)]
struct Renewing {
    authority: Arc<CertificateAuthority>,
    binding: ChannelBinding,
    heard: mpsc::UnboundedSender<Heard>,
}

#[tonic::async_trait]
impl Enrolment for Renewing {
    async fn enrol(&self, _: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        Err(Status::unimplemented("nobody enrols here"))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let request = request.into_inner();
        let shown = CertificateDer::from(request.certificate);
        let peer = self
            .binding
            .check(&shown, &request.certificate_request, &request.proof)
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        let identity = peer.id.identity;
        let issued = self
            .authority
            .issue(&request.certificate_request, identity, &[], Serial::generate(), Timestamp::now())
            .expect("a certificate");
        self.heard.send(Heard::Renewal(peer)).expect("the test listens");
        Ok(Response::new(RenewResponse {
            certificate_chain: issued.chain.iter().map(|one| one.to_vec()).collect(),
            trusted_cas: vec![self.authority.certificate().to_vec()],
        }))
    }
}

impl Controller {
    async fn of(authority: Arc<CertificateAuthority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let own = credentials(&authority, Identity::Controller(ControllerId(1)));
        let acceptor = TlsAcceptor::from(tls::fleet_server(&own).expect("TLS"));
        let (sender, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let connection = stream.get_ref().1;
                let binding = ChannelBinding::of(connection).expect("a binding");
                let peer = tls::peer(connection).expect("an identity");
                if connection.alpn_protocol() == Some(ALPN_NODE) {
                    let peer = peer.expect("a node shows its certificate");
                    let mut once = Some(TokioIo::new(stream));
                    let connect = tower::service_fn(move |_| {
                        std::future::ready(once.take().ok_or_else(|| io::Error::other("it has ended")))
                    });
                    let endpoint = Endpoint::from_static("http://node.invalid");
                    let channel = endpoint.connect_with_connector(connect).await.expect("a channel");
                    if sender.send(Heard::Node(peer, NodeClient::new(channel))).is_err() {
                        return;
                    }
                } else {
                    let renewing =
                        Renewing { authority: Arc::clone(&authority), binding, heard: sender.clone() };
                    let service = TowerToHyperService::new(EnrolmentServer::new(renewing));
                    tokio::spawn(
                        http2::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service),
                    );
                }
            }
        });
        Self { address, heard }
    }

    async fn next(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("something in time").expect("the controller lives")
    }

    async fn node(&mut self) -> (Peer, NodeClient<Channel>) {
        match self.next().await {
            Heard::Node(peer, client) => (peer, client),
            Heard::Renewal(_) => panic!("a renewal before the node dialled"),
        }
    }

    async fn renewal(&mut self) -> Peer {
        match self.next().await {
            Heard::Renewal(peer) => peer,
            Heard::Node(..) => panic!("the node dialled before its renewal"),
        }
    }
}

/// Certificates that are due within six seconds.
const SHORT: Lifetimes = Lifetimes { node: Duration::from_secs(9), controller: Duration::from_secs(600) };

fn short_lived() -> Arc<CertificateAuthority> {
    Arc::new(authority().with_lifetimes(SHORT))
}

/// A daemon whose certificate was issued at a time.
async fn daemon(authority: &CertificateAuthority, issued: Timestamp, controller: SocketAddr) -> Daemon {
    let directory = tempfile::TempDir::new().expect("a directory");
    let config = config(directory.path(), &[controller]).await;
    std::fs::create_dir(config.identity_directory()).expect("a directory");
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let identity = Identity::Node(NodeId::generate());
    let issued = authority.issue(&request, identity, &[], Serial::generate(), issued).expect("a certificate");
    let own =
        Credentials::new(key, issued.chain, vec![authority.certificate().clone()]).expect("credentials");
    IdentityFiles::new(config.identity_directory()).save(&own).expect("saved");
    let executor = Some(FakeExecutor::listen(&config.executor_socket));
    Daemon::run(directory, config, executor)
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_the_connection_is_replaced_before_it_ends() {
    let authority = short_lived();
    let mut controller = Controller::of(Arc::clone(&authority)).await;
    let _daemon = daemon(&authority, Timestamp::now(), controller.address).await;
    let (mut shown, mut node) = controller.node().await;
    for _ in 0..2 {
        assert_eq!(controller.renewal().await, shown, "the newest certificate is shown");
        assert!(Timestamp::now() < shown.not_after, "it was renewed too late");
        let (renewed, mut replacing) = controller.node().await;
        assert_ne!(renewed.serial, shown.serial);
        // Both are served: at no time is there no connection.
        for connection in [&mut node, &mut replacing] {
            let beat = HeartbeatRequest { fence: Some(FENCE), ..HeartbeatRequest::default() };
            connection.heartbeat(beat).await.expect("a beat");
        }
        (shown, node) = (renewed, replacing);
    }
}

#[tokio::test]
async fn after_an_outage_longer_than_its_certificates_life_a_node_finds_its_way_back() {
    let authority = short_lived();
    let mut controller = Controller::of(Arc::clone(&authority)).await;
    let days_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 3 * 86_400_000);
    let daemon = daemon(&authority, days_ago, controller.address).await;
    let shown = controller.renewal().await;
    assert!(shown.not_after < Timestamp::now());
    let (peer, _node) = controller.node().await;
    assert!(peer.not_after > Timestamp::now());
    let (directory, config) = daemon.stop().await;
    let saved = IdentityFiles::new(config.identity_directory()).load().expect("readable").expect("there");
    assert_eq!(saved.own().id, peer.id);
    assert!(saved.not_after() >= peer.not_after, "the new certificate is on disk");
    drop(directory);
}

#[tokio::test]
async fn a_node_renews_when_the_leader_says_that_another_authority_issues() {
    let authority =
        Arc::new(authority().with_lifetimes(Lifetimes { node: Duration::from_secs(48), ..SHORT }));
    let mut controller = Controller::of(Arc::clone(&authority)).await;
    let _daemon = daemon(&authority, Timestamp::now(), controller.address).await;
    let (shown, mut node) = controller.node().await;
    let beat = HeartbeatRequest {
        fence: Some(FENCE),
        issuing_authority: vec![1; 32],
        ..HeartbeatRequest::default()
    };
    node.heartbeat(beat).await.expect("a beat");
    assert_eq!(controller.renewal().await, shown);
    let half_its_life = shown.not_before.plus(lifetime::BACKDATE).plus(Duration::from_secs(24));
    assert!(Timestamp::now() < half_its_life, "it was due anyway");
}

#[tokio::test]
async fn a_node_that_is_turned_away_again_and_again_renews_though_nothing_is_due() {
    let authority = Arc::new(authority());
    let mut controller = Controller::of(Arc::clone(&authority)).await;
    let _daemon = daemon(&authority, Timestamp::now(), controller.address).await;
    let mut times = 0;
    let shown = loop {
        match controller.next().await {
            // As when the handshake is refused: the connection ends at once.
            Heard::Node(_, client) => drop(client),
            Heard::Renewal(shown) => break shown,
        }
        times += 1;
    };
    assert!(times >= 3, "after {times} connections already");
    assert_eq!(shown.due(Timestamp::now()), None, "it was due anyway");
}
