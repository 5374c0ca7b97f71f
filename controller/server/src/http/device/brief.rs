//! Texts that are given out to be shown again within minutes: sealed, so that whoever carries them neither reads nor changes them, and
//! opened by whichever controller they are shown to.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use npanel_model::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::http::{app::App, problem::Failure};

/// Until when it counts, and what it is.
#[derive(Serialize, Deserialize)]
struct Until<T> {
    until: Timestamp,
    what: T,
}

/// Seals it until then.
pub(super) fn seal<T: Serialize>(
    app: &App,
    purpose: &'static str,
    until: Timestamp,
    what: T,
) -> Result<String, Failure> {
    let plain = serde_json::to_vec(&Until { until, what }).map_err(|error| Failure::internal(&error))?;
    let keys = app.authorities.keys().now();
    let sealed =
        keys.seal_brief(purpose, &Zeroizing::new(plain)).map_err(|error| Failure::internal(&error))?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// What was sealed for this purpose, and until when it counts; `None`: nothing was, or not until now.
pub(super) fn open<T: DeserializeOwned>(
    app: &App,
    purpose: &'static str,
    text: &str,
) -> Option<(T, Timestamp)> {
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = app.authorities.keys().now().open_brief(purpose, &sealed).ok()?;
    let Until { until, what } = serde_json::from_slice(&plain).ok()?;
    (until > Timestamp::now()).then_some((what, until))
}
