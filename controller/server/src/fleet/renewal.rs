//! How a node gets its next certificate: it shows the one it has, expired or not, and proves its key.
//!
//! Whether the certificate was issued and is not revoked is the state's to say, so neither its expiry nor an
//! authority that was retired meanwhile matters. Only a state that was restored cannot say it of what was issued since its
//! backup: then the signature of an authority that is trusted must do.

use npanel_model::{NodeId, RequestId};
use npanel_pki::{Identity, Issued, Peer, tls};
use npanel_proto::{
    command::{Envelope, Principal, RenewIdentity, envelope::Command, outcome::Outcome, principal::Who},
    enrolment::{RenewRequest, RenewResponse},
};
use npanel_state::RefusalCode;
use rustls::pki_types::CertificateDer;
use tonic::{Request, Response, Status};

use super::{Shared, enrolment::unreadable, stream::Caller};
use crate::authorities::certificate;

pub(super) async fn renew(
    shared: &Shared,
    request: Request<RenewRequest>,
) -> Result<Response<RenewResponse>, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    let (binding, address) = caller
        .and_then(|caller| Some((caller.binding?, caller.address)))
        .ok_or_else(|| Status::internal("the connection is not known"))?;
    let request = request.into_inner();
    let shown = CertificateDer::from(request.certificate);
    let peer = binding
        .check(&shown, &request.certificate_request, &request.proof)
        .map_err(|error| refused(&error.to_string()))?;
    let node = node_of(shared, &peer)?;
    let is_remembered = require_known(shared, node, &peer, &shown).await?;
    let issued = shared
        .authorities
        .issue(&request.certificate_request, peer.id.identity, &[])
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    record(shared, node, &peer, is_remembered, &issued, address.ip().to_string()).await?;
    tracing::info!(%node, until = %issued.not_after, from = %address, "a node has renewed its certificate");
    Ok(Response::new(RenewResponse {
        certificate_chain: issued.chain.iter().map(|certificate| certificate.to_vec()).collect(),
        trusted_cas: shared.trusted(),
    }))
}

fn node_of(shared: &Shared, peer: &Peer) -> Result<NodeId, Status> {
    match peer.id.identity {
        Identity::Node(_) if peer.id.cluster != shared.cluster_id => Err(refused("it is of another cluster")),
        Identity::Node(node) => Ok(node),
        Identity::Controller(_) => Err(refused("a controller certifies itself")),
    }
}

/// Turns away, before anything is written to the log, whoever would be refused there. Whether the state remembers the certificate.
async fn require_known(
    shared: &Shared,
    node: NodeId,
    peer: &Peer,
    shown: &CertificateDer<'_>,
) -> Result<bool, Status> {
    if let Some(is_remembered) = known(shared, node, peer, shown).await? {
        return Ok(is_remembered);
    }
    // This replica may be behind, and the certificate quite new.
    shared.cluster.linearize().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let known = known(shared, node, peer, shown).await?;
    known.ok_or_else(|| refused("it was not issued, or is revoked"))
}

/// Whether the state remembers the certificate; `None` if it is not good.
async fn known(
    shared: &Shared,
    node: NodeId,
    peer: &Peer,
    shown: &CertificateDer<'_>,
) -> Result<Option<bool>, Status> {
    let state = shared.cluster.state();
    let is_valid = state.is_node_certificate_valid(node, &peer.serial, peer.not_before).await;
    let remembered = state.identity(&peer.serial).await.map_err(|error| unreadable(&error))?.is_some();
    // One that a restored state does not know has nothing but its authority's signature to speak for it.
    let is_issued = remembered || tls::was_issued(&shared.authorities.trusted(), shown);
    Ok((is_valid.map_err(|error| unreadable(&error))? && is_issued).then_some(remembered))
}

async fn record(
    shared: &Shared,
    node: NodeId,
    peer: &Peer,
    is_remembered: bool,
    issued: &Issued,
    source_address: String,
) -> Result<(), Status> {
    let command = RenewIdentity {
        current_serial: peer.serial.clone(),
        current_key_fingerprint: peer.key.to_bytes(),
        certificate: Some(certificate(issued)),
        // Only a state that was restored asks for it, and older versions do not know it.
        current_not_before_millis: if is_remembered { 0 } else { peer.not_before.as_millis() },
    };
    let envelope = Envelope {
        principal: Some(Principal { who: Some(Who::NodeId(node.to_bytes())) }),
        source_address,
        request_id: RequestId::generate().to_bytes(),
        command: Some(Command::RenewIdentity(command)),
        ..Envelope::default()
    };
    let decided = shared.cluster.propose(envelope).await;
    match decided.map_err(|error| Status::unavailable(error.to_string()))?.outcome {
        Some(Outcome::Accepted(_)) => Ok(()),
        Some(Outcome::Refused(why)) => match RefusalCode::from_text(&why.code) {
            Some(RefusalCode::IdentityInvalid) => Err(refused(&why.message)),
            _ => Err(Status::failed_precondition(why.message)),
        },
        None => Err(Status::internal("the command came to nothing")),
    }
}

/// One answer for every way in which a certificate is of no use; only this controller's log says which it was.
fn refused(why: &str) -> Status {
    tracing::warn!(why, "a certificate was not renewed");
    Status::unauthenticated("the certificate is not valid")
}
