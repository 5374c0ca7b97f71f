//! Becoming a node of a fleet: a token turns into an identity.

use std::{io, time::Duration};

use hyper_util::rt::TokioIo;
use npanel_model::NodeName;
use npanel_pki::{
    BootstrapToken, Credentials, CredentialsError, Identity, IdentityFiles, PrivateKey, PrivateKeyError,
    SpiffeId, tls,
};
use npanel_proto::enrolment::{EnrolRequest, EnrolResponse, Role, enrolment_client::EnrolmentClient};
use rustls_pki_types::CertificateDer;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::{Code, Status, transport};

use crate::{
    Config,
    config::Endpoint,
    dial,
    user::{self, UserError},
};

/// A controller may first have to find the leader, and the log to be written.
const DEADLINE: Duration = Duration::from_secs(20);

/// Why the node is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// It is already.
    #[error("this node is enrolled already as {0} (use --force to enrol it anew)")]
    AlreadyEnrolled(SpiffeId),
    /// What is in the identity's place cannot be used.
    #[error("there is an identity that cannot be used (use --force to enrol anew)")]
    Broken(#[source] CredentialsError),
    /// The unprivileged user.
    #[error(transparent)]
    User(#[from] UserError),
    /// No key could be made.
    #[error("cannot make a key")]
    Key(#[from] PrivateKeyError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsSetupError),
    /// The token is of no use.
    #[error(
        "the token was refused: it is unknown, expired, used up, withdrawn, or for another role, name or network"
    )]
    TokenRefused,
    /// The controller refuses for another reason that the others would give, too.
    #[error("the controller refused: {0}")]
    Refused(String),
    /// No controller could be used.
    #[error("no controller could enrol this node:{}", lines(.0))]
    NoController(Vec<(Endpoint, AttemptError)>),
    /// The controller answered something that is not an identity for this key.
    #[error("the controller's answer cannot be used")]
    Answer(#[source] CredentialsError),
    /// It is not a node's identity.
    #[error("the controller gave an identity that is not a node's (got {0})")]
    NotANode(SpiffeId),
    /// It cannot be saved.
    #[error("cannot save the identity")]
    Save(#[source] CredentialsError),
}

/// Why one controller could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// Another authority than the token's: the token was not sent.
    #[error("{0}; the token was not sent")]
    Peer(tls::Refusal),
    /// The handshake failed otherwise.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// The connection does not speak gRPC.
    #[error("no gRPC on the connection: {0}")]
    Transport(transport::Error),
    /// The call failed.
    #[error("{} ({:?})", .0.message(), .0.code())]
    Call(Status),
    /// It took too long.
    #[error("no answer within {DEADLINE:?}")]
    Timeout,
}

fn lines(attempts: &[(Endpoint, AttemptError)]) -> String {
    attempts.iter().map(|(endpoint, error)| format!("\n  {endpoint}: {error}")).collect()
}

/// What `enroll` is asked to do.
#[derive(Debug)]
pub struct Enrolling {
    /// The token. Its secret is never shown.
    pub token: BootstrapToken,
    /// The node's name.
    pub name: NodeName,
    /// Whom to ask, in this order.
    pub controllers: Vec<Endpoint>,
    /// Whether an identity that is there is replaced.
    pub force: bool,
}

/// Prepares the data directory and gives up root. To be called before any thread is started.
///
/// # Errors
/// If the user does not exist or the directory cannot be made.
pub fn prepare(config: &Config) -> Result<(), EnrollError> {
    user::become_user(&config.user, &config.data_directory)?;
    user::make_private(&config.identity_directory())?;
    Ok(())
}

/// Makes a key, has it certified by the first controller that can, and saves both.
///
/// # Errors
/// If the node has an identity, the token is refused, or no controller can be used.
pub async fn enroll(config: &Config, asked: &Enrolling) -> Result<SpiffeId, EnrollError> {
    let files = IdentityFiles::new(config.identity_directory());
    if !asked.force {
        match files.load() {
            Ok(Some(known)) => return Err(EnrollError::AlreadyEnrolled(known.id())),
            Ok(None) => {}
            Err(error) => return Err(EnrollError::Broken(error)),
        }
    }
    let key = PrivateKey::generate()?;
    let request = EnrolRequest {
        token: asked.token.credential.reveal().expose().to_owned(),
        role: Role::Node as i32,
        certificate_request: key.certificate_request()?,
        name: asked.name.to_string(),
        fleet_address: String::new(),
        max_feature_level: 0,
    };
    let answer = ask_each(asked, &request).await?;
    let certificates = |list: Vec<Vec<u8>>| list.into_iter().map(CertificateDer::from).collect::<Vec<_>>();
    let (chain, authorities) = (certificates(answer.certificate_chain), certificates(answer.trusted_cas));
    let credentials = Credentials::new(key, chain, authorities).map_err(EnrollError::Answer)?;
    match credentials.id().identity {
        Identity::Node(_) => {}
        Identity::Controller(_) => return Err(EnrollError::NotANode(credentials.id())),
    }
    files.save(&credentials).map_err(EnrollError::Save)?;
    Ok(credentials.id())
}

/// The first answer that settles it: an identity, or a refusal that any controller would repeat.
async fn ask_each(asked: &Enrolling, request: &EnrolRequest) -> Result<EnrolResponse, EnrollError> {
    let connector = TlsConnector::from(tls::enrolling_client(asked.token.pin)?);
    let mut attempts = Vec::new();
    for endpoint in &asked.controllers {
        let attempt = timeout(DEADLINE, ask(&connector, endpoint, request.clone())).await;
        match attempt.unwrap_or(Err(AttemptError::Timeout)) {
            Ok(answer) => return Ok(answer),
            Err(AttemptError::Call(status)) if status.code() == Code::Unauthenticated => {
                return Err(EnrollError::TokenRefused);
            }
            Err(AttemptError::Call(status)) if is_final(status.code()) => {
                return Err(EnrollError::Refused(status.message().to_owned()));
            }
            Err(error) => attempts.push((endpoint.clone(), error)),
        }
    }
    Err(EnrollError::NoController(attempts))
}

fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::AlreadyExists | Code::PermissionDenied | Code::FailedPrecondition
    )
}

async fn ask(
    connector: &TlsConnector,
    endpoint: &Endpoint,
    request: EnrolRequest,
) -> Result<EnrolResponse, AttemptError> {
    let stream = dial::connect(endpoint).await.map_err(AttemptError::Connect)?;
    // The handshake ends here if the authority's key is not the pinned one; nothing of the token was sent.
    let stream = connector.connect(tls::fleet_server_name(), stream).await.map_err(|error| {
        tls::refusal(&error).map_or_else(|| AttemptError::Handshake(error), AttemptError::Peer)
    })?;
    let mut once = Some(TokioIo::new(stream));
    let connect = tower::service_fn(move |_| {
        let stream = once.take().ok_or_else(|| io::Error::other("the connection has ended"));
        std::future::ready(stream)
    });
    let channel = transport::Endpoint::from_static("http://controller.invalid")
        .connect_with_connector(connect)
        .await
        .map_err(AttemptError::Transport)?;
    let answer = EnrolmentClient::new(channel).enrol(request).await.map_err(AttemptError::Call)?;
    Ok(answer.into_inner())
}
