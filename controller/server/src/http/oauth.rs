//! `/v1/oauth/token`: short-lived access tokens for API keys (OAuth 2.0 client credentials, RFC 6749, 4.4). The client is the API key:
//! its id and its secret.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE},
};
use npanel_model::{ActionPattern, Secret, Timestamp};
use npanel_pki::{ApiKeyText, SessionText};
use npanel_proto::command::{self, envelope::Command, principal::Who};
use npanel_sdk_types::{AccessToken, TokenError};
use npanel_state::{Access, Credential, RefusalCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    app::App,
    context::ByAnotherStandard,
    me::not_stored,
    oauth_device,
    problem::{Failure, Kind},
    signing_in::SigningIn,
};
use crate::auth::Shown;

const SECONDS: u32 = 3600;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token))
}

/// What is asked for, as a form (RFC 6749, 4.4.2; RFC 8628, 3.4). The client is shown here or by HTTP Basic, not by both.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// `client_credentials`, or `urn:ietf:params:oauth:grant-type:device_code`.
    #[schema(max_length = 100, example = "client_credentials")]
    grant_type: String,
    /// What a program asks by whose sign-in somebody confirms in a browser; with that grant, and nothing else then.
    #[schema(value_type = Option<String>, format = Password, max_length = 200, example = "npd_0190a5d2-7c00-7000-8000-000000000019.shown-once")]
    device_code: Option<Secret>,
    /// The API key's id.
    #[schema(max_length = 100, example = "0190a5d2-7c00-7000-8000-000000000012")]
    client_id: Option<String>,
    /// The API key's secret: what follows the dot; the whole key is taken as well.
    #[schema(value_type = Option<String>, format = Password, max_length = 200, example = "shown-once")]
    client_secret: Option<Secret>,
    /// What of the API key's actions the token is for, separated by spaces; all if absent.
    #[schema(max_length = 10_000, example = "account.list domain.*")]
    scope: Option<String>,
}

/// The grant by which a program gets what somebody has confirmed in a browser.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A refusal in the form of the RFC.
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body =
            TokenError { error: self.error.to_owned(), error_description: self.description.to_owned() };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        response.extensions_mut().insert(ByAnotherStandard);
        not_stored(response)
    }
}

pub(super) fn bad(error: &'static str, description: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, error, description }
}

fn unknown_client() -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        description: "the API key is missing, unknown, expired or revoked",
    }
}

/// Get a short-lived access token for an API key (OAuth 2.0 client credentials), or a session that somebody has confirmed in a browser.
#[utoipa::path(post, path = "/v1/oauth/token", operation_id = "session.token", tag = "sessions", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token, which is shown this once", body = AccessToken),
        (status = 400, description = "The request is not one of RFC 6749", body = TokenError),
        (status = 401, description = "The API key is not good", body = TokenError)))]
