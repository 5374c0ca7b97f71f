//! How a node gets its next certificate, and how one that was deleted gets none.

use std::time::{Duration, Instant};

use npanel_model::{NodeId, Timestamp};
use npanel_pki::{CertificateAuthority, ChannelBinding, Credentials, Identity, PrivateKey, Serial, tls};
use npanel_proto::{
    command::{
        Certificate, DeleteNode, EnrolController, RenewIdentity, RestoreCluster, envelope::Command,
        principal::Who,
    },
    enrolment::{RenewRequest, RenewResponse},
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::{Code, Status};

use crate::controller::{self, Controller, credentials_of, node_credentials, over};

pub(crate) fn id_of(credentials: &Credentials) -> NodeId {
    match credentials.id().identity {
        Identity::Node(id) => id,
        Identity::Controller(_) => panic!("not a node"),
    }
}

/// What a node does whose certificate is due.
pub(crate) async fn renew(
    controller: &Controller,
    shown: &Credentials,
) -> Result<(PrivateKey, RenewResponse), Status> {
    renew_over(controller.dial(tls::renewing_client(shown).expect("a configuration")).await, shown).await
}

async fn renew_over(
    stream: TlsStream<TcpStream>,
    shown: &Credentials,
) -> Result<(PrivateKey, RenewResponse), Status> {
    let binding = ChannelBinding::of(stream.get_ref().1).expect("a binding");
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let proof = binding.prove(shown.key(), &shown.chain()[0], &request).expect("a proof");
    let request =
        RenewRequest { certificate: shown.chain()[0].to_vec(), certificate_request: request, proof };
    let answer = over(stream).await.renew(request).await?;
    Ok((key, answer.into_inner()))
}

pub(crate) async fn renewed(controller: &Controller, shown: &Credentials) -> Credentials {
    let (key, answer) = renew(controller, shown).await.expect("renewed");
    let next = credentials_of(key, answer.certificate_chain, answer.trusted_cas);
    assert_eq!(next.id(), shown.id());
    next
}

#[tokio::test]
async fn a_node_renews_and_both_of_its_certificates_are_good() {
    let controller = Controller::start().await;
    let first = node_credentials(&controller).await;
    let next = renewed(&controller, &first).await;
    assert_ne!(next.own().serial, first.own().serial);
    assert_ne!(next.own().key, first.own().key);
    let id = id_of(&first);
    for credentials in [&first, &next] {
        let connection = controller.dial(tls::node_client(credentials).expect("a configuration")).await;
        controller.until("the node is connected", || controller.connections.is_connected(id)).await;
        drop(connection);
        controller.until("its connection's end is seen", || !controller.connections.is_connected(id)).await;
    }
}

/// Another certificate of the node's, long expired, that the state knows.
async fn expired(controller: &Controller, node: &Credentials) -> Credentials {
    let long_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 30 * 86_400_000);
    let expired = controller.issue(node.id().identity, Serial::generate(), long_ago);
    let own = expired.own();
    let certificate = Certificate {
        serial: own.serial.clone(),
        not_after_millis: own.not_after.as_millis(),
        key_fingerprint: own.key.to_bytes(),
        ..Certificate::default()
    };
    let command = RenewIdentity {
        current_serial: node.own().serial.clone(),
        current_key_fingerprint: node.own().key.to_bytes(),
        certificate: Some(certificate),
        ..RenewIdentity::default()
    };
    let who = Who::NodeId(id_of(node).to_bytes());
    controller.accept_from(who, Command::RenewIdentity(command)).await;
    expired
}

#[tokio::test]
async fn a_certificate_that_has_expired_opens_nothing_and_is_renewed() {
    let controller = Controller::start().await;
    let node = node_credentials(&controller).await;
    let expired = expired(&controller, &node).await;
    let refused = controller.try_dial(tls::node_client(&expired).expect("a configuration")).await;
    if let Ok(mut connection) = refused {
        // In TLS 1.3 the client learns of the refusal with its first read.
        controller::until_closed(&mut connection).await;
    }
    assert!(!controller.connections.is_connected(id_of(&node)));
    let next = renewed(&controller, &expired).await;
    let connection = controller.dial(tls::node_client(&next).expect("a configuration")).await;
    controller.until("the node is back", || controller.connections.is_connected(id_of(&node))).await;
    drop(connection);
}

