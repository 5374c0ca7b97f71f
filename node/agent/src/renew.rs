//! The next certificate: asked for in time, and again and again while it is due.
//!
//! The clock on the wall is looked at each time, so that a jump of the clock is noticed, and so is an outage longer
//! than a certificate's life: the one that has expired is shown, with proof of its key, on a connection that needs
//! no certificate.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use npanel_model::{NodeName, Timestamp};
use npanel_pki::{
    ChannelBinding, Credentials, CredentialsError, Due, IdentityFiles, PrivateKey, PrivateKeyError, lifetime,
    tls,
};
use npanel_proto::enrolment::{RenewRequest, RenewResponse, enrolment_client::EnrolmentClient};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport};

use crate::{config::Endpoint, dial, retry::Retry, roster::Roster};

/// How often it is compared whether the certificate is due. Short against the shortest life of one.
const EVERY: Duration = Duration::from_secs(1);

/// A controller may first have to find the leader, and the log to be written.
const DEADLINE: Duration = Duration::from_secs(20);

/// Before a controller is asked again that refused, or whose certificate was due at once: its clock and ours differ.
const PAUSE: Duration = Duration::from_secs(60);

/// Before a certificate is renewed once more because it is turned away: whoever is refused for another reason, such as a
/// revocation, is not to come again and again.
const AFTER_TURNED_AWAY: Duration = Duration::from_secs(300);

