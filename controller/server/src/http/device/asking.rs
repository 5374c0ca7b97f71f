//! Which program waits, by the code that somebody types.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use npanel_model::{IdentityProviderId, Timestamp};
use npanel_state::{Decision, DeviceLogin, RefusalCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::page::{Choice, Page, Waiting, Wrong};
use crate::http::{
    app::App,
    problem::{Failure, Kind},
    signing_in::SigningIn,
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) user_code: String,
    /// An identity provider that is offered besides.
    provider: Option<IdentityProviderId>,
}

/// What is asked for; what cannot be read is nothing.
pub(super) fn query(RawQuery(query): RawQuery) -> Asked {
    serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default()
}

/// The code as it is kept: in capitals, without what people put between.
pub(crate) fn code_hash(user_code: &str) -> Vec<u8> {
    let plain: String = user_code.chars().filter(char::is_ascii_alphanumeric).collect();
    Sha256::digest(plain.to_ascii_uppercase().as_bytes()).to_vec()
}

/// What waits under the code. Trying codes is slow.
pub(super) async fn find(app: &App, from: &SigningIn, user_code: &str) -> Result<DeviceLogin, Failure> {
    app.count_code(from.peer)?;
    let hash = code_hash(user_code);
    let found = app.look_twice(|| app.reader().device_login_by_code(&hash)).await?;
    let waits =
        |login: &DeviceLogin| login.decision == Decision::Pending && login.expires_at > Timestamp::now();
    found.filter(waits).ok_or_else(|| {
        let detail = "nothing waits under this code: it is mistyped, was used, or has taken too long";
        Failure::new(Kind::Refused(RefusalCode::NotFound), detail)
    })
}

/// The code as it is shown again, and carried.
pub(super) fn plain(user_code: &str) -> String {
    user_code.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').take(20).collect()
}

pub(super) fn waiting(login: &DeviceLogin, user_code: &str) -> Waiting {
    Waiting {
        user_code: plain(user_code),
        client: login.client.clone(),
        user_agent: login.user_agent.clone(),
        source_address: login.source_address.clone(),
        since: login.created_at.to_string(),
    }
}

/// The page that asks who they are. The platform's own providers are offered to everybody, another one to whom its id was given.
pub(super) async fn sign_in_page(
    app: &App,
    login: &DeviceLogin,
    user_code: &str,
    also: Option<IdentityProviderId>,
) -> Result<Page, Failure> {
    let mut providers = Vec::new();
    for (id, name) in app.reader().platforms_identity_providers().await? {
        providers.push(Choice { id: id.to_string(), name: name.to_string() });
    }
    if let Some(id) = also
        && let Some(other) =
            app.reader().identity_provider_for_anybody(id).await?.filter(|one| one.is_enabled)
        && !providers.iter().any(|choice| choice.id == id.to_string())
    {
        providers.push(Choice { id: id.to_string(), name: other.name.to_string() });
    }
    Ok(Page::SignIn { waiting: waiting(login, user_code), providers, login: String::new() })
}

/// The page, and what waits under the code that it was asked with.
pub(super) async fn ask(State(app): State<App>, from: SigningIn, raw: RawQuery) -> Result<Response, Wrong> {
    let asked = query(raw);
    if asked.user_code.is_empty() {
        return Ok(Page::Code.show());
    }
    let login = find(&app, &from, &asked.user_code).await?;
    Ok(sign_in_page(&app, &login, &asked.user_code, asked.provider).await?.show())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let one = code_hash("WDJB-MJHT");
        for other in ["wdjbmjht", " WDJB MJHT ", "wdjb-mjht"] {
            assert_eq!(code_hash(other), one, "{other:?}");
        }
        assert_ne!(code_hash("WDJB-MJHS"), one);
    }
}