#[tokio::test]
async fn without_proof_of_the_key_on_this_very_connection_nothing_is_renewed() {
    let controller = Controller::start().await;
    let node = node_credentials(&controller).await;
    let config = tls::renewing_client(&node).expect("a configuration");
    let (here, elsewhere) = (controller.dial(config.clone()).await, controller.dial(config).await);
    let binding = ChannelBinding::of(elsewhere.get_ref().1).expect("a binding");
    let request = PrivateKey::generate().expect("a key").certificate_request().expect("a request");
    let certificate = &node.chain()[0];
    let overheard = binding.prove(node.key(), certificate, &request).expect("a proof");
    let replayed =
        RenewRequest { certificate: certificate.to_vec(), certificate_request: request, proof: overheard };
    let without = RenewRequest { proof: Vec::new(), ..replayed.clone() };
    let mut client = over(here).await;
    for (what, request) in [("replayed", replayed.clone()), ("without", without)] {
        let refused = client.renew(request).await.expect_err(what);
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::Unauthenticated, "the certificate is not valid")
        );
    }
    over(elsewhere).await.renew(replayed).await.expect("good where it was made");
}

#[tokio::test]
async fn a_certificate_that_the_state_does_not_know_is_not_renewed() {
    let controller = Controller::start().await;
    let ghost = controller.issue(Identity::Node(NodeId::generate()), Serial::generate(), Timestamp::now());
    let refused = renew(&controller, &ghost).await.expect_err("refused");
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "the certificate is not valid"));
}

#[tokio::test]
async fn a_deleted_node_is_cut_off_within_a_second_and_renews_nothing() {
    let controller = Controller::start().await;
    let first = node_credentials(&controller).await;
    let next = renewed(&controller, &first).await;
    let id = id_of(&first);
    let mut connection = controller.dial(tls::node_client(&first).expect("a configuration")).await;
    controller.until("the node is connected", || controller.connections.is_connected(id)).await;
    controller
        .accept(Command::DeleteNode(DeleteNode { node_id: id.to_bytes(), ..DeleteNode::default() }))
        .await;
    let deleted = Instant::now();
    controller::until_closed(&mut connection).await;
    assert!(deleted.elapsed() < Duration::from_secs(1), "it took {:?}", deleted.elapsed());
    for shown in [&first, &next] {
        let refused = renew(&controller, shown).await.expect_err("refused");
        assert_eq!(refused.code(), Code::Unauthenticated);
        let mut again = controller.dial(tls::node_client(shown).expect("a configuration")).await;
        controller::until_closed(&mut again).await;
    }
    assert!(!controller.connections.is_connected(id));
}

#[tokio::test]
async fn what_a_restored_state_has_forgotten_is_good_if_the_authority_signed_it() {
    let controller = Controller::start().await;
    let node = node_credentials(&controller).await;
    let (identity, now) = (node.id().identity, Timestamp::now());
    let long_ago = Timestamp::from_millis(now.as_millis() - 30 * 86_400_000);
    let forgotten = controller.issue(identity, Serial::generate(), now);
    let expired = controller.issue(identity, Serial::generate(), long_ago);
    assert_eq!(renew(&controller, &expired).await.expect_err("not yet").code(), Code::Unauthenticated);
    let restoration = RestoreCluster {
        epoch: 1_790_000_000,
        controller: Some(EnrolController { controller_id: 1, ..EnrolController::default() }),
        from_index: 1,
        uids_passed_over: 1,
    };
    controller.accept(Command::RestoreCluster(restoration)).await;
    let connection = controller.dial(tls::node_client(&forgotten).expect("a configuration")).await;
    controller.until("the node is connected", || controller.connections.is_connected(id_of(&node))).await;
    drop(connection);
    let other = CertificateAuthority::create(node.id().cluster, long_ago).expect("an authority");
    for time in [now, long_ago] {
        let forged = controller::issue(&other, identity, Serial::generate(), time);
        let stream = controller.dial(tls::renewing_client(&node).expect("a configuration")).await;
        let refused = renew_over(stream, &forged).await.expect_err("forged");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let next = renewed(&controller, &expired).await;
    let subject = next.id().identity.to_string();
    assert!(controller.state().is_identity_valid(&next.own().serial, &subject).await.expect("a query"));
}
