//! `/v1/oauth/device`: a program begins a sign-in that somebody confirms in a browser (RFC 8628). It then asks at `/v1/oauth/token`
//! until they have.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::HeaderMap;
use npanel_model::{Secret, Timestamp, UserId};
use npanel_pki::{DeviceText, SessionText};
use npanel_proto::command::{self, envelope::Command, principal::Who};
use npanel_sdk_types::{AccessToken, DeviceAuthorization};
use npanel_state::{Decision, RefusalCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    app::App,
    device,
    me::not_stored,
    oauth::{Refusal, bad, is_form},
    problem::{Failure, Kind},
    public_address::AskedAs,
    sessions::USUAL_SECONDS,
    signing_in::SigningIn,
};

/// So long somebody may take.
const SECONDS: u32 = 600;
/// So long a program waits before it asks again.
const INTERVAL_SECONDS: u32 = 3;
/// Letters that are hard to mistake, and no vowels, which make words (RFC 8628, 6.1). Eight of them: one of 25,600,000,000.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS_OF_A_CODE: usize = 8;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin))
}

/// Who asks, as a form (RFC 8628, 3.1).
#[derive(Deserialize, ToSchema)]
pub(crate) struct DeviceRequest {
    /// What the program is, for the person who confirms: at most 100 characters. Anybody may say anything here.
    #[schema(max_length = 100, example = "npanel on workstation-7")]
    client_id: String,
}

/// Have a program wait for a sign-in that somebody confirms in a browser (device authorization).
#[utoipa::path(post, path = "/v1/oauth/device", operation_id = "session.device", tag = "sessions", security(()),
    request_body(content = DeviceRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What to show the user, and what to ask by", body = DeviceAuthorization),
        (status = 400, description = "The request is not one of RFC 8628", body = npanel_sdk_types::TokenError)))]
async fn begin(
    State(app): State<App>,
    from: SigningIn,
    asked_as: AskedAs,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let read = || serde_urlencoded::from_bytes::<DeviceRequest>(&body).ok();
    let request = is_form(&headers).then(read).flatten();
    let is_good = |request: &DeviceRequest| {
        (1..=100).contains(&request.client_id.chars().count())
            && !request.client_id.chars().any(char::is_control)
    };
    let Some(request) = request.filter(is_good) else {
        return Ok(bad(
            "invalid_request",
            "the form has client_id: what the program is, in 1 to 100 characters",
        )
        .into_response());
    };
    let address = app.public_address.of(&asked_as)?;
    app.count_begun(from.peer)?;
    let (text, user_code) = (DeviceText::generate(), user_code()?);
    let command = command::BeginDeviceLogin {
        device_login_id: text.id.to_bytes(),
        secret_hash: text.secret.hash().to_bytes(),
        user_code_hash: device::code_hash(&user_code),
        client: request.client_id,
        user_agent: from.user_agent.clone(),
        expires_millis: Timestamp::now().as_millis() + i64::from(SECONDS) * 1000,
    };
    let who = Who::ControllerId(app.agreement.status().controller_id);
    app.propose_envelope(from.envelope(who, Command::BeginDeviceLogin(command))).await?;
    let page = format!("{address}/device");
    let answer = DeviceAuthorization {
        device_code: text.reveal(),
        verification_uri_complete: format!("{page}?user_code={user_code}"),
        verification_uri: page,
        user_code,
        expires_in: SECONDS,
        interval: INTERVAL_SECONDS,
    };
    Ok(not_stored(Json(answer).into_response()))
}

/// Such as WDJB-MJHT.
fn user_code() -> Result<String, Failure> {
    let mut code = String::with_capacity(LETTERS_OF_A_CODE + 1);
    while code.len() <= LETTERS_OF_A_CODE {
        let mut byte = [0_u8];
        aws_lc_rs::rand::fill(&mut byte).map_err(|error| Failure::internal(&error))?;
        // What is left over would make some letters likelier.
        let Some(letter) = LETTERS.get(usize::from(byte[0]) % 32) else { continue };
        if code.len() == LETTERS_OF_A_CODE / 2 {
            code.push('-');
        }
        code.push(char::from(*letter));
    }
    Ok(code)
}

/// Of who asks by a device code: the token, once it is confirmed (RFC 8628, 3.4 and 3.5).
pub(super) async fn collect(
    app: &App,
    from: &SigningIn,
    shown: Option<&Secret>,
) -> Result<Response, Failure> {
    let text: Option<DeviceText> = shown.and_then(|code| code.expose().parse().ok());
    let Some(text) = text else {
        app.count_failure(from.peer)?;
        return Ok(unknown().into_response());
    };
    if !app.may_poll(text.id) {
        return Ok(bad("slow_down", "wait for longer before you ask again").into_response());
    }
    let known = app.reader().device_login(text.id).await?;
    let found = match known {
        Some(known) => Some(known),
        None => {
            app.count_failure(from.peer)?;
            app.look_twice(|| app.reader().device_login(text.id)).await?
        }
    };
    let Some(login) = found.filter(|login| text.secret.hash().matches(&login.secret_hash)) else {
        return Ok(unknown().into_response());
    };
    if login.expires_at <= Timestamp::now() {
        return Ok(bad("expired_token", "nobody has confirmed it in time: begin anew").into_response());
    }
    match login.decision {
        Decision::Pending => Ok(bad("authorization_pending", "nobody has confirmed it yet").into_response()),
        Decision::Refused => Ok(bad("access_denied", "it was refused").into_response()),
        Decision::Confirmed(user) => issue(app, from, &text, user).await,
    }
}

fn unknown() -> Refusal {
    bad("invalid_grant", "nothing waits under this device code: it was never given, was used, or is over")
}

async fn issue(app: &App, from: &SigningIn, asked: &DeviceText, user: UserId) -> Result<Response, Failure> {
    let text = SessionText::generate();
    let command = command::CreateSession {
        session_id: text.id.to_bytes(),
        secret_hash: text.secret.hash().to_bytes(),
        user_id: user.to_bytes(),
        expires_millis: Timestamp::now().as_millis() + i64::from(USUAL_SECONDS) * 1000,
        user_agent: from.user_agent.clone(),
        device_login_id: asked.id.to_bytes(),
        ..command::CreateSession::default()
    };
    let envelope = from.envelope(Who::UserId(user.to_bytes()), Command::CreateSession(command));
    match app.propose_envelope(envelope).await {
        Ok(_) => {}
        // Somebody else has collected it, or who has confirmed it may not sign in any more.
        Err(failure) if failure.is(Kind::Refused(RefusalCode::Unauthenticated)) => {
            return Ok(unknown().into_response());
        }
        Err(failure) if failure.is(Kind::Refused(RefusalCode::TenantSuspended)) => {
            return Ok(bad("access_denied", "the user's tenant is suspended").into_response());
        }
        Err(failure) => return Err(failure),
    }
    let token = AccessToken {
        access_token: text.reveal(),
        token_type: "Bearer".to_owned(),
        expires_in: USUAL_SECONDS,
        scope: None,
    };
    Ok(not_stored(Json(token).into_response()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_eight_letters_that_are_not_mistaken() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let code = user_code().expect("a code");
            assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'), "{code}");
            assert!(code.bytes().filter(|byte| *byte != b'-').all(|byte| LETTERS.contains(&byte)), "{code}");
            seen.extend(code.bytes());
        }
        assert_eq!(seen.len(), LETTERS.len() + 1, "some letters never come");
    }
}
