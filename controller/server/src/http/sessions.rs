//! `/v1/sessions`: signing in and out, and acting as somebody else.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::LOCATION};
use npanel_model::{Action, ApiKeyId, LoginName, Secret, SessionId, Timestamp, UserId};
use npanel_pki::SessionText;
use npanel_proto::command::{self, envelope::Command, principal::Who as Principal};
use npanel_sdk_types::{CreateSession, INDEX_HEADER, Impersonate, Page, Session, schema};
use npanel_state::{RefusalCode, SessionFilter, UserLogin, Who};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, created, deleted, id, made},
    app::App,
    asked::Asked,
    body::Body,
    list::{List, list_query},
    me::{not_stored, totp_key},
    preview::Ended,
    problem::{Failure, Kind},
    signing_in::SigningIn,
};
use crate::auth::{Caller, totp};

/// A working day.
pub(super) const USUAL_SECONDS: u32 = 12 * 3600;
const SECONDS: std::ops::RangeInclusive<u32> = 60..=24 * 3600;
/// As long as a look takes.
const USUAL_AS_ANOTHER_SECONDS: u32 = 15 * 60;
const AS_ANOTHER_SECONDS: std::ops::RangeInclusive<u32> = 60..=3600;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(impersonate))
}

list_query! {
    /// Which sessions.
    SessionsQuery {
        /// Only of this user.
        #[param(value_type = Option<schema::UserId>)]
        user_id: UserId,
        /// Only the access tokens of this API key.
        #[param(value_type = Option<schema::ApiKeyId>)]
        api_key_id: ApiKeyId,
        /// Only those that have not ended, or (`false`) all: they are kept for 30 days.
        #[param(value_type = Option<bool>)]
        alive: bool,
    }
}

fn shown(row: npanel_state::Session) -> Session {
    Session {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        api_key_id: row.api_key_id,
        impersonator_id: row.impersonator_id,
        identity_provider_id: row.identity_provider_id,
        read_only: row.only_looks,
        reason: row.reason,
        actions: row.actions,
        source_address: row.source_address,
        user_agent: row.user_agent,
        token: None,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revision: row.revision,
    }
}

/// When a session ends that lasts so long from now.
fn end(seconds: Option<u32>, usual: u32, allowed: std::ops::RangeInclusive<u32>) -> Result<i64, Failure> {
    let seconds = seconds.unwrap_or(usual);
    if !allowed.contains(&seconds) {
        let detail = format!("it lasts {} to {} seconds", allowed.start(), allowed.end());
        return Err(Failure::invalid("expires_in_seconds", detail));
    }
    Ok(Timestamp::now().as_millis() + i64::from(seconds) * 1000)
}

/// Sign in with a password, and a second factor where there is one.
#[utoipa::path(post, path = "/v1/sessions", operation_id = "session.create", tag = "sessions", security(()),
    request_body = CreateSession,
    responses((status = 201, description = "Signed in; the token is shown this once", body = Session)))]
async fn create(
    State(app): State<App>,
    from: SigningIn,
    Body { value, .. }: Body<CreateSession>,
) -> Result<Response, Failure> {
    let expires_millis = end(value.expires_in_seconds, USUAL_SECONDS, SECONDS)?;
    let (login, totp_step, recovery_hash) =
        shown_password(&app, &from, &value.login, value.password, value.code.as_ref()).await?;
    let text = SessionText::generate();
    let command = command::CreateSession {
        session_id: text.id.to_bytes(),
        secret_hash: text.secret.hash().to_bytes(),
        user_id: login.id.to_bytes(),
        expires_millis,
        totp_step,
        recovery_hash,
        user_agent: from.user_agent.clone(),
        ..command::CreateSession::default()
    };
    let envelope = from.envelope(Principal::UserId(login.id.to_bytes()), Command::CreateSession(command));
    let accepted = app.propose_envelope(envelope).await?;
    let row = app.find("session", || app.reader().own_session(text.id)).await?;
    let session = Session { token: Some(text.reveal()), ..shown(row) };
    let headers = [
        (LOCATION.as_str(), format!("/v1/sessions/{}", text.id)),
        (INDEX_HEADER, accepted.index.to_string()),
    ];
    Ok(not_stored((StatusCode::CREATED, headers, Json(session)).into_response()))
}

/// Whose login and password these are, and the second factor as it was shown.
pub(super) async fn shown_password(
    app: &App,
    from: &SigningIn,
    name: &LoginName,
    password: Secret,
    code: Option<&Secret>,
) -> Result<(UserLogin, Option<u64>, Vec<u8>), Failure> {
    let look = || app.reader().user_login(name);
    let known = look().await?;
    // Before the leader is asked about names that nobody has.
    app.count_guess(name, from.peer, known.as_ref().map(|login| login.id)).await?;
    let found = if known.is_some() { known } else { app.look_twice(look).await? };
    let stored = found.as_ref().filter(|login| login.is_enabled).map(|login| login.password_hash.clone());
    let matches = app.passwords().matches(password, stored).await?;
    let Some(login) = found.filter(|_| matches) else {
        tracing::info!(peer = ?from.peer, "somebody did not sign in");
        return Err(Failure::not_signed_in());
    };
    let (totp_step, recovery_hash) = second_factor(app, &login, code)?;
    Ok((login, totp_step, recovery_hash))
}

