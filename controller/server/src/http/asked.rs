//! Who asked for a write, and how to recognise it when it is asked again.

use std::{net::IpAddr, time::Duration};

use axum::extract::{FromRequestParts, OriginalUri};
use http::{
    HeaderMap, Method,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use npanel_model::{Action, RequestId};
use npanel_pki::RequestDigests;
use npanel_proto::command::{Envelope, Principal, envelope::Command};
use npanel_sdk_types::IDEMPOTENCY_HEADER;
use npanel_state::CALLERS_KEY;

use super::{
    client_address::Client,
    problem::{Failure, Kind},
    query::{Query, WriteQuery},
};
use crate::auth::Caller;

/// The header of preferences, and the one that writes know.
pub(crate) const PREFER: &str = "prefer";
pub(crate) const RETURN_MINIMAL: &str = "return=minimal";

/// What an envelope says about a write's asking.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    /// How long the answer waits for the fleet, if at all.
    pub(crate) wait: Option<Duration>,
    /// Whether it is only asked what the write would come to.
    pub(crate) dry_run: bool,
    /// Whether an answer without what was written is enough.
    pub(crate) prefers_minimal: bool,
    /// The client's address.
    pub(super) peer: Option<IpAddr>,
    request_id: RequestId,
    pub(super) idempotency_key: String,
    condition: Condition,
    method: Method,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(query) = Query::<WriteQuery>::from_request_parts(parts, state).await?;
        Self::by(parts, state, query).await
    }
}

impl Asked {
    /// Of a route whose query may say more than that of every write, and has been read already.
    pub(crate) async fn by<S: Send + Sync>(
        parts: &mut Parts,
        state: &S,
        query: WriteQuery,
    ) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<Client>().map(|client| client.0);
        let uri = OriginalUri::from_request_parts(parts, state)
            .await
            .map_or_else(|never| match never {}, |uri| uri.0);
        Ok(Self {
            caller: Caller::from_request_parts(parts, state).await?,
            wait: query.wait().time(),
            dry_run: query.dry_run(),
            prefers_minimal: prefers_minimal(&parts.headers),
            request_id: parts.extensions.get().copied().unwrap_or_else(RequestId::generate),
            peer,
            idempotency_key: idempotency_key(&parts.headers, parts.extensions.get())?,
            condition: Condition::of(&parts.headers)?,
            method: parts.method.clone(),
            path: uri.path().to_owned(),
        })
    }
}

/// `Prefer: return=minimal` (RFC 7240).
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| preference.trim() == RETURN_MINIMAL)
}

/// The caller's key, which is the route's: the same for something else is another. Without one, a key of this request
/// alone (and not of its id, which callers may reuse), so that a command whose answer is lost between controllers is not
/// carried out twice.
fn idempotency_key(headers: &HeaderMap, route: Option<&Action>) -> Result<String, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(format!("once/{}", RequestId::generate()));
    };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    let route = route.map_or("", |route| route.as_str());
    text.map(|text| format!("{CALLERS_KEY}{route}/{text}")).ok_or_else(|| {
        let detail = "an Idempotency-Key is 1 to 255 printable ASCII characters";
        Failure::new(Kind::InvalidHeader, detail).at("Idempotency-Key")
    })
}

/// How the object must be for the write to be done (RFC 9110, 13.1).
#[derive(Debug, Default, PartialEq, Eq)]
struct Condition {
    /// At one of these revisions; none: at any.
    revisions: Vec<u64>,
    /// `If-Match: *`.
    must_exist: bool,
    /// `If-None-Match: *`.
    must_not_exist: bool,
}

