//! Query parameters: pages and waiting.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use npanel_sdk_types::Page;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{
    app::App,
    body::named,
    problem::{Failure, Kind},
};

/// The most items that one answer lists.
const MOST_ITEMS: u32 = 200;
/// How many items an answer lists if the request does not say.
const USUAL_ITEMS: u32 = 100;
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

/// Which part of a list is wanted, and how its answer is made.
pub(crate) struct Paging {
    limit: u32,
    after: Option<Vec<u8>>,
}

impl Paging {
    pub(crate) fn new(limit: Option<u32>, after: Option<Vec<u8>>) -> Result<Self, Failure> {
        let limit = limit.unwrap_or(USUAL_ITEMS);
        if (1..=MOST_ITEMS).contains(&limit) {
            return Ok(Self { limit, after });
        }
        let detail = format!("a limit is 1 to {MOST_ITEMS} (got {limit})");
        Err(Failure::new(Kind::InvalidQuery, detail).at("limit"))
    }

    /// The rows to ask the state for, once it shows what other controllers have acknowledged.
    pub(crate) async fn rows(&self, app: &App) -> npanel_state::Page {
        app.agreement.catch_up().await;
        self.and_one_more()
    }

    /// One row more than wanted, to know whether there are more.
    fn and_one_more(&self) -> npanel_state::Page {
        npanel_state::Page { after: self.after.clone(), limit: self.limit + 1 }
    }

    /// The page of these rows.
    pub(crate) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        id: impl Fn(&R) -> String,
        show: impl FnMut(R) -> T,
    ) -> axum::Json<Page<T>> {
        let wanted = self.limit as usize;
        let next = (rows.len() > wanted).then(|| id(&rows[wanted - 1]));
        rows.truncate(wanted);
        axum::Json(Page { items: rows.into_iter().map(show).collect(), next })
    }
}

/// Makes the query type of a list: `limit`, `after` and filters.
macro_rules! list_query {
    ($(#[$doc:meta])* $name:ident, $id:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// How many items at most: 1 to 200; 100 if absent.
            #[param(minimum = 1, maximum = 200)]
            limit: Option<u32>,
            /// The cursor that the answer before gave as `next`.
            #[param(value_type = Option<String>, format = "uuid")]
            after: Option<npanel_model::$id>,
            $($(#[$field_doc])* $field: Option<$type>,)*
        }

        impl $name {
            fn paging(&self) -> Result<$crate::http::query::Paging, $crate::http::problem::Failure> {
                $crate::http::query::Paging::new(self.limit, self.after.map(npanel_model::$id::to_bytes))
            }
        }
    };
}
pub(crate) use list_query;

/// Whether an answer waits for the fleet.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// `converged`: answer when the fleet has done it, or at the timeout.
    #[param(value_type = Option<String>, example = "converged")]
    wait: Option<WaitFor>,
    /// How many seconds to wait: at most 300; 30 if absent.
    #[param(value_type = Option<u32>, maximum = 300)]
    timeout: Option<WaitSeconds>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
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

/// The query parameters of every write, for the OpenAPI document.
pub(crate) fn write_parameters() -> Vec<utoipa::openapi::path::Parameter> {
    WaitQuery::into_params(|| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_leads_to_the_next() {
        let paging = Paging::new(Some(2), None).expect("a page");
        assert_eq!(paging.and_one_more().limit, 3);
        let page = paging.page(vec![1, 2, 3], ToString::to_string, |row| row);
        assert_eq!((page.0.items, page.0.next), (vec![1, 2], Some("2".to_owned())));
        let page = paging.page(vec![1, 2], ToString::to_string, |row| row);
        assert_eq!((page.0.items, page.0.next), (vec![1, 2], None));
    }

    #[test]
    fn no_page_is_endless() {
        for limit in [0, 201, 1_000_000, u32::MAX] {
            assert!(Paging::new(Some(limit), None).is_err(), "{limit}");
        }
    }

    #[test]
    fn waiting_has_an_end() {
        let query = |timeout| WaitQuery { wait: Some(WaitFor::Converged), timeout };
        assert_eq!(query(None).time(), Some(Duration::from_secs(30)));
        assert_eq!(query(WaitSeconds::try_from(300).ok()).time(), Some(Duration::from_secs(300)));
        assert!(WaitSeconds::try_from(301).is_err());
        assert_eq!(WaitQuery { wait: None, timeout: None }.time(), None);
    }
}
