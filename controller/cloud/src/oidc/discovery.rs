//! What a provider says of itself (OpenID Connect Discovery).

use npanel_model::{IssuerUrl, WebhookUrl};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{DEADLINE, MOST_BYTES, OidcError};
use crate::outgoing::{Call, Outgoing};

const METADATA: &str = "description of itself";
const KEYS: &str = "set of keys";

/// As it is written.
#[derive(Deserialize)]
struct Written {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What of it is used.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    /// Whether the client shows its secret by HTTP Basic, which is what there is if nothing is said.
    pub(super) takes_basic: bool,
}

impl Metadata {
    pub(super) async fn of(outgoing: &Outgoing, issuer: &IssuerUrl) -> Result<Self, OidcError> {
        let url = issuer.discovery().parse().map_err(|error| OidcError::unreadable(METADATA, error))?;
        let written: Written = fetch(outgoing, METADATA, Call::get(url, DEADLINE, MOST_BYTES)).await?;
        // Discovery, 4.3: exactly the same, so that nobody speaks for another.
        if written.issuer != issuer.as_str() {
            return Err(OidcError::OtherIssuer(written.issuer.chars().take(200).collect()));
        }
        let methods = written.token_endpoint_auth_methods_supported;
        Ok(Self {
            authorization_endpoint: endpoint(&written.authorization_endpoint)?,
            token_endpoint: endpoint(&written.token_endpoint)?,
            jwks_uri: endpoint(&written.jwks_uri)?,
            userinfo_endpoint: written.userinfo_endpoint.as_deref().map(endpoint).transpose()?,
            takes_basic: methods.is_none_or(|all| all.iter().any(|one| one == "client_secret_basic")),
        })
    }

    /// The keys that it signs by at the moment.
    pub(super) async fn keys(&self, outgoing: &Outgoing) -> Result<Vec<Value>, OidcError> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        let call = Call::get(self.jwks_uri.clone(), DEADLINE, MOST_BYTES);
        Ok(fetch::<Keys>(outgoing, KEYS, call).await?.keys)
    }
}

/// Browsers are sent to one of them, so it is not left to the way out alone what they may be.
fn endpoint(text: &str) -> Result<Url, OidcError> {
    let url: WebhookUrl = text.parse().map_err(|_| {
        OidcError::unreadable(METADATA, "an endpoint is https://HOST/..., without a user and a password")
    })?;
    url.as_str().parse().map_err(|error| OidcError::unreadable(METADATA, error))
}

/// Asks for JSON.
pub(super) async fn fetch<T: DeserializeOwned>(
    outgoing: &Outgoing,
    what: &'static str,
    call: Call,
) -> Result<T, OidcError> {
    let call = call.header("accept", "application/json");
    let answer = outgoing.send(call).await.map_err(|source| OidcError::Unreachable { what, source })?;
    if answer.status != 200 {
        return Err(OidcError::Status { what, status: answer.status });
    }
    // The error says where it is wrong, and nothing of what is there: tokens may be.
    serde_json::from_slice(&answer.body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        OidcError::unreadable(what, place)
    })
}