/// After a rotation of the authority, nodes come within this part of a certificate's life.
const SPREAD: u32 = 48;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the controller was refused: {0}")]
    Peer(tls::Refusal),
    #[error("the controller was removed from the cluster")]
    Removed,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("TLS cannot be set up")]
    Tls(#[from] tls::TlsSetupError),
    #[error("the connection cannot be told from others")]
    Binding(#[from] rustls::Error),
    #[error("a key cannot be made or used")]
    Key(#[from] PrivateKeyError),
    #[error("no gRPC on the connection")]
    Transport(#[source] transport::Error),
    #[error("{} ({:?})", .0.message(), .0.code())]
    Call(Status),
    #[error("no answer within {DEADLINE:?}")]
    Timeout,
    #[error("the controller's answer cannot be used")]
    Answer(#[source] CredentialsError),
    #[error("the controller certified somebody else")]
    Somebody,
    #[error("the new identity cannot be saved")]
    Save(#[source] CredentialsError),
}

/// What came of asking every controller.
enum Asked {
    Renewed(Box<Credentials>),
    Refused,
    Unreachable,
}

/// Renews the node's certificate.
pub(crate) struct Renewer {
    /// Of the configuration.
    pub(crate) controllers: Vec<Endpoint>,
    pub(crate) name: NodeName,
    pub(crate) identity: IdentityFiles,
    /// The fingerprint of the authority that issues now, as the leader says; empty if it has not.
    pub(crate) issuing: watch::Receiver<Vec<u8>>,
    /// Whom it is not asked of.
    pub(crate) roster: Arc<Roster>,
    /// Moves when a controller turns the node away.
    pub(crate) turned_away: watch::Receiver<u64>,
    /// Moves with each new certificate.
    pub(crate) renewed: watch::Sender<u64>,
}

impl Renewer {
    /// Never ends before `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = Retry::new(format!("{} renewal", self.name));
        let mut not_before = Instant::now();
        let mut rotation = None;
        let (mut turned_away, mut turned_away_before) = (self.turned_away.clone(), Instant::now());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let Some(now) = self.load().await else { continue };
            let mut due = self.due(&now, &mut rotation);
            if due.is_none()
                && Instant::now() >= turned_away_before
                && turned_away.has_changed().unwrap_or(false)
            {
                turned_away.mark_unchanged();
                turned_away_before = Instant::now() + AFTER_TURNED_AWAY;
                due = Some(Due::TurnedAway);
            }
            let Some(due) = due else { continue };
            if Instant::now() < not_before {
                continue;
            }
            let renewed = tokio::select! {
                renewed = self.ask_each(&now, due) => renewed,
                () = stop.cancelled() => return,
            };
            let wait = match renewed {
                Asked::Renewed(next) if next.own().due(Timestamp::now()).is_none() => {
                    retry.succeeded();
                    Duration::ZERO
                }
                Asked::Renewed(next) => {
                    let (from, until) = (next.own().not_before, next.not_after());
                    tracing::error!(%from, %until, "the new certificate is not good by this machine's clock; is the clock right?");
                    PAUSE
                }
                Asked::Refused => PAUSE,
                Asked::Unreachable => retry.wait(),
            };
            not_before = Instant::now() + wait;
        }
    }

    /// The identity as it is on disk: it may be another since the node was enrolled anew.
    async fn load(&self) -> Option<Credentials> {
        let files = self.identity.clone();
        spawn_blocking(move || files.load()).await.ok()?.ok().flatten()
    }

    /// Why the certificate is to be renewed now. `rotation`: when it was first seen that another authority issues.
    fn due(&self, now: &Credentials, rotation: &mut Option<Instant>) -> Option<Due> {
        if let Some(due) = now.own().due(Timestamp::now()) {
            return Some(due);
        }
        let issuing = self.issuing.borrow();
        if issuing.is_empty() || now.issuer().is_some_and(|pin| pin.to_bytes() == *issuing) {
            *rotation = None;
            return None;
        }
        let since = rotation.get_or_insert_with(Instant::now);
        (since.elapsed() >= spread(&self.name, now)).then_some(Due::OtherAuthority)
    }

    /// A new certificate from the first controller that gives one, saved.
    async fn ask_each(&self, now: &Credentials, due: Due) -> Asked {
        let mut refused = false;
        // Nodes begin with different controllers, and each with another one the next time.
        let begin = usize::from(digest(&format!("{}{}", self.name, now.own().not_after))[0]);
        let controllers = self.controllers();
        for at in 0..controllers.len() {
            let controller = &controllers[(begin + at) % controllers.len()];
            let asked = timeout(DEADLINE, self.renew(controller, now)).await;
            match asked.unwrap_or(Err(RenewError::Timeout)) {
                Ok(next) => {
                    let (why, until) = (due.as_str(), next.not_after());
                    tracing::info!(%controller, why, %until, "the certificate is renewed");
                    self.renewed.send_modify(|times| *times += 1);
                    return Asked::Renewed(Box::new(next));
                }
                Err(error) => {
                    refused |= is_refusal(&error);
                    self.tell(controller, due, &error);
                }
            }
        }
        if refused { Asked::Refused } else { Asked::Unreachable }
    }

    /// Those of the configuration, and others that the leader has told of.
    fn controllers(&self) -> Vec<Endpoint> {
        let mut all = self.controllers.clone();
        all.extend(self.roster.addresses().into_values().filter(|listed| !self.controllers.contains(listed)));
        all
    }

    fn tell(&self, controller: &Endpoint, due: Due, error: &RenewError) {
        let (why, shown) = (due.as_str(), error as &dyn std::error::Error);
        match error {
            refusal if is_refusal(refusal) => {
                tracing::error!(%controller, why, "the fleet does not renew this node's certificate: it was revoked, deleted, or enrolled anew elsewhere");
            }
            _ => tracing::warn!(%controller, why, error = shown, "the certificate is not renewed; asking on"),
        }
    }

    async fn renew(&self, controller: &Endpoint, now: &Credentials) -> Result<Credentials, RenewError> {
        let key = PrivateKey::generate()?;
        let answer = ask(controller, &self.roster, now, key.certificate_request()?).await?;
        let certificates =
            |list: Vec<Vec<u8>>| list.into_iter().map(CertificateDer::from).collect::<Vec<_>>();
        let (chain, authorities) = (certificates(answer.certificate_chain), certificates(answer.trusted_cas));
        let next = Credentials::new(key, chain, authorities).map_err(RenewError::Answer)?;
        if next.id() != now.id() {
            return Err(RenewError::Somebody);
        }
        let (files, saved) = (self.identity.clone(), next.clone());
        match spawn_blocking(move || files.save(&saved)).await {
            Ok(done) => done.map_err(RenewError::Save).map(|()| next),
            Err(_) => Err(RenewError::Timeout),
        }
    }
}

fn is_refusal(error: &RenewError) -> bool {
    matches!(error, RenewError::Call(status) if status.code() == Code::Unauthenticated)
}

/// So long a node waits after a rotation, so that not all come at once.
fn spread(name: &NodeName, now: &Credentials) -> Duration {
    let life = now.not_after().since(now.own().not_before).saturating_sub(lifetime::BACKDATE);
    (life / SPREAD).mul_f64(f64::from(digest(name.as_str())[0]) / 255.0)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

async fn ask(
    controller: &Endpoint,
    roster: &Roster,
    now: &Credentials,
    certificate_request: Vec<u8>,
) -> Result<RenewResponse, RenewError> {
    let connector = TlsConnector::from(tls::renewing_client(now)?);
    let stream = dial::connect(controller).await.map_err(RenewError::Connect)?;
    let stream = connector
        .connect(tls::fleet_server_name(), stream)
        .await
        .map_err(|error| tls::refusal(&error).map_or(RenewError::Handshake(error), RenewError::Peer))?;
    let peer = tls::peer(stream.get_ref().1).ok().flatten();
    if peer.is_some_and(|peer| roster.is_gone(peer.id)) {
        return Err(RenewError::Removed);
    }
    let binding = ChannelBinding::of(stream.get_ref().1)?;
    let certificate = &now.chain()[0];
    let proof = binding.prove(now.key(), certificate, &certificate_request)?;
    let request = RenewRequest { certificate: certificate.to_vec(), certificate_request, proof };
    let mut once = Some(TokioIo::new(stream));
    let connect = tower::service_fn(move |_| {
        std::future::ready(once.take().ok_or_else(|| io::Error::other("the connection has ended")))
    });
    let channel = transport::Endpoint::from_static("http://controller.invalid")
        .connect_with_connector(connect)
        .await
        .map_err(RenewError::Transport)?;
    Ok(EnrolmentClient::new(channel).renew(request).await.map_err(RenewError::Call)?.into_inner())
}
