//! Query parameters: waiting, and what is only looked at.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use super::{
    body::named,
    problem::{Failure, Kind},
};

/// The longest that a request waits for the fleet.
const LONGEST_WAIT_SECONDS: u32 = 300;
/// How long a request waits if it does not say.
const USUAL_WAIT_SECONDS: u32 = 30;

/// The query's parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = std::error::Error::source(&rejection)
                .map_or_else(|| rejection.to_string(), ToString::to_string);
            // "<parameter>: <what is wrong>", or serde's own words about a field.
            let field = match text.split_once(": ") {
                Some((field, _)) if !field.contains(' ') => Some(field.to_owned()),
                _ => named(&text).map(str::to_owned),
            };
            let failure = Failure::new(Kind::InvalidQuery, text);
            match field {
                Some(field) => failure.at(field),
                None => failure,
            }
        })?;
        Ok(Self(query.0))
    }
}

/// Whether an answer waits for the fleet.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// `converged`: answer when the fleet has done it, or at the timeout.
    #[param(inline)]
    wait: Option<WaitFor>,
    /// How many seconds to wait: at most 300; 30 if absent.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 300, example = 30)]
    timeout: Option<WaitSeconds>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitFor {
    Converged,
}

/// Checked before anything is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
struct WaitSeconds(u32);

impl TryFrom<u32> for WaitSeconds {
    type Error = String;
    fn try_from(seconds: u32) -> Result<Self, String> {
        if seconds <= LONGEST_WAIT_SECONDS {
            Ok(Self(seconds))
        } else {
            Err(format!("a timeout is at most {LONGEST_WAIT_SECONDS} seconds (got {seconds})"))
        }
    }
}

impl WaitQuery {
    /// How long to wait, if at all.
    pub(crate) fn time(self) -> Option<Duration> {
        let WaitSeconds(seconds) = self.timeout.unwrap_or(WaitSeconds(USUAL_WAIT_SECONDS));
        self.wait.map(|WaitFor::Converged| Duration::from_secs(seconds.into()))
    }
}

/// What every write's query may say.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// `converged`: answer when the fleet has done it, or at the timeout.
    #[param(inline)]
    wait: Option<WaitFor>,
    /// How many seconds to wait: at most 300; 30 if absent.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 300, example = 30)]
    timeout: Option<WaitSeconds>,
    /// `true`: change nothing, and say what the write would come to.
    dry_run: Option<bool>,
}

/// What the query of an account's deletion may say.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteAccountQuery {
    wait: Option<WaitFor>,
    timeout: Option<WaitSeconds>,
    dry_run: Option<bool>,
    /// For how long its data is kept.
    retention_seconds: Option<u64>,
}

impl DeleteAccountQuery {
    pub(crate) fn write(self) -> WriteQuery {
        WriteQuery { wait: self.wait, timeout: self.timeout, dry_run: self.dry_run }
    }

    pub(crate) fn retention_seconds(self) -> Option<u64> {
        self.retention_seconds
    }
}

/// What the query of a node's deletion may say.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteNodeQuery {
    wait: Option<WaitFor>,
    timeout: Option<WaitSeconds>,
    dry_run: Option<bool>,
    /// Also if it carries something.
    force: Option<bool>,
    /// Also if accounts' data is on it.
    accept_data_loss: Option<bool>,
}

impl DeleteNodeQuery {
    pub(crate) fn write(self) -> WriteQuery {
        WriteQuery { wait: self.wait, timeout: self.timeout, dry_run: self.dry_run }
    }

    pub(crate) fn force(self) -> bool {
        self.force.unwrap_or(false)
    }

    pub(crate) fn accept_data_loss(self) -> bool {
        self.accept_data_loss.unwrap_or(false)
    }
}

impl WriteQuery {
    pub(crate) fn wait(self) -> WaitQuery {
        WaitQuery { wait: self.wait, timeout: self.timeout }
    }

    pub(crate) fn dry_run(self) -> bool {
        self.dry_run.unwrap_or(false)
    }
}

/// The query parameters of every write, for the OpenAPI document.
pub(crate) fn write_parameters() -> Vec<utoipa::openapi::path::Parameter> {
    WriteQuery::into_params(|| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_an_end() {
        let query = |timeout| WaitQuery { wait: Some(WaitFor::Converged), timeout };
        assert_eq!(query(None).time(), Some(Duration::from_secs(30)));
        assert_eq!(query(WaitSeconds::try_from(300).ok()).time(), Some(Duration::from_secs(300)));
        assert!(WaitSeconds::try_from(301).is_err());
        assert_eq!(WaitQuery { wait: None, timeout: None }.time(), None);
    }
}