/// The code's time step, or the recovery code's hash. Whether it was used before is for the rules to say.
fn second_factor(
    app: &App,
    login: &UserLogin,
    code: Option<&Secret>,
) -> Result<(Option<u64>, Vec<u8>), Failure> {
    let Some(code) = code.filter(|_| login.has_totp) else { return Ok((None, Vec::new())) };
    if !totp::is_code(code) {
        return Ok((None, totp::recovery_hash(code)));
    }
    let key = totp_key(app, login)?.ok_or_else(Failure::not_signed_in)?;
    let step = key.step_of(code, Timestamp::now())?.ok_or_else(Failure::not_signed_in)?;
    Ok((Some(step), Vec::new()))
}

/// Act as another user for a while; on record with both names.
#[utoipa::path(post, path = "/v1/users/{id}/impersonate", operation_id = "session.impersonate", tag = "sessions",
    params(("id" = schema::UserId, Path, description = "The user")), request_body = Impersonate,
    responses((status = 201, description = "Begun; the token is shown this once", body = Session)))]
async fn impersonate(
    State(app): State<App>,
    asked: Asked,
    from: SigningIn,
    Path(text): Path<String>,
    Body { value, bytes }: Body<Impersonate>,
) -> Result<Response, Ended> {
    let user: UserId = id("user", &text)?;
    let expires_millis = end(value.expires_in_seconds, USUAL_AS_ANOTHER_SECONDS, AS_ANOTHER_SECONDS)?;
    let token = SessionText::generate();
    let command = command::CreateSession {
        session_id: token.id.to_bytes(),
        secret_hash: token.secret.hash().to_bytes(),
        user_id: user.to_bytes(),
        expires_millis,
        impersonates: true,
        may_write: value.may_write,
        reason: value.reason,
        user_agent: from.user_agent,
        ..command::CreateSession::default()
    };
    let accepted = app.propose(&asked, &bytes, Command::CreateSession(command)).await?;
    let made: SessionId = made(&accepted, SessionId::from_bytes)?;
    let once = (made == token.id).then(|| token.reveal());
    let path = format!("/v1/sessions/{made}");
    let response = created(&app, &asked, &accepted, path, || async {
        Ok(Session { token: once, ..read(&app, &asked.caller, made).await? })
    });
    Ok(not_stored(response.await?))
}

/// Whether the caller sees the sessions of its tenant's users, and not only its own.
fn manages(caller: &Caller) -> bool {
    caller.may(Action::UserList)
}

fn own_user(caller: &Caller) -> Option<UserId> {
    match caller.who() {
        Who::User(id) => Some(id),
        Who::ApiKey(_) | Who::Impersonator { .. } => None,
    }
}

async fn read(app: &App, caller: &Caller, id: SessionId) -> Result<Session, Failure> {
    let row = app.find("session", || app.reader().own_session(id)).await?;
    let is_shown = npanel_state::Credential::Session(id) == caller.credential;
    let own = own_user(caller);
    let is_own = own.is_some() && (row.user_id == own || row.impersonator_id == own);
    if is_shown || is_own {
        return Ok(shown(row));
    }
    if !manages(caller) {
        return Err(Failure::not_found("session"));
    }
    app.find("session", || app.reader().session(caller.purview(), id)).await.map(shown)
}

/// List sessions: one's own, or those of the users that one manages.
#[utoipa::path(get, path = "/v1/sessions", operation_id = "session.list", tag = "sessions", params(SessionsQuery),
    responses((status = 200, description = "Some of them", body = Page<Session>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<SessionsQuery>,
) -> Result<Json<Page<Session>>, Failure> {
    let own = own_user(&caller);
    let scope = manages(&caller).then(|| caller.purview());
    if scope.is_none() && own.is_none() {
        let detail = "this credential is no user's, and may not list those of others";
        return Err(Failure::new(Kind::Refused(RefusalCode::Forbidden), detail));
    }
    let filter = SessionFilter {
        of: own.filter(|_| scope.is_none()),
        user_id: query.user_id,
        api_key_id: query.api_key_id,
        expires_since: query.alive.filter(|alive| *alive).map(|_| Timestamp::now()),
    };
    let rows = app.reader().sessions(scope, filter, &paging.rows()).await?;
    Ok(paging.page(rows, |row| row.id.to_bytes(), shown))
}

/// Show a session.
#[utoipa::path(get, path = "/v1/sessions/{id}", operation_id = "session.get", tag = "sessions",
    params(("id" = schema::SessionId, Path, description = "The session")),
    responses((status = 200, description = "The session", body = Session)))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Tagged<Session>, Failure> {
    read(&app, &caller, id("session", &text)?).await.map(Tagged)
}

/// End a session.
#[utoipa::path(delete, path = "/v1/sessions/{id}", operation_id = "session.delete", tag = "sessions",
    params(("id" = schema::SessionId, Path, description = "The session")),
    responses((status = 204, description = "Ended")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let session_id = id::<SessionId>("session", &text)?.to_bytes();
    let command = Command::DeleteSession(command::DeleteSession { session_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}
