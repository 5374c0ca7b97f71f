//! How a machine with a bootstrap token gets an identity, and a machine that has one the next ([`renewal`]).

use std::sync::Arc;

use npanel_model::{ControllerId, EnrolRole, NodeId, NodeName, RequestId, Timestamp};
use npanel_pki::{Identity, Issued, TokenCredential};
use npanel_proto::{
    command::{
        EnrolController, EnrolNode, Envelope, Principal, Refused, envelope::Command, outcome::Outcome,
        principal::Who,
    },
    enrolment::{
        EnrolRequest, EnrolResponse, RenewRequest, RenewResponse, Role, enrolment_server::Enrolment,
    },
};
use npanel_state::{OLDEST_FEATURE_LEVEL, RefusalCode};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::{Shared, renewal, stream::Caller};
use crate::authorities::certificate;

/// Enrolments at once: each is a signature and a write to the log. The others wait.
const AT_ONCE: usize = 16;

/// Two controllers that enrol at once may be given one id; the second is given another.
const ID_TRIES: usize = 5;

/// Longer is not a request for a certificate of a P-256 key.
const LONGEST_NAME: usize = 300;

/// The service. Its callers have shown no certificate in the handshake.
pub(super) struct Enrolling {
    shared: Arc<Shared>,
    places: Semaphore,
}

/// A request whose parts have been read.
struct Asked {
    token: TokenCredential,
    name: NodeName,
    certificate_request: Vec<u8>,
    fleet_address: String,
    source_address: String,
}

impl Enrolling {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, places: Semaphore::new(AT_ONCE) }
    }

    /// A new node, or a revoked one of that name: whether it may come again is for the rules to say.
    async fn node(&self, asked: &Asked) -> Result<Issued, Status> {
        let revoked = self.shared.cluster.state().revoked_node(&asked.name).await;
        let node = revoked.map_err(|error| unreadable(&error))?.unwrap_or_else(NodeId::generate);
        let issued = self.issue(asked, Identity::Node(node))?;
        let command = Command::EnrolNode(EnrolNode {
            node_id: node.to_bytes(),
            name: asked.name.to_string(),
            certificate: Some(certificate(&issued)),
            token_id: asked.token.id.to_bytes(),
            token_secret_hash: asked.token.secret.hash().to_bytes(),
        });
        match self.propose(asked, command).await? {
            None => Ok(issued),
            Some(refused) => Err(refusal(refused)),
        }
    }

    async fn controller(&self, asked: &Asked) -> Result<Issued, Status> {
        let mut tries = 0;
        loop {
            tries += 1;
            let next = self.shared.cluster.state().next_controller_id().await;
            let id = next.map_err(|error| unreadable(&error))?;
            let issued = self.issue(asked, Identity::Controller(id))?;
            let command = Command::EnrolController(enrol_controller(asked, id, &issued));
            match self.propose(asked, command).await? {
                None => return Ok(issued),
                Some(refused) if refused.field == "/controller_id" && tries < ID_TRIES => {}
                Some(refused) => return Err(refusal(refused)),
            }
        }
    }

    fn issue(&self, asked: &Asked, identity: Identity) -> Result<Issued, Status> {
        self.shared
            .authorities
            .issue(&asked.certificate_request, identity, &[])
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }

    async fn propose(&self, asked: &Asked, command: Command) -> Result<Option<Refused>, Status> {
        let envelope = Envelope {
            principal: Some(Principal { who: Some(Who::TokenId(asked.token.id.to_bytes())) }),
            source_address: asked.source_address.clone(),
            request_id: RequestId::generate().to_bytes(),
            command: Some(command),
            ..Envelope::default()
        };
        let decided = self.shared.cluster.propose(envelope).await;
        match decided.map_err(|error| Status::unavailable(error.to_string()))?.outcome {
            Some(Outcome::Accepted(_)) => Ok(None),
            Some(Outcome::Refused(refused)) => Ok(Some(refused)),
            None => Err(Status::internal("the command came to nothing")),
        }
    }

    /// Turns away, before anything is written to the log, whoever does not even know the id of a token that
    /// could be used. The secret and the uses are checked in the state machine.
    async fn require_plausible(&self, token: &TokenCredential, role: EnrolRole) -> Result<(), Status> {
        if self.implausible(token, role).await?.is_none() {
            return Ok(());
        }
        // This replica may be behind, and the token quite new.
        let current = self.shared.cluster.linearize().await;
        current.map_err(|error| Status::unavailable(error.to_string()))?;
        match self.implausible(token, role).await? {
            None => Ok(()),
            Some(why) => Err(invalid_token(why)),
        }
    }

    /// Turns away a controller that could not go on with the state. Should the level be raised this very moment, it stops by
    /// itself.
    fn require_level(&self, most: u32) -> Result<(), Status> {
        let most = most.max(OLDEST_FEATURE_LEVEL);
        match self.shared.cluster.feature_level() {
            Some(level) if level > most => Err(Status::failed_precondition(format!(
                "the cluster is at feature level {level}, and this controller goes up to {most}: take its max_feature_level \
                 away, or upgrade it, and join it then"
            ))),
            _ => Ok(()),
        }
    }

    async fn implausible(
        &self,
        token: &TokenCredential,
        role: EnrolRole,
    ) -> Result<Option<&'static str>, Status> {
        let found = self.shared.cluster.state().token(token.id).await.map_err(|error| unreadable(&error))?;
        Ok(match found {
            None => Some("there is no such token"),
            Some(found) if found.role != role => Some("the token is for another role"),
            Some(found) if found.uses_left == 0 => Some("the token is used up"),
            Some(found) if found.expires_at <= Timestamp::now() => Some("the token has expired"),
            Some(_) => None,
        })
    }
}

