//! Signing in with a password, for a program that waits.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::HeaderMap;
use npanel_model::{LoginName, Secret};
use npanel_state::{DeviceLogin, RefusalCode};
use serde::Deserialize;

use super::{
    asking,
    page::{Page, Wrong},
    proof::Proof,
};
use crate::http::{
    app::App,
    problem::{Failure, Kind},
    sessions,
    signing_in::SigningIn,
};

#[derive(Deserialize)]
struct Form {
    user_code: String,
    login: String,
    password: Secret,
    #[serde(default = "nothing")]
    code: Secret,
}

fn nothing() -> Secret {
    Secret::new("")
}

/// A form of this page. What another site has a browser send is not one, although it could do nothing with it either.
pub(super) fn form<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Failure> {
    let says =
        |name: &str, text: &str| headers.get(name).is_some_and(|value| value.as_bytes() == text.as_bytes());
    let is_elsewheres = says("sec-fetch-site", "cross-site");
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
    let read = (is_form && !is_elsewheres).then(|| serde_urlencoded::from_bytes(body).ok()).flatten();
    read.ok_or_else(|| Failure::new(Kind::BadRequest, "that is not the form of this page: begin anew"))
}

/// Asks whether they want it, if login, password and code are good.
pub(super) async fn sign_in(
    State(app): State<App>,
    from: SigningIn,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Wrong> {
    let form: Form = form(&headers, &body)?;
    let login = asking::find(&app, &from, &form.user_code).await?;
    let page = asking::sign_in_page(&app, &login, &form.user_code, None).await?;
    let page = match page {
        Page::SignIn { waiting, providers, .. } => {
            Page::SignIn { waiting, providers, login: form.login.clone() }
        }
        other => other,
    };
    match judged(&app, &from, &login, form).await {
        Ok(confirm) => Ok(confirm.show()),
        Err(failure) => Ok(Wrong::on(page)(failure).into_response()),
    }
}

async fn judged(app: &App, from: &SigningIn, waits: &DeviceLogin, form: Form) -> Result<Page, Failure> {
    let name: LoginName = form.login.trim().parse().map_err(|_| Failure::not_signed_in())?;
    let code = Some(form.code).filter(|code| !code.expose().trim().is_empty());
    let code = code.map(|code| Secret::new(code.expose().trim()));
    let (user, totp_step, recovery_hash) =
        sessions::shown_password(app, from, &name, form.password, code.as_ref()).await?;
    if user.has_totp && code.is_none() {
        let detail = "a code of your authenticator is needed, too";
        return Err(Failure::new(Kind::Refused(RefusalCode::SecondFactorRequired), detail));
    }
    let proof = Proof {
        login: waits.id,
        user_code: asking::plain(&form.user_code),
        user: user.id,
        totp_step,
        recovery_hash,
        provider: None,
    };
    confirm_page(app, waits, &proof, String::new()).await
}

/// The page that asks whether they want it.
pub(super) async fn confirm_page(
    app: &App,
    waits: &DeviceLogin,
    proof: &Proof,
    by: String,
) -> Result<Page, Failure> {
    let user = app.find_for_write("user", || app.reader().own_user(proof.user)).await?;
    Ok(Page::Confirm {
        waiting: asking::waiting(waits, &proof.user_code),
        login: user.login.to_string(),
        name: user.name,
        by,
        proof: proof.seal(app)?,
    })
}
