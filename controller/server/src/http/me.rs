//! `/v1/me`: who one is, and what is one's own: password and second factor.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use npanel_model::{Action, Secret, Timestamp, UserId};
use npanel_pki::Field;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ChangePassword, ConfirmTotp, Me, RecoveryCodes, ShowAgain, TotpOffer, User};
use npanel_state::{RefusalCode, UserLogin, Who};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{deleted, updated},
    app::App,
    asked::Asked,
    body::Body,
    preview::Ended,
    problem::{Failure, Kind},
    users::{hashed, shown},
};
use crate::auth::{Caller, totp, totp::TotpKey};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(set_password))
        .routes(routes!(begin_totp))
        .routes(routes!(remove_totp))
        .routes(routes!(confirm_totp))
}

async fn own(app: &App, id: UserId) -> Result<User, Failure> {
    app.find("user", || app.reader().own_user(id)).await.map(shown)
}

/// The user who asks, as themselves.
fn user_of(caller: &Caller) -> Result<UserId, Failure> {
    match caller.who() {
        Who::User(id) => Ok(id),
        Who::ApiKey(_) | Who::Impersonator { .. } => Err(Failure::new(
            Kind::Refused(RefusalCode::Forbidden),
            "only a user, signed in as themselves, can do that",
        )),
    }
}

async fn login_of(app: &App, caller: &Caller) -> Result<UserLogin, Failure> {
    let id = user_of(caller)?;
    app.find_for_write("user", || app.reader().user_login_of(id)).await
}

/// Show who one is, and what one may do.
#[utoipa::path(get, path = "/v1/me", operation_id = "me.get", tag = "me",
    responses((status = 200, description = "Who one is", body = Me)))]
async fn get(State(app): State<App>, caller: Caller) -> Result<Json<Me>, Failure> {
    let user = match caller.who() {
        Who::User(id) | Who::Impersonator { user: id, .. } => Some(own(&app, id).await?),
        Who::ApiKey(_) => None,
    };
    let purview = caller.purview();
    Ok(Json(Me {
        actor: caller.who().to_string(),
        tenant_id: purview.tenant_id,
        platform: caller.is_platform,
        user,
        accounts: purview.accounts.map(|accounts| accounts.to_vec()),
        actions: Action::ALL.iter().filter(|action| caller.may(**action)).map(ToString::to_string).collect(),
        expires_at: caller.access().expires_at,
    }))
}

/// Change one's own password; one's other sessions end.
#[utoipa::path(put, path = "/v1/me/password", operation_id = "me.set_password", tag = "me",
    request_body = ChangePassword, responses((status = 200, description = "Changed", body = User)))]
async fn set_password(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<ChangePassword>,
) -> Result<Response, Ended> {
    let login = login_of(&app, &asked.caller).await?;
    let user = own(&app, login.id).await?;
    app.count_guess(&user.login, asked.peer, Some(login.id)).await?;
    if !app.passwords().matches(value.current, Some(login.password_hash)).await? {
        return Err(Failure::invalid("current", "that is not the password").into());
    }
    let password_hash = hashed(&app, "new", value.new).await?;
    let command = command::SetUserPassword { user_id: login.id.to_bytes(), password_hash };
    let accepted = app.propose(&asked, &bytes, Command::SetUserPassword(command)).await?;
    Ok(updated(&app, &asked, &accepted, || own(&app, login.id)).await?)
}

/// What a user shows again who is signed in already.
enum Again {
    /// The password, or there is nothing that could be shown.
    Seen,
    /// A code. Whether it was used before is for the rules to say.
    Code { totp_step: Option<u64>, recovery_hash: Vec<u8> },
}

/// Has the user show the password or a code again: a session that somebody else got hold of is not enough to change what one signs
/// in by. Who has neither, for they sign in elsewhere, cannot be asked.
async fn show_again(app: &App, asked: &Asked, login: &UserLogin, shown: ShowAgain) -> Result<Again, Failure> {
    let user = own(app, login.id).await?;
    if !user.has_password && !user.has_totp {
        return Ok(Again::Seen);
    }
    app.count_guess(&user.login, asked.peer, Some(login.id)).await?;
    match shown {
        ShowAgain { password: Some(password), code: None } => {
            let stored = Some(login.password_hash.clone()).filter(|_| user.has_password);
            if app.passwords().matches(password, stored).await? {
                return Ok(Again::Seen);
            }
            Err(Failure::invalid("password", "that is not the password"))
        }
        ShowAgain { password: None, code: Some(code) } => {
            let wrong = || {
                Failure::invalid(
                    "code",
                    "that is neither the authenticator's code of this moment nor a recovery code",
                )
            };
            if !user.has_totp {
                return Err(wrong());
            }
            if !totp::is_code(&code) {
                let recovery_hash = totp::recovery_hash(&code);
                let is_one = login.has_recovery_code(&recovery_hash);
                return is_one.then_some(Again::Code { totp_step: None, recovery_hash }).ok_or_else(wrong);
            }
            let key = totp_key(app, login)?.ok_or_else(wrong)?;
            let step = key.step_of(&code, Timestamp::now())?.ok_or_else(wrong)?;
            Ok(Again::Code { totp_step: Some(step), recovery_hash: Vec::new() })
        }
        ShowAgain { .. } => {
            let detail = "show that it is you: the password, or a code of the authenticator or a recovery code; one of them";
            Err(Failure::invalid("password", detail))
        }
    }
}