#[tonic::async_trait]
impl Enrolment for Enrolling {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let _place = self.places.acquire().await.map_err(|_| Status::unavailable("shutting down"))?;
        let address = request.extensions().get::<Caller>().map(|caller| caller.address.ip().to_string());
        let request = request.into_inner();
        let role = match request.role() {
            Role::Node => EnrolRole::Node,
            Role::Controller => EnrolRole::Controller,
            Role::Unspecified => return Err(Status::invalid_argument("the role is node or controller")),
        };
        let max_feature_level = request.max_feature_level;
        let asked = read(request, address.unwrap_or_default())?;
        self.require_plausible(&asked.token, role).await?;
        if role == EnrolRole::Controller {
            self.require_level(max_feature_level)?;
        }
        let issued = match role {
            EnrolRole::Node => self.node(&asked).await?,
            EnrolRole::Controller => self.controller(&asked).await?,
        };
        tracing::info!(identity = %issued.id, name = %asked.name, from = asked.source_address, "a machine has enrolled");
        Ok(Response::new(EnrolResponse {
            identity: issued.id.to_string(),
            certificate_chain: issued.chain.iter().map(|certificate| certificate.to_vec()).collect(),
            trusted_cas: self.shared.trusted(),
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let _place = self.places.acquire().await.map_err(|_| Status::unavailable("shutting down"))?;
        renewal::renew(&self.shared, request).await
    }
}

fn read(request: EnrolRequest, source_address: String) -> Result<Asked, Status> {
    if request.fleet_address.len() > LONGEST_NAME {
        return Err(Status::invalid_argument("the fleet address is too long"));
    }
    Ok(Asked {
        token: request.token.parse().map_err(|_| invalid_token("it is not a token"))?,
        name: request
            .name
            .parse()
            .map_err(|error: npanel_model::LabelError| Status::invalid_argument(error.to_string()))?,
        certificate_request: request.certificate_request,
        fleet_address: request.fleet_address,
        source_address,
    })
}

fn enrol_controller(asked: &Asked, id: ControllerId, issued: &Issued) -> EnrolController {
    EnrolController {
        controller_id: id.0,
        name: asked.name.to_string(),
        fleet_address: asked.fleet_address.clone(),
        certificate: Some(certificate(issued)),
        token_id: asked.token.id.to_bytes(),
        token_secret_hash: asked.token.secret.hash().to_bytes(),
    }
}

/// One answer for every way in which a token is of no use; only this controller's log says which it was.
fn invalid_token(why: &str) -> Status {
    tracing::warn!(why, "a bootstrap token was refused");
    Status::unauthenticated("the token is not valid")
}

pub(super) fn unreadable(error: &npanel_state::QueryError) -> Status {
    tracing::error!(error = %error, "the state cannot be read for an enrolment");
    Status::unavailable("the fleet's state cannot be read at the moment")
}

fn refusal(refused: Refused) -> Status {
    match RefusalCode::from_text(&refused.code) {
        Some(RefusalCode::TokenInvalid) => invalid_token(&refused.message),
        Some(RefusalCode::NameTaken) => Status::already_exists(refused.message),
        Some(RefusalCode::Invalid) => Status::invalid_argument(refused.message),
        _ => Status::failed_precondition(refused.message),
    }
}
