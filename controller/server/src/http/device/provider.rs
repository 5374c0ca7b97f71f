//! Signing in by an identity provider, for a program that waits: there, and back again.

use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE},
};
use npanel_cloud::{Begun, Oidc, OidcError, Relation, Said};
use npanel_model::{DeviceLoginId, IdentityProviderId, LoginName, PersonName, Secret, Timestamp, UserId};
use npanel_pki::{Field, random_text};
use npanel_proto::command::{self, envelope::Command, principal::Who};
use npanel_state::{DeviceLogin, IdentityProvider, RefusalCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    CALLBACK, asking, brief,
    page::{Page, Wrong},
    password::confirm_page,
    proof::Proof,
};
use crate::http::{
    app::App,
    problem::{Failure, Kind},
    public_address::AskedAs,
    signing_in::SigningIn,
};

const PURPOSE: &str = "sign-in at a provider";

/// So long somebody may take at the provider.
const MILLIS: i64 = 10 * 60 * 1000;

/// Only this host's, only over TLS, for no script (RFC 6265bis, 4.1.3.2). Sent when the provider sends the browser back, and with
/// nothing that another site has it send.
const COOKIE_NAME: &str = "__Host-npanel-sign-in";

/// A sign-in that is at a provider, as the cookie has it.
#[derive(Serialize, Deserialize)]
struct AtProvider {
    login: DeviceLoginId,
    user_code: String,
    provider: IdentityProviderId,
    redirect_uri: String,
    state: Secret,
    nonce: Secret,
    verifier: Secret,
}

impl AtProvider {
    fn begun(&self) -> Begun {
        Begun { state: self.state.clone(), nonce: self.nonce.clone(), verifier: self.verifier.clone() }
    }
}

fn unauthenticated(detail: impl Into<String>) -> Failure {
    Failure::new(Kind::Refused(RefusalCode::Unauthenticated), detail)
}

/// The provider, if people sign in by it.
async fn find(app: &App, id: IdentityProviderId) -> Result<IdentityProvider, Failure> {
    let found = app.look_twice(|| app.reader().identity_provider_for_anybody(id)).await?;
    found.filter(|provider| provider.is_enabled).ok_or_else(|| Failure::not_found("identity provider"))
}

async fn relation(app: &App, provider: &IdentityProvider, redirect_uri: String) -> Result<Relation, Failure> {
    let stored = app.reader().identity_provider_secret(provider.id).await?;
    let (sealed, key) = stored.ok_or_else(|| Failure::not_found("identity provider"))?;
    let object = provider.id.to_bytes();
    let key = app.unwrapped(provider.tenant_id, &key)?;
    let opened = key
        .open(Field::client_secret(provider.tenant_id, &object), &sealed)
        .map_err(|error| Failure::internal(&error))?;
    let text = std::str::from_utf8(&opened).map_err(|error| Failure::internal(&error))?;
    Ok(Relation {
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        client_secret: Secret::new(text),
        redirect_uri,
    })
}

/// What people are told, and what is told to the log besides.
fn failed(provider: &IdentityProvider, error: &OidcError) -> Failure {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    tracing::info!(provider = %provider.id, "nobody was signed in by an identity provider: {error}{source}");
    unauthenticated(format!("{} did not sign you in: {error}", provider.name))
}

/// Sends the browser to the provider.
pub(super) async fn begin(
    State(app): State<App>,
    from: SigningIn,
    asked_as: AskedAs,
    Path(id): Path<String>,
    raw: RawQuery,
) -> Result<Response, Wrong> {
    let user_code = asking::query(raw).user_code;
    let login = asking::find(&app, &from, &user_code).await?;
    let id: IdentityProviderId = id.parse().map_err(|_| Failure::not_found("identity provider"))?;
    let provider = find(&app, id).await?;
    let address = app.public_address.of(&asked_as)?;
    let at = AtProvider {
        login: login.id,
        user_code: asking::plain(&user_code),
        provider: id,
        redirect_uri: format!("{address}{CALLBACK}"),
        state: random_text(),
        nonce: random_text(),
        verifier: random_text(),
    };
    let relation = relation(&app, &provider, at.redirect_uri.clone()).await?;
    let url = Oidc::new(app.outgoing.clone()).begin(&relation, &provider.scopes, &at.begun()).await;
    let url = url.map_err(|error| failed(&provider, &error))?;
    let until = Timestamp::from_millis(Timestamp::now().as_millis() + MILLIS);
    let cookie = brief::seal(&app, PURPOSE, until, &at)?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(url.as_str()).map_err(|error| Failure::internal(&error))?;
    headers.insert(LOCATION, location);
    headers.insert(SET_COOKIE, cookie_of(&cookie, MILLIS / 1000)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn cookie_of(value: &str, seconds: i64) -> Result<HeaderValue, Failure> {
    let text = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).map_err(|error| Failure::internal(&error))
}

/// The cookie's value, of which a browser has one at most.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut found = all
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME);
    let ((_, value), None) = (found.next()?, found.next()) else { return None };
    Some(value)
}

