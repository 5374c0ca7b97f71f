//! The TLS rules, over loopback sockets.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use npanel_model::{ControllerId, NodeId, Timestamp};
use npanel_pki::{
    CertificateAuthority, ClusterId, ClusterKey, ClusterKeys, ClusterSecrets, Credentials, Identity,
    KeyFingerprint, LiveCredentials, Peer, PrivateKey, Serial, lifetime,
    tls::{self, Refusal},
};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const CONTROLLER: Identity = Identity::Controller(ControllerId(1));

fn authority() -> CertificateAuthority {
    CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority")
}

fn issue(
    authority: &CertificateAuthority,
    identity: Identity,
    names: &[ServerName<'_>],
    now: Timestamp,
) -> Credentials {
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let issued = authority.issue(&request, identity, names, Serial::generate(), now).expect("a certificate");
    Credentials::new(key, issued.chain, vec![authority.certificate().clone()]).expect("credentials")
}

fn issued_at(authority: &CertificateAuthority, identity: Identity, now: Timestamp) -> Credentials {
    issue(authority, identity, &[], now)
}

fn named(authority: &CertificateAuthority, names: &[ServerName<'_>]) -> Credentials {
    issue(authority, CONTROLLER, names, Timestamp::now())
}

fn credentials(authority: &CertificateAuthority, identity: Identity) -> Credentials {
    issued_at(authority, identity, Timestamp::now())
}

fn node() -> Identity {
    Identity::Node(NodeId::generate())
}

fn long_ago(lifetime: Duration) -> Timestamp {
    let past = i64::try_from((lifetime + Duration::from_secs(60)).as_millis()).expect("a few months");
    Timestamp::from_millis(Timestamp::now().as_millis() - past)
}

/// What a connection came to, on both sides. Each side sends one byte and reads one.
struct Meeting {
    client: io::Result<Peer>,
    server: io::Result<Option<Peer>>,
    alpn: Option<Vec<u8>>,
    heard_by_server: usize,
}

async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
) -> (io::Result<Option<Peer>>, Option<Vec<u8>>, usize) {
    let (tcp, _) = listener.accept().await.expect("a connection");
    let mut stream = match TlsAcceptor::from(config).accept(tcp).await {
        Ok(stream) => stream,
        Err(error) => return (Err(error), None, 0),
    };
    let mut heard = [0; 1];
    let read = stream.read(&mut heard).await.unwrap_or(0);
    drop(stream.write_all(b"!").await);
    let connection = stream.get_ref().1;
    let peer = tls::peer(connection).map_err(io::Error::other);
    (peer, connection.alpn_protocol().map(<[u8]>::to_vec), read)
}

async fn dial(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Peer> {
    let tcp = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(config).connect(tls::fleet_server_name(), tcp).await?;
    stream.write_all(b"?").await?;
    stream.read_exact(&mut [0; 1]).await?;
    Ok(tls::peer(stream.get_ref().1).expect("an identity").expect("a certificate"))
}

async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Meeting {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let both = async { tokio::join!(serve(listener, server), dial(address, client)) };
    let ((server, alpn, heard_by_server), client) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("a meeting ends");
    Meeting { client, server, alpn, heard_by_server }
}

fn fleet(credentials: &Credentials) -> Arc<ServerConfig> {
    tls::fleet_server(credentials).expect("a configuration")
}

fn why(meeting: &Meeting) -> Option<Refusal> {
    meeting.client.as_ref().err().and_then(tls::refusal)
}

#[tokio::test]
async fn a_node_and_a_controller_know_each_other() {
    let authority = authority();
    let (controller, node) = (credentials(&authority, CONTROLLER), credentials(&authority, node()));
    let met = meet(fleet(&controller), tls::node_client(&node).expect("a configuration")).await;
    assert_eq!(met.client.expect("accepted"), *controller.own());
    assert_eq!(met.server.expect("accepted"), Some(node.own().clone()));
    assert_eq!(met.alpn.as_deref(), Some(npanel_proto::ALPN_NODE));
}

#[tokio::test]
async fn controllers_know_each_other() {
    let authority = authority();
    let (one, two) =
        (credentials(&authority, CONTROLLER), credentials(&authority, Identity::Controller(ControllerId(2))));
    let met = meet(fleet(&one), tls::controller_client(&two).expect("a configuration")).await;
    assert_eq!(met.server.expect("accepted"), Some(two.own().clone()));
    assert_eq!(met.alpn.as_deref(), Some(npanel_proto::ALPN_GRPC));
}

#[tokio::test]
async fn the_pin_is_enough_to_enrol() {
    let authority = authority();
    let controller = credentials(&authority, CONTROLLER);
    let client = tls::enrolling_client(authority.pin()).expect("a configuration");
    let met = meet(fleet(&controller), client).await;
    assert_eq!(met.client.expect("accepted").id, controller.id());
    assert_eq!(met.server.expect("accepted"), None);
}

#[tokio::test]
async fn a_wrong_pin_is_named_before_anything_is_sent() {
    let controller = credentials(&authority(), CONTROLLER);
    let pin = KeyFingerprint::of_spki(b"another key");
    let met = meet(fleet(&controller), tls::enrolling_client(pin).expect("a configuration")).await;
    let refusal = why(&met).expect("a refusal");
    assert!(matches!(refusal, Refusal::Pin { .. }));
    assert!(refusal.to_string().contains("does not match the pin"), "{refusal}");
    assert_eq!(met.heard_by_server, 0);
}

#[tokio::test]
async fn showing_the_pinned_authority_without_its_key_is_not_enough() {
    let (real, own) = (authority(), authority());
    // An impostor adds the real authority's public certificate to a chain of its own.
    let impostor = credentials(&own, CONTROLLER);
    let mut chain = impostor.chain().to_vec();
    chain.push(real.certificate().clone());
    let key = PrivateKey::from_pem(impostor.key().to_pem().as_bytes()).expect("a key");
    let impostor = Credentials::new(key, chain, impostor.authorities().to_vec()).expect("credentials");
    let met = meet(fleet(&impostor), tls::enrolling_client(real.pin()).expect("a configuration")).await;
    assert!(met.client.is_err());
    assert_eq!(met.heard_by_server, 0);
}

#[tokio::test]
async fn a_node_is_not_taken_for_a_controller() {
    let authority = authority();
    let (posing, dialling) = (credentials(&authority, node()), credentials(&authority, node()));
    let clients = [
        tls::node_client(&dialling).expect("a configuration"),
        tls::controller_client(&credentials(&authority, CONTROLLER)).expect("a configuration"),
        tls::enrolling_client(authority.pin()).expect("a configuration"),
    ];
    for client in clients {
        let met = meet(fleet(&posing), client).await;
        assert!(matches!(why(&met), Some(Refusal::NotController(_))), "{:?}", met.client);
        assert_eq!(met.heard_by_server, 0);
    }
}

#[tokio::test]
async fn an_expired_controller_is_refused() {
    let authority = authority();
    let expired = issued_at(&authority, CONTROLLER, long_ago(lifetime::CONTROLLER));
    let client = tls::node_client(&credentials(&authority, node())).expect("a configuration");
    let met = meet(fleet(&expired), client).await;
    assert!(met.client.is_err());
    assert_eq!(met.heard_by_server, 0);
}

#[tokio::test]
async fn an_expired_node_is_refused() {
    let authority = authority();
    let expired = issued_at(&authority, node(), long_ago(lifetime::NODE));
    let client = tls::node_client(&expired).expect("a configuration");
    let met = meet(fleet(&credentials(&authority, CONTROLLER)), client).await;
    assert!(met.server.is_err());
    assert!(met.client.is_err());
}

#[tokio::test]
async fn another_clusters_controller_is_refused() {
    let (ours, theirs) = (authority(), authority());
    let client = tls::node_client(&credentials(&ours, node())).expect("a configuration");
    let met = meet(fleet(&credentials(&theirs, CONTROLLER)), client).await;
    assert!(met.client.is_err());
    assert_eq!(met.heard_by_server, 0);
}

/// A client that trusts the controller's authority but shows another cluster's certificate, which
/// [`Credentials`] would not put together.
fn stranger_trusting(authority: &CertificateAuthority, stranger: &Credentials) -> Arc<ClientConfig> {
    tls::install_provider();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).expect("an anchor");
    let key = PrivateKeyDer::from_pem_slice(stranger.key().to_pem().as_bytes()).expect("a key");
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(stranger.chain().to_vec(), key)
        .expect("a configuration");
    Arc::new(config)
}

#[tokio::test]
async fn another_clusters_node_is_refused() {
    let (ours, theirs) = (authority(), authority());
    let controller = named(&ours, &[tls::fleet_server_name()]);
    for (shown, good) in [(credentials(&ours, node()), true), (credentials(&theirs, node()), false)] {
        let met = meet(fleet(&controller), stranger_trusting(&ours, &shown)).await;
        assert_eq!(met.server.is_ok(), good, "{:?}", met.server);
        assert_eq!(met.client.is_ok(), good, "{:?}", met.client);
    }
}

#[tokio::test]
async fn the_api_takes_no_client_certificate_and_is_reached_by_name() {
    let authority = authority();
    let names = ["localhost".try_into().expect("a name"), "127.0.0.1".try_into().expect("an address")];
    let controller = named(&authority, &names);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).expect("an anchor");
    tls::install_provider();
    let client = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    for (name, good) in [("localhost", true), ("127.0.0.1", true), ("elsewhere.example", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(serve(listener, tls::api_server(&controller).expect("a configuration")));
        let tcp = TcpStream::connect(address).await.expect("a connection");
        let connected =
            TlsConnector::from(client.clone()).connect(name.try_into().expect("a name"), tcp).await;
        assert_eq!(connected.is_ok(), good, "{name}");
        drop(connected);
        let (_, _, heard) = server.await.expect("the server ends");
        assert_eq!(heard, 0);
    }
}

#[tokio::test]
async fn the_fleet_port_refuses_tls_1_2() {
    let authority = authority();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).expect("an anchor");
    tls::install_provider();
    let old = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let met = meet(fleet(&credentials(&authority, CONTROLLER)), Arc::new(old)).await;
    assert!(met.client.is_err() && met.server.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_accepted_without_a_new_configuration() {
    let authority = authority();
    let (controller, machine) = (LiveCredentials::new(credentials(&authority, CONTROLLER)), node());
    let dialling = LiveCredentials::new(credentials(&authority, machine));
    let server = tls::fleet_server(&controller).expect("a configuration");
    let client = tls::node_client(&dialling).expect("a configuration");
    for _ in 0..2 {
        controller.replace(credentials(&authority, CONTROLLER));
        dialling.replace(credentials(&authority, machine));
        let met = meet(Arc::clone(&server), Arc::clone(&client)).await;
        assert_eq!(met.client.expect("accepted"), *controller.current().own());
        assert_eq!(met.server.expect("accepted"), Some(dialling.current().own().clone()));
    }
}

/// The secrets of a cluster whose authority was rotated once.
fn rotated(old: &CertificateAuthority, new: &CertificateAuthority) -> ClusterSecrets {
    let cross = old.cross_sign(new, Timestamp::now()).expect("signed");
    ClusterSecrets::rotated(
        new,
        &[cross],
        &[old.certificate().clone()],
        ClusterKeys::new(ClusterKey::generate()),
    )
}

fn by(secrets: &ClusterSecrets, identity: Identity) -> Credentials {
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let issued = secrets
        .authority()
        .expect("an authority")
        .issue(&request, identity, &[], Serial::generate(), Timestamp::now())
        .expect("a certificate");
    Credentials::new(key, issued.chain, secrets.trusted().expect("authorities")).expect("credentials")
}

#[tokio::test]
async fn machines_on_either_side_of_a_rotation_know_each_other() {
    let old = authority();
    let new = CertificateAuthority::create(old.cluster(), Timestamp::now()).expect("an authority");
    let secrets = rotated(&old, &new);
    let (behind, moved) = (credentials(&old, node()), by(&secrets, node()));
    let (controller_behind, controller_moved) = (credentials(&old, CONTROLLER), by(&secrets, CONTROLLER));
    for (controller, node) in [
        (&controller_moved, &behind),
        (&controller_moved, &moved),
        // This one has not even heard of the rotation: the chain leads it to what it knows.
        (&controller_behind, &moved),
    ] {
        let met = meet(fleet(controller), tls::node_client(node).expect("a configuration")).await;
        assert_eq!(met.client.expect("accepted"), *controller.own());
        assert_eq!(met.server.expect("accepted"), Some(node.own().clone()));
    }
    for pin in [old.pin(), new.pin()] {
        let met = meet(fleet(&controller_moved), tls::enrolling_client(pin).expect("a configuration")).await;
        assert!(met.client.is_ok(), "{:?}", met.client);
    }
}

#[tokio::test]
async fn a_retired_authority_certifies_nobody() {
    let old = authority();
    let new = CertificateAuthority::create(old.cluster(), Timestamp::now()).expect("an authority");
    let cross = old.cross_sign(&new, Timestamp::now()).expect("signed");
    let retired = ClusterSecrets::rotated(&new, &[cross], &[], ClusterKeys::new(ClusterKey::generate()));
    let (controller, behind) = (by(&retired, CONTROLLER), credentials(&old, node()));
    let met = meet(fleet(&controller), tls::node_client(&behind).expect("a configuration")).await;
    assert!(met.server.is_err());
    // It finds its way back all the same: it accepts the controller, to which it proves its key.
    let met = meet(fleet(&controller), tls::renewing_client(&behind).expect("a configuration")).await;
    assert!(met.client.is_ok(), "{:?}", met.client);
    let pinned = tls::enrolling_client(old.pin()).expect("a configuration");
    let refusal = why(&meet(fleet(&controller), pinned).await).expect("a refusal").to_string();
    assert!(refusal.contains("made before the authority was rotated"), "{refusal}");
}
