//! How fresh a read is: `consistency` and `min_index`, which every read's query may say.
//!
//! Unless it says otherwise, a read shows all that was acknowledged before it was asked for, whichever controller it is
//! asked of.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, uri::PathAndQuery};
use npanel_model::Action;
use npanel_sdk_types::{AGE_HEADER, INDEX_HEADER, MIN_INDEX_HEADER};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::{Failure, Kind};
use crate::agreement::{Agreement, Unproposed};

/// How long a read waits for the index that it is to show at least.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How a read may be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Freshness {
    /// `linearizable` (if absent): all that was acknowledged before. `stale`: what this controller has, without asking the
    /// leader; `NPanel-Age-Millis` says how long ago it last knew that this is all.
    #[param(inline)]
    consistency: Option<Consistency>,
    /// At least as it was at this index, which a write's `NPanel-Index` says. The header `NPanel-Min-Index` is the same.
    #[param(value_type = Option<npanel_sdk_types::schema::Revision>)]
    min_index: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Consistency {
    Linearizable,
    Stale,
}

/// The query parameters of every read, for the OpenAPI document.
pub(crate) fn read_parameters() -> Vec<utoipa::openapi::path::Parameter> {
    Freshness::into_params(|| None)
}

/// Brings this controller's state to where a read needs it, and says where it was.
pub(crate) async fn keep(
    State(agreement): State<Arc<dyn Agreement>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let action = request.extensions().get::<Action>().copied();
    if !is_read || action == Some(Action::EventList) {
        return next.run(request).await;
    }
    let wanted = match Freshness::take(&mut request) {
        Ok(wanted) => wanted,
        Err(failure) => return failure.into_response(),
    };
    // Which controllers see each other is what that one is for.
    let is_own_view = action == Some(Action::ClusterStatus);
    if let Err(failure) = wanted.reach(&*agreement, is_own_view).await {
        return failure.into_response();
    }
    let index = agreement.reader().applied_index();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(INDEX_HEADER), HeaderValue::from(index));
    if let Some(age) = wanted.is_stale().then(|| agreement.age()).flatten() {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        headers.insert(HeaderName::from_static(AGE_HEADER), HeaderValue::from(millis));
    }
    response
}

impl Freshness {
    /// Takes it out of the request: what is left of the query is the route's.
    fn take(request: &mut Request) -> Result<Self, Failure> {
        let by_header = min_index(request.headers())?;
        let query = request.uri().query().unwrap_or_default();
        let is_ours = |pair: &&str| pair.starts_with("consistency=") || pair.starts_with("min_index=");
        let (ours, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_ours);
        if ours.is_empty() {
            return Ok(Self { consistency: None, min_index: by_header });
        }
        let said = format!("/?{}", ours.join("&")).parse::<Uri>().ok();
        let said = said.as_ref().map(axum::extract::Query::<Self>::try_from_uri);
        let said = match said {
            Some(Ok(said)) => said.0,
            Some(Err(_)) | None => {
                let detail =
                    "a consistency is linearizable or stale, and a min_index is a number, each said once";
                return Err(Failure::new(Kind::InvalidQuery, detail).at(field(&ours)));
            }
        };
        let path = request.uri().path();
        let left = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(left).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        Ok(Self { min_index: said.min_index.max(by_header), ..said })
    }

    fn is_stale(self) -> bool {
        self.consistency == Some(Consistency::Stale)
    }

    async fn reach(self, agreement: &dyn Agreement, is_own_view: bool) -> Result<(), Failure> {
        let is_asked_for = self.consistency == Some(Consistency::Linearizable);
        if is_asked_for || !self.is_stale() && !is_own_view {
            agreement.linearize().await.map_err(unled)?;
        }
        let Some(index) = self.min_index else { return Ok(()) };
        let mut applied = agreement.applied();
        let reached = applied.wait_for(|applied| *applied >= index);
        match tokio::time::timeout(LONGEST_WAIT, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Unproposed::Stopped("it applies nothing any more".to_owned()).into()),
            Err(_) => {
                let have = agreement.reader().applied_index();
                let detail =
                    format!("this controller is at the index {have} (wanted {index}): ask again, or another");
                Err(Failure::new(Kind::NotReached, detail))
            }
        }
    }
}

fn unled(error: Unproposed) -> Failure {
    match error {
        Unproposed::NoLeader => {
            let detail = "the cluster has no leader at the moment, so this may not be all there is: with consistency=stale this \
                          controller answers with what it has";
            Failure::new(Kind::NoLeader, detail)
        }
        Unproposed::DiskFull | Unproposed::Overloaded(_) | Unproposed::Stopped(_) => error.into(),
    }
}

fn min_index(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(MIN_INDEX_HEADER) else { return Ok(None) };
    let index = value.to_str().ok().and_then(|text| text.parse().ok());
    index.map(Some).ok_or_else(|| {
        Failure::new(Kind::InvalidHeader, "an NPanel-Min-Index is a number").at("NPanel-Min-Index")
    })
}

/// Which of ours is at fault.
fn field(ours: &[&str]) -> &'static str {
    let is_number =
        |pair: &&str| pair.strip_prefix("min_index=").is_none_or(|text| text.parse::<u64>().is_ok());
    let numbers = ours.iter().filter(|pair| pair.starts_with("min_index=")).count();
    if numbers > 1 || !ours.iter().all(is_number) { "min_index" } else { "consistency" }
}