impl Condition {
    /// Our entity tags are strong and hold a number as this API writes it, so anything else is nothing that it gave
    /// out. A weak one (`W/"57"`) equals none in the strong comparison that `If-Match` asks for (RFC 9110, 13.1.1).
    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut condition = Self::default();
        for value in headers.get_all(IF_MATCH) {
            let text = value.to_str().unwrap_or_default().trim();
            if text == "*" {
                condition.must_exist = true;
                continue;
            }
            for tag in text.split(',') {
                condition.revisions.push(revision(tag.trim()).ok_or_else(|| {
                    let detail =
                        format!("If-Match is * or entity tags of this API, such as \"57\" (got {tag})");
                    Failure::new(Kind::InvalidHeader, detail).at("If-Match")
                })?);
            }
        }
        for value in headers.get_all(IF_NONE_MATCH) {
            let text = value.to_str().unwrap_or_default().trim();
            if text != "*" {
                let detail = format!("the If-None-Match of a write is * (got {text})");
                return Err(Failure::new(Kind::InvalidHeader, detail).at("If-None-Match"));
            }
            condition.must_not_exist = true;
        }
        Ok(condition)
    }
}

/// The revision that an entity tag of ours holds. "+57" and "057" are numbers, too, and not our tags.
fn revision(tag: &str) -> Option<u64> {
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

impl Asked {
    /// Of one of many that a call asks for: what it has in common with the others, and a key of its own.
    pub(super) fn item(&self, place: usize) -> Self {
        Self {
            caller: self.caller.clone(),
            wait: None,
            dry_run: self.dry_run,
            prefers_minimal: false,
            request_id: self.request_id,
            peer: self.peer,
            idempotency_key: format!("{}/{place}", self.idempotency_key),
            condition: Condition::default(),
            method: self.method.clone(),
            path: self.path.clone(),
        }
    }

    pub(super) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The envelope of a command. The leader fills in what is its to know.
    pub(super) fn envelope(&self, digests: &RequestDigests, body: &[u8], command: Command) -> Envelope {
        let (request_digest, other_request_digests) = self.digest(digests, body);
        let who = self.caller.principal();
        Envelope {
            principal: Some(Principal { who: Some(who) }),
            source_address: self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            request_id: self.request_id.to_bytes(),
            idempotency_key: self.idempotency_key.clone(),
            if_match: self.condition.revisions.clone(),
            must_exist: self.condition.must_exist,
            must_not_exist: self.condition.must_not_exist,
            request_digest,
            other_request_digests,
            command: Some(command),
            ..Envelope::default()
        }
    }

    /// By which a repetition is told from another request.
    pub(super) fn digest(&self, digests: &RequestDigests, body: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        digests.of(self.caller.tenant_id, self.method.as_str(), &self.path, body)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn expected(values: &[&str]) -> Result<Condition, Failure> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).expect("a header"));
        }
        Condition::of(&headers)
    }

    fn at(revisions: &[u64]) -> Condition {
        Condition { revisions: revisions.to_vec(), ..Condition::default() }
    }

    #[test]
    fn an_expectation_is_one_of_our_entity_tags() {
        assert_eq!(expected(&[]), Ok(at(&[])));
        assert_eq!(expected(&["*"]), Ok(Condition { must_exist: true, ..Condition::default() }));
        assert_eq!(expected(&["\"57\""]), Ok(at(&[57])));
        assert_eq!(expected(&["\"57\", \"58\"", "\"60\""]), Ok(at(&[57, 58, 60])));
        for value in
            ["57", "W/\"57\"", "\"x\"", "\"57", "", "\"\"", "\"-1\"", "\"057\"", "\"+57\"", "\" 57\""]
        {
            assert!(expected(&[value]).is_err(), "{value}");
        }
    }

    #[test]
    fn a_write_is_for_what_does_not_exist_or_for_all() {
        let mut headers = HeaderMap::new();
        headers.append(IF_NONE_MATCH, HeaderValue::from_static("*"));
        assert_eq!(Condition::of(&headers), Ok(Condition { must_not_exist: true, ..Condition::default() }));
        headers.append(IF_NONE_MATCH, HeaderValue::from_static("\"57\""));
        assert_eq!(Condition::of(&headers).expect_err("a tag").field(), Some("If-None-Match"));
    }
}