/// What the provider sends back (RFC 6749, 4.1.2; RFC 9207).
#[derive(Deserialize)]
struct Back {
    state: Option<Secret>,
    code: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
    #[serde(default)]
    error_description: String,
}

/// Somebody comes back from the provider. Whatever comes of it, the cookie is over.
pub(super) async fn finish(
    State(app): State<App>,
    from: SigningIn,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let result = match finished(&app, &from, &headers, query.as_deref().unwrap_or_default()).await {
        Ok(page) => page.show(),
        Err(failure) => Wrong::from(failure).into_response(),
    };
    let mut response = result;
    if let Ok(over) = cookie_of("", 0) {
        response.headers_mut().insert(SET_COOKIE, over);
    }
    response
}

async fn finished(app: &App, from: &SigningIn, headers: &HeaderMap, query: &str) -> Result<Page, Failure> {
    let back: Back = serde_urlencoded::from_str(query)
        .map_err(|_| unauthenticated("the provider's answer cannot be read"))?;
    let not_here =
        || unauthenticated("this sign-in was not begun in this browser, or has taken too long: begin anew");
    let cookie = cookie(headers).ok_or_else(not_here)?;
    let (at, until): (AtProvider, Timestamp) = brief::open(app, PURPOSE, cookie).ok_or_else(not_here)?;
    let state = back.state.ok_or_else(not_here)?;
    if !bool::from(state.expose().as_bytes().ct_eq(at.state.expose().as_bytes())) {
        return Err(not_here());
    }
    let provider = find(app, at.provider).await?;
    if back.iss.is_some_and(|iss| iss != provider.issuer.as_str()) {
        return Err(unauthenticated("another provider has answered than was asked"));
    }
    if let Some(error) = back.error {
        let said: String = format!("{error} {}", back.error_description).trim().chars().take(300).collect();
        return Err(unauthenticated(format!("{} did not sign you in: {said}", provider.name)));
    }
    let code = back.code.ok_or_else(|| unauthenticated("the provider has sent no code"))?;
    let waits = asking::find(app, from, &at.user_code).await?;
    let said = ask(app, &provider, &at, &code).await?;
    let user = sign_in(app, from, &provider, &at, until, &said).await?;
    confirmation(app, &waits, &provider, at, user).await
}

async fn ask(
    app: &App,
    provider: &IdentityProvider,
    at: &AtProvider,
    code: &Secret,
) -> Result<Said, Failure> {
    let relation = relation(app, provider, at.redirect_uri.clone()).await?;
    let wanted =
        [provider.login_claim.as_str(), provider.name_claim.as_str(), provider.groups_claim.as_str()];
    let said = Oidc::new(app.outgoing.clone()).finish(&relation, &at.begun(), code, &wanted).await;
    said.map_err(|error| failed(provider, &error))
}

/// Who that is to us, by the state's rules.
async fn sign_in(
    app: &App,
    from: &SigningIn,
    provider: &IdentityProvider,
    at: &AtProvider,
    until: Timestamp,
    said: &Said,
) -> Result<UserId, Failure> {
    let claim = provider.login_claim.as_str();
    let login = said.text(claim).filter(|_| !said.is_unverified(claim)).unwrap_or_default();
    let login = login.parse::<LoginName>().map(String::from).unwrap_or_default();
    let name = said.text(provider.name_claim.as_str()).map(str::trim).filter(|name| is_name(name));
    let known = |group: &&str| provider.mappings.iter().any(|mapping| mapping.group.as_str() == *group);
    let groups = said.texts(provider.groups_claim.as_str());
    let command = command::SignInByProvider {
        identity_provider_id: provider.id.to_bytes(),
        subject: said.subject.as_str().to_owned(),
        new_user_id: UserId::generate().to_bytes(),
        name: name.unwrap_or_else(|| usual_name(&login)).to_owned(),
        login: login.clone(),
        groups: groups.into_iter().filter(known).map(str::to_owned).collect(),
        sign_in_hash: Sha256::digest(at.state.expose().as_bytes()).to_vec(),
        expires_millis: until.as_millis(),
    };
    let who = Who::IdentityProviderId(provider.id.to_bytes());
    let written = app.propose_envelope(from.envelope(who, Command::SignInByProvider(command))).await?;
    UserId::from_bytes(&written.object_id).map_err(|error| Failure::internal(&error))
}

fn is_name(text: &str) -> bool {
    text.parse::<PersonName>().is_ok()
}

/// Of whom the provider says no name.
fn usual_name(login: &str) -> &str {
    let name = login.split('@').next().unwrap_or_default();
    if is_name(name) { name } else { "-" }
}

async fn confirmation(
    app: &App,
    waits: &DeviceLogin,
    provider: &IdentityProvider,
    at: AtProvider,
    user: UserId,
) -> Result<Page, Failure> {
    if waits.id != at.login {
        return Err(unauthenticated("the program that this was begun for waits no more"));
    }
    let proof = Proof {
        login: at.login,
        user_code: at.user_code,
        user,
        totp_step: None,
        recovery_hash: Vec::new(),
        provider: Some(provider.id),
    };
    confirm_page(app, waits, &proof, provider.name.to_string()).await
}
