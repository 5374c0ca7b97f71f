//! How a token becomes an identity.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use npanel_agent::{
    Config,
    enroll::{EnrollError, Enrolling, enroll, prepare},
};
use npanel_model::{ControllerId, NodeId, Timestamp};
use npanel_pki::{BootstrapToken, CertificateAuthority, Identity, IdentityFiles, Serial, tls};
use npanel_proto::enrolment::{
    EnrolRequest, EnrolResponse, RenewRequest, RenewResponse, Role,
    enrolment_server::{Enrolment, EnrolmentServer},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

use crate::place::{authority, config, credentials, endpoint, free_address};

/// A controller's enrolment service; certifies whatever asks, unless told to refuse.
#[derive(Clone)]
struct Enroller {
    authority: Arc<CertificateAuthority>,
    identity: Identity,
    refusal: Option<Status>,
    seen: Arc<Mutex<Vec<EnrolRequest>>>,
}

#[tonic::async_trait]
impl Enrolment for Enroller {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        self.seen.lock().expect("no panic").push(request.clone());
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let issued = self
            .authority
            .issue(&request.certificate_request, self.identity, &[], Serial::generate(), Timestamp::now())
            .expect("a certificate");
        Ok(Response::new(EnrolResponse {
            certificate_chain: issued.chain.iter().map(|one| one.to_vec()).collect(),
            trusted_cas: vec![self.authority.certificate().to_vec()],
            identity: issued.id.to_string(),
        }))
    }

    async fn renew(&self, _: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        Err(Status::unimplemented("nothing is renewed here"))
    }
}

impl Enroller {
    fn new() -> Self {
        let identity = Identity::Node(NodeId::generate());
        Self { authority: Arc::new(authority()), identity, refusal: None, seen: Arc::default() }
    }

    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let own = credentials(&self.authority, Identity::Controller(ControllerId(1)));
        let acceptor = TlsAcceptor::from(tls::fleet_server(&own).expect("TLS"));
        let service = TowerToHyperService::new(EnrolmentServer::new(self.clone()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A caller that does not like the certificate ends the handshake.
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service.clone());
                drop(connection.await);
            }
        });
        address
    }

    fn token(&self) -> BootstrapToken {
        BootstrapToken::generate(self.authority.pin())
    }

    fn seen(&self) -> Vec<EnrolRequest> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn place() -> (TempDir, Config) {
    let directory = TempDir::new().expect("a directory");
    let config = config(directory.path(), &[]).await;
    prepare(&config).expect("prepared");
    (directory, config)
}

fn asking(token: BootstrapToken, controllers: &[SocketAddr]) -> Enrolling {
    Enrolling {
        token,
        name: "n1".parse().expect("a name"),
        controllers: controllers.iter().copied().map(endpoint).collect(),
        force: false,
    }
}

#[tokio::test]
async fn a_token_becomes_an_identity_whose_key_only_its_owner_reads() {
    let enroller = Enroller::new();
    let (_directory, config) = place().await;
    let dead = free_address().await;
    let asked = asking(enroller.token(), &[dead, enroller.listen().await]);
    let id = enroll(&config, &asked).await.expect("enrolled");
    assert_eq!(id.identity, enroller.identity);
    let saved = IdentityFiles::new(config.identity_directory()).load().expect("readable").expect("there");
    assert_eq!(saved.id(), id);
    let mode = |name: &str| {
        fs::metadata(config.identity_directory().join(name)).expect("there").permissions().mode() & 0o777
    };
    assert_eq!((mode("identity.pem"), mode("")), (0o600, 0o700));
    let seen = &enroller.seen()[0];
    assert_eq!((seen.role(), seen.name.as_str()), (Role::Node, "n1"));
    assert_eq!(seen.token, asked.token.credential.reveal().expose());
}

#[tokio::test]
async fn with_a_wrong_pin_the_token_is_not_even_sent() {
    let enroller = Enroller::new();
    let (_directory, config) = place().await;
    let token = BootstrapToken::generate(authority().pin());
    let refused = enroll(&config, &asking(token, &[enroller.listen().await])).await.expect_err("a refusal");
    let text = refused.to_string();
    assert!(text.contains("does not match the pin") && text.contains("the token was not sent"), "{text}");
    assert!(enroller.seen().is_empty());
    assert!(IdentityFiles::new(config.identity_directory()).load().expect("readable").is_none());
}

#[tokio::test]
async fn a_refused_token_is_said_to_be_so_and_no_other_controller_is_asked() {
    let enroller = Enroller { refusal: Some(Status::unauthenticated("no")), ..Enroller::new() };
    let (_directory, config) = place().await;
    let twice = [enroller.listen().await, enroller.listen().await];
    let refused = enroll(&config, &asking(enroller.token(), &twice)).await.expect_err("a refusal");
    assert!(matches!(refused, EnrollError::TokenRefused), "{refused}");
    assert_eq!(enroller.seen().len(), 1);
}

#[tokio::test]
async fn a_controller_that_cannot_now_is_followed_by_the_next() {
    let good = Enroller::new();
    let busy = Enroller { refusal: Some(Status::unavailable("no leader")), ..good.clone() };
    let (_directory, config) = place().await;
    let both = [busy.listen().await, good.listen().await];
    enroll(&config, &asking(good.token(), &both)).await.expect("enrolled");
    assert_eq!(good.seen().len(), 2);
}

#[tokio::test]
async fn an_identity_that_is_there_is_replaced_only_by_force() {
    let enroller = Enroller::new();
    let (_directory, config) = place().await;
    let controllers = [enroller.listen().await];
    enroll(&config, &asking(enroller.token(), &controllers)).await.expect("enrolled");
    let refused = enroll(&config, &asking(enroller.token(), &controllers)).await.expect_err("a refusal");
    assert!(matches!(refused, EnrollError::AlreadyEnrolled(_)), "{refused}");
    assert_eq!(enroller.seen().len(), 1);
    let forced = Enrolling { force: true, ..asking(enroller.token(), &controllers) };
    enroll(&config, &forced).await.expect("enrolled anew");
}

#[tokio::test]
async fn an_identity_that_is_not_a_nodes_is_not_taken() {
    let enroller = Enroller { identity: Identity::Controller(ControllerId(9)), ..Enroller::new() };
    let (_directory, config) = place().await;
    let asked = asking(enroller.token(), &[enroller.listen().await]);
    let refused = enroll(&config, &asked).await.expect_err("a refusal");
    assert!(matches!(refused, EnrollError::NotANode(_)), "{refused}");
}
