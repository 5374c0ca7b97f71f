//! What a request without a credential says of its asking, and its envelope.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::{header::USER_AGENT, request::Parts};
use npanel_model::RequestId;
use npanel_proto::command::{Envelope, Principal, envelope::Command, principal::Who};

use super::{client_address::Client, problem::Failure};

/// Where somebody signs in from.
pub(crate) struct SigningIn {
    /// The client's address.
    pub(crate) peer: Option<IpAddr>,
    /// The program, as it calls itself.
    pub(crate) user_agent: String,
    request_id: RequestId,
}

impl<S: Send + Sync> FromRequestParts<S> for SigningIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            peer: parts.extensions.get::<Client>().map(|client| client.0),
            user_agent: agent.chars().take(200).collect(),
            request_id: parts.extensions.get().copied().unwrap_or_else(RequestId::generate),
        })
    }
}

impl SigningIn {
    /// The envelope of the command. It is carried out once, also if its answer is lost between controllers.
    pub(crate) fn envelope(&self, who: Who, command: Command) -> Envelope {
        Envelope {
            principal: Some(Principal { who: Some(who) }),
            source_address: self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            request_id: self.request_id.to_bytes(),
            idempotency_key: format!("once/{}", RequestId::generate()),
            command: Some(command),
            ..Envelope::default()
        }
    }
}
