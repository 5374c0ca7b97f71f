//! Who asked for a write, and how to recognise it when it is asked again.

use std::net::SocketAddr;

use axum::extract::{FromRequestParts, OriginalUri};
use http::{HeaderMap, Method, request::Parts};
use npanel_model::RequestId;
use npanel_proto::command::{Envelope, Principal, envelope::Command, principal};
use npanel_sdk_types::IDEMPOTENCY_HEADER;

use super::problem::{Failure, Kind};
use crate::auth::Caller;

/// The client's address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What an envelope says about a write's asking.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    request_id: RequestId,
    source_address: String,
    idempotency_key: String,
    method: Method,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical().to_string());
        let uri = OriginalUri::from_request_parts(parts, state)
            .await
            .map_or_else(|never| match never {}, |uri| uri.0);
        Ok(Self {
            caller: Caller::from_request_parts(parts, state).await?,
            request_id: parts.extensions.get().copied().unwrap_or_else(RequestId::generate),
            source_address: peer.unwrap_or_default(),
            idempotency_key: idempotency_key(&parts.headers)?,
            method: parts.method.clone(),
            path: uri.path().to_owned(),
        })
    }
}

/// The caller's key; without one, a key of this request alone (and not of its id, which callers may reuse), so
/// that a command whose answer is lost between controllers is not carried out twice.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(format!("once/{}", RequestId::generate()));
    };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    text.map(|text| format!("caller/{text}")).ok_or_else(|| {
        let detail = "an Idempotency-Key is 1 to 255 printable ASCII characters";
        Failure::new(Kind::InvalidHeader, detail).at("Idempotency-Key")
    })
}

impl Asked {
    /// The envelope of a command. The leader fills in what is its to know.
    pub(crate) fn envelope(&self, body: &[u8], command: Command) -> Envelope {
        let who = principal::Who::ApiKeyId(self.caller.key_id.to_bytes());
        Envelope {
            principal: Some(Principal { who: Some(who) }),
            source_address: self.source_address.clone(),
            request_id: self.request_id.to_bytes(),
            idempotency_key: self.idempotency_key.clone(),
            request_digest: self.caller.digest(self.method.as_str(), &self.path, body),
            command: Some(command),
            ..Envelope::default()
        }
    }
}
