//! A code for tokens, and a token for what else there is to know.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use npanel_model::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded::byte_serialize};

use super::{Begun, DEADLINE, MOST_BYTES, OidcError, Relation, discovery::Metadata, discovery::fetch};
use crate::outgoing::{Call, Outgoing};

const TOKEN: &str = "token";
pub(super) const USERINFO: &str = "information on the user";

/// What it gives for a code.
pub(super) struct Tokens {
    pub(super) id_token: Secret,
    pub(super) access_token: Option<Secret>,
}

#[derive(Deserialize)]
struct Given {
    id_token: Option<Secret>,
    access_token: Option<Secret>,
}

/// RFC 6749, 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// What the provider is told of the verifier at the beginning (RFC 7636, 4.2).
pub(super) fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()))
}

pub(super) async fn exchange(
    outgoing: &Outgoing,
    metadata: &Metadata,
    at: &Relation,
    begun: &Begun,
    code: &Secret,
) -> Result<Tokens, OidcError> {
    let (id, secret) = (at.client_id.as_str(), at.client_secret.expose());
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", &at.redirect_uri),
        ("code_verifier", begun.verifier.expose()),
    ];
    if !metadata.takes_basic {
        form.extend([("client_id", id), ("client_secret", secret)]);
    }
    let mut call = Call::post(metadata.token_endpoint.clone(), DEADLINE, MOST_BYTES).form(&form);
    if metadata.takes_basic {
        call = call.header("authorization", basic(id, secret));
    }
    let call = call.header("accept", "application/json");
    let answer =
        outgoing.send(call).await.map_err(|source| OidcError::Unreachable { what: TOKEN, source })?;
    match answer.status {
        200 => {}
        400 | 401 => return Err(refused(&answer.body)),
        status => return Err(OidcError::Status { what: TOKEN, status }),
    }
    let given: Given = serde_json::from_slice(&answer.body)
        .map_err(|error| OidcError::unreadable(TOKEN, format_args!("column {}", error.column())))?;
    let id_token = given.id_token.ok_or_else(|| OidcError::unreadable(TOKEN, "there is no id_token"))?;
    Ok(Tokens { id_token, access_token: given.access_token })
}

/// RFC 6749, 2.3.1: both are encoded as in forms first.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

fn refused(body: &[u8]) -> OidcError {
    let said = serde_json::from_slice::<Refusal>(body).map_or_else(
        |_| "it does not say why".to_owned(),
        |refusal| format!("{} {}", refusal.error, refusal.error_description),
    );
    OidcError::Refused(said.trim().chars().filter(|character| !character.is_control()).take(300).collect())
}

/// What a provider says of whom a token is of.
pub(super) async fn userinfo(
    outgoing: &Outgoing,
    endpoint: &Url,
    token: &Secret,
) -> Result<Map<String, Value>, OidcError> {
    let call = Call::get(endpoint.clone(), DEADLINE, MOST_BYTES);
    fetch(outgoing, USERINFO, call.header("authorization", format!("Bearer {}", token.expose()))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_as_the_rfc_has_it() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