/// Begin with a second factor: a key for an authenticator. The password is asked for again.
#[utoipa::path(post, path = "/v1/me/totp", operation_id = "me.begin_totp", tag = "me", request_body = ShowAgain,
    responses((status = 200, description = "The key, which counts once it is confirmed", body = TotpOffer)))]
async fn begin_totp(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<ShowAgain>,
) -> Result<Response, Ended> {
    let login = login_of(&app, &asked.caller).await?;
    show_again(&app, &asked, &login, value).await?;
    let user = own(&app, login.id).await?;
    let key = TotpKey::generate()?;
    let object = login.id.to_bytes();
    let data_key = app.data_key(login.tenant_id).await?;
    let sealed_key = data_key
        .seal(Field::totp_key(login.tenant_id, &object), key.bytes())
        .map_err(|error| Failure::internal(&error))?;
    let command = command::OfferTotp { user_id: object, sealed_key: sealed_key.clone() };
    app.propose(&asked, &bytes, Command::OfferTotp(command)).await?;
    let kept = login_of(&app, &asked.caller).await?.sealed_totp;
    if kept.is_none_or(|(kept, _)| kept != sealed_key) {
        let detail = "the key was shown before: ask for another one with another Idempotency-Key";
        return Err(Failure::new(Kind::GoneSince, detail).into());
    }
    let (key, uri) = key.shown(&user.login)?;
    Ok(not_stored(Json(TotpOffer { key, uri }).into_response()))
}

/// Secrets are kept by nobody on the way.
pub(super) fn not_stored(mut response: Response) -> Response {
    let no_store = http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(http::header::CACHE_CONTROL, no_store);
    response
}

/// The key of the user's authenticator, if one was offered or counts.
pub(super) fn totp_key(app: &App, login: &UserLogin) -> Result<Option<TotpKey>, Failure> {
    let Some((sealed, stored)) = &login.sealed_totp else { return Ok(None) };
    let object = login.id.to_bytes();
    let key = app.unwrapped(login.tenant_id, stored)?;
    let opened = key
        .open(Field::totp_key(login.tenant_id, &object), sealed)
        .map_err(|error| Failure::internal(&error))?;
    Ok(Some(TotpKey::of_bytes(opened)))
}

/// Show that the authenticator has the key; recovery codes are made.
#[utoipa::path(post, path = "/v1/me/totp/confirm", operation_id = "me.confirm_totp", tag = "me",
    request_body = ConfirmTotp,
    responses((status = 200, description = "It counts from now on; the codes are shown this once", body = RecoveryCodes)))]
async fn confirm_totp(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<ConfirmTotp>,
) -> Result<Response, Ended> {
    let login = login_of(&app, &asked.caller).await?;
    let user = own(&app, login.id).await?;
    app.count_guess(&user.login, asked.peer, Some(login.id)).await?;
    let wrong = || Failure::invalid("code", "that is not the authenticator's code of this moment");
    let key = totp_key(&app, &login)?.ok_or_else(wrong)?;
    let step = key.step_of(&value.code, Timestamp::now())?.ok_or_else(wrong)?;
    let codes = totp::recovery_codes()?;
    let command = command::ConfirmTotp {
        user_id: login.id.to_bytes(),
        step,
        recovery_hashes: codes.iter().map(totp::recovery_hash).collect(),
    };
    app.propose(&asked, &bytes, Command::ConfirmTotp(command)).await?;
    // A repetition made no codes: these are nobody's.
    let kept = login_of(&app, &asked.caller).await?;
    let is_kept = codes.first().is_some_and(|code| kept.has_recovery_code(&totp::recovery_hash(code)));
    let codes: Vec<Secret> = if is_kept { codes } else { Vec::new() };
    Ok(not_stored((StatusCode::OK, Json(RecoveryCodes { codes })).into_response()))
}

/// Do without a second factor. The password or a code is asked for again.
#[utoipa::path(post, path = "/v1/me/totp/remove", operation_id = "me.remove_totp", tag = "me", request_body = ShowAgain,
    responses((status = 204, description = "Removed")))]
async fn remove_totp(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<ShowAgain>,
) -> Result<Response, Ended> {
    let login = login_of(&app, &asked.caller).await?;
    let user_id = login.id.to_bytes();
    // A repetition's code has been used, and maybe for this very request.
    let command = show_again(&app, &asked, &login, value).await.map(|again| {
        Command::RemoveTotp(match again {
            Again::Seen => command::RemoveTotp { user_id, ..command::RemoveTotp::default() },
            Again::Code { totp_step, recovery_hash } => {
                command::RemoveTotp { user_id, totp_step, recovery_hash }
            }
        })
    });
    Ok(deleted(&app, &asked, &app.propose_if_made(&asked, &bytes, command).await?).await?)
}