async fn token(
    State(app): State<App>,
    from: SigningIn,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let request = match asked(&headers, &body) {
        Ok(request) => request,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    if request.grant_type == DEVICE_GRANT {
        return oauth_device::collect(&app, &from, request.device_code.as_ref()).await;
    }
    let client = match client(&headers, &request) {
        Ok(client) => client,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let Some(access) = find(&app, &from, &client).await? else {
        return Ok(unknown_client().into_response());
    };
    let shown = Shown::of_key(&client);
    let is_there = |address| access.networks.iter().any(|network| network.contains(address));
    if !shown.opens(&access, Timestamp::now())
        || !(access.networks.is_empty() || from.peer.is_some_and(is_there))
    {
        app.count_failure(from.peer)?;
        return Ok(unknown_client().into_response());
    }
    let scope = request.scope.filter(|scope| !scope.trim().is_empty());
    let actions: Result<Vec<ActionPattern>, _> =
        scope.iter().flat_map(|scope| scope.split_ascii_whitespace()).map(str::parse).collect();
    let Ok(actions) = actions else {
        return Ok(bad(
            "invalid_scope",
            "a scope is patterns of actions, such as account.*, separated by spaces",
        )
        .into_response());
    };
    issue(&app, &from, &client, scope, actions).await
}

/// What the client's key opens. Who shows one that is not known here is counted before the leader is asked about it.
async fn find(app: &App, from: &SigningIn, client: &ApiKeyText) -> Result<Option<Arc<Access>>, Failure> {
    let look = || app.reader().access(Credential::ApiKey(client.id));
    if let Some(known) = look().await? {
        return Ok(Some(known));
    }
    app.count_failure(from.peer)?;
    app.look_twice(look).await
}

async fn issue(
    app: &App,
    from: &SigningIn,
    client: &ApiKeyText,
    scope: Option<String>,
    actions: Vec<ActionPattern>,
) -> Result<Response, Failure> {
    let text = SessionText::generate();
    let expires = i64::from(SECONDS) * 1000;
    let command = command::CreateSession {
        session_id: text.id.to_bytes(),
        secret_hash: text.secret.hash().to_bytes(),
        api_key_id: client.id.to_bytes(),
        expires_millis: Timestamp::now().as_millis() + expires,
        actions: actions.into_iter().map(String::from).collect(),
        user_agent: from.user_agent.clone(),
        ..command::CreateSession::default()
    };
    let envelope = from.envelope(Who::ApiKeyId(client.id.to_bytes()), Command::CreateSession(command));
    match app.propose_envelope(envelope).await {
        Ok(_) => {}
        Err(failure) if failure.is(Kind::Refused(RefusalCode::Unauthenticated)) => {
            return Ok(unknown_client().into_response());
        }
        Err(failure) => return Err(failure),
    }
    let token = AccessToken {
        access_token: text.reveal(),
        token_type: "Bearer".to_owned(),
        expires_in: SECONDS,
        scope,
    };
    let mut response = not_stored((StatusCode::OK, Json(token)).into_response());
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Whether the body is declared to be a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = "application/x-www-form-urlencoded";
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(form)
}

fn asked(headers: &HeaderMap, body: &Bytes) -> Result<TokenRequest, Refusal> {
    if !is_form(headers) {
        return Err(bad("invalid_request", "the request is a form: application/x-www-form-urlencoded"));
    }
    let request: TokenRequest = serde_urlencoded::from_bytes(body).map_err(|_| {
        bad("invalid_request", "the form has grant_type, client_id, client_secret and scope, each once")
    })?;
    if !["client_credentials", DEVICE_GRANT].contains(&request.grant_type.as_str()) {
        return Err(bad("unsupported_grant_type", "the grant_type is client_credentials or device_code's"));
    }
    Ok(request)
}

fn client(headers: &HeaderMap, request: &TokenRequest) -> Result<ApiKeyText, Refusal> {
    let shown = (request.client_id.clone(), request.client_secret.clone());
    let (id, secret) = match (basic(headers), shown) {
        (None, (Some(id), Some(secret))) => (id, secret),
        (Some(basic), (None, None)) => basic.ok_or_else(unknown_client)?,
        (Some(_), _) => {
            return Err(bad("invalid_request", "the client is shown once, in the form or by HTTP Basic"));
        }
        (None, _) => return Err(unknown_client()),
    };
    key(&id, &secret).ok_or_else(unknown_client)
}

/// What HTTP Basic shows, if that is used: `None` within, if it cannot be read.
fn basic(headers: &HeaderMap) -> Option<Option<(String, Secret)>> {
    let value = headers.get(AUTHORIZATION)?;
    let read = || {
        let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(text.trim()).ok())??;
        let decoded = zeroize::Zeroizing::new(String::from_utf8(decoded).ok()?);
        let (id, secret) = decoded.split_once(':')?;
        Some((id.to_owned(), Secret::new(secret)))
    };
    Some(read())
}

/// The API key of a client: its id, and its secret or the whole key.
fn key(id: &str, secret: &Secret) -> Option<ApiKeyText> {
    if let Ok(key) = secret.expose().parse::<ApiKeyText>() {
        return (key.id.to_string() == id).then_some(key);
    }
    let whole = zeroize::Zeroizing::new(format!("npk_{id}.{}", secret.expose()));
    whole.parse().ok()
}
