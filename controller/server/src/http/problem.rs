//! Every error of the API, and the one map from errors to HTTP.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use npanel_consensus::Overload;
use npanel_model::{Action, RequestId};
use npanel_proto::command::Refused;
use npanel_sdk_types::{PROBLEM_MEDIA_TYPE, Problem};
use npanel_state::{QueryError, RefusalCode};

use crate::{agreement::Unproposed, rates::Exceeded};

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The state's rules said no.
    Refused(RefusalCode),
    /// The body is not JSON.
    MalformedBody,
    /// The body is JSON, and not what the route takes.
    InvalidBody,
    /// The body is declared to be something else than JSON.
    UnsupportedMediaType,
    /// The body is too long.
    BodyTooLarge,
    /// The query is not what the route takes.
    InvalidQuery,
    /// A header is not what it should be.
    InvalidHeader,
    /// There is no such route.
    NoRoute,
    /// The route does not take this method.
    MethodNotAllowed,
    /// There is no leader at the moment.
    NoLeader,
    /// The disk of the controller that leads is full.
    DiskFull,
    /// This controller was removed from the cluster.
    Removed,
    /// This controller takes no part in the agreement any more.
    Stopped,
    /// The request took too long.
    TimedOut,
    /// The events asked for are kept no longer.
    EventsGone,
    /// This controller has not come to the index that a read is to show.
    NotReached,
    /// The tenant has too many listeners.
    TooManyListeners,
    /// This controller has as much to do as it takes.
    Busy,
    /// The bucket does not take a backup.
    Bucket,
    /// This controller lacks a key that what is asked needs.
    KeyMissing,
    /// The API key has as much under way as it gets.
    TooManyRequests,
    /// Somebody has tried too often to sign in.
    TooManyGuesses,
    /// There were more requests in a time than are served.
    TooOften,
    /// The path and the query are too long.
    AddressTooLong,
    /// The controllers have as much under way as they take.
    Overloaded,
    /// The body does not come.
    BodyTooSlow,
    /// What the same request made or changed before has gone since.
    GoneSince,
    /// The request was not read as HTTP says.
    BadRequest,
    /// The controller is at fault.
    Internal,
}

impl Kind {
    /// Every kind.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let own = [
            Self::MalformedBody,
            Self::InvalidBody,
            Self::UnsupportedMediaType,
            Self::BodyTooLarge,
            Self::InvalidQuery,
            Self::InvalidHeader,
            Self::NoRoute,
            Self::MethodNotAllowed,
            Self::NoLeader,
            Self::DiskFull,
            Self::Removed,
            Self::Stopped,
            Self::TimedOut,
            Self::EventsGone,
            Self::NotReached,
            Self::TooManyListeners,
            Self::Busy,
            Self::Bucket,
            Self::KeyMissing,
            Self::TooManyRequests,
            Self::TooManyGuesses,
            Self::TooOften,
            Self::AddressTooLong,
            Self::Overloaded,
            Self::BodyTooSlow,
            Self::GoneSince,
            Self::BadRequest,
            Self::Internal,
        ];
        own.into_iter().chain(RefusalCode::ALL.iter().map(|code| Self::Refused(*code)))
    }
}

/// What an error kind means to the caller: status, code, title.
pub(crate) fn meaning(kind: Kind) -> (StatusCode, &'static str, &'static str) {
    let status = match kind {
        Kind::Refused(code) => return refusal_meaning(code),
        Kind::MalformedBody | Kind::InvalidHeader | Kind::BadRequest => StatusCode::BAD_REQUEST,
        Kind::InvalidBody | Kind::InvalidQuery => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::NoRoute => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NoLeader | Kind::DiskFull | Kind::Removed | Kind::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        Kind::TimedOut | Kind::NotReached | Kind::Busy | Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Kind::KeyMissing => StatusCode::SERVICE_UNAVAILABLE,
        Kind::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Kind::GoneSince | Kind::EventsGone => StatusCode::GONE,
        Kind::Bucket => StatusCode::BAD_GATEWAY,
        Kind::TooManyListeners | Kind::TooManyRequests | Kind::TooManyGuesses | Kind::TooOften => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Kind::AddressTooLong => StatusCode::URI_TOO_LONG,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let (code, title) = match kind {
        Kind::Refused(_) => unreachable!("answered above"),
        Kind::MalformedBody => ("malformed_body", "The body is not JSON"),
        Kind::InvalidBody => ("invalid_body", "The body is not what the route takes"),
        Kind::UnsupportedMediaType => ("unsupported_media_type", "The body is not declared to be JSON"),
        Kind::BodyTooLarge => ("body_too_large", "The body is too long"),
        Kind::InvalidQuery => ("invalid_query", "The query is not what the route takes"),
        Kind::InvalidHeader => ("invalid_header", "A header is not what it should be"),
        Kind::NoRoute => ("no_route", "There is no such route"),
        Kind::MethodNotAllowed => ("method_not_allowed", "The route does not take this method"),
        Kind::NoLeader => ("no_leader", "The controllers have no leader"),
        Kind::DiskFull => ("disk_full", "The disk of a controller is full"),
        Kind::Removed => ("controller_removed", "This controller was removed from the cluster"),
        Kind::Stopped => ("controller_stopped", "This controller takes no part at the moment"),
        Kind::TimedOut => ("timed_out", "The request took too long"),
        Kind::EventsGone => ("events_gone", "The events are kept no longer"),
        Kind::NotReached => ("not_reached", "The controller is not that far yet"),
        Kind::TooManyListeners => ("too_many_listeners", "The tenant follows the events too often"),
        Kind::Busy => ("busy", "The controller has as much to do as it takes"),
        Kind::Bucket => ("bucket_refuses", "The bucket does not take the backup"),
        Kind::KeyMissing => ("key_missing", "The controller does not have the cluster key yet"),
        Kind::TooManyRequests => ("too_many_requests", "The caller asks for too much at once"),
        Kind::TooManyGuesses => ("too_many_guesses", "There were too many tries to sign in"),
        Kind::TooOften => ("rate_limited", "There were too many requests in a time"),
        Kind::AddressTooLong => ("address_too_long", "The path and the query are too long"),
        Kind::Overloaded => ("overloaded", "The controllers have as much to do as they take"),
        Kind::BodyTooSlow => ("body_too_slow", "The body does not come"),
        Kind::GoneSince => ("gone_since", "It was done before, and what it made has gone since"),
        Kind::BadRequest => ("bad_request", "The request is not readable"),
        Kind::Internal => ("internal", "The controller is at fault"),
    };
    (status, code, title)
}

fn refusal_meaning(code: RefusalCode) -> (StatusCode, &'static str, &'static str) {
    use RefusalCode as R;
    let (status, title) = match code {
        R::NotFound => (StatusCode::NOT_FOUND, "There is no such object"),
        R::Forbidden => (StatusCode::FORBIDDEN, "The credential does not allow this"),
        R::Unauthenticated => (StatusCode::UNAUTHORIZED, "The credential is not good"),
        R::SecondFactorRequired => (StatusCode::UNAUTHORIZED, "A second factor is needed"),
        R::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "A value is not allowed"),
        R::NameTaken => (StatusCode::CONFLICT, "The name is taken"),
        R::NameOverlaps => (StatusCode::CONFLICT, "The name overlaps another account's"),
        R::LimitReached => (StatusCode::CONFLICT, "A limit is reached"),
        R::TenantSuspended => (StatusCode::FORBIDDEN, "The tenant is suspended"),
        R::RevisionMismatch => (StatusCode::PRECONDITION_FAILED, "The object has changed meanwhile"),
        R::InUse => (StatusCode::CONFLICT, "The object is in use"),
        R::Deleting => (StatusCode::CONFLICT, "The object is being deleted"),
        R::NoNode => (StatusCode::CONFLICT, "No node can take it"),
        R::NodeFull => (StatusCode::CONFLICT, "A node has no room for it to grow"),
        R::PlacementUnmet => (StatusCode::CONFLICT, "The account's node is not one for the plan"),
        R::IdentityInvalid => (StatusCode::FORBIDDEN, "The certificate is not good"),
        R::TokenInvalid => (StatusCode::FORBIDDEN, "The token is not good"),
        R::IdempotencyKeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key was used before"),
        R::KeyReplaced => (StatusCode::SERVICE_UNAVAILABLE, "The keys of secrets are being changed"),
        R::Unavailable => (StatusCode::UNPROCESSABLE_ENTITY, "The fleet does not offer this"),
        R::FeatureLevelTooLow => (StatusCode::CONFLICT, "The cluster is not at the feature level for this"),
        R::AlreadyInitialised => (StatusCode::CONFLICT, "The cluster exists already"),
    };
    (status, code.as_str(), title)
}

/// An error on its way to the caller. It becomes a problem where the request's id is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    detail: String,
    field: Option<String>,
    /// When it is worth to ask again, in seconds, if it passes.
    retry_after: u64,
}

impl Failure {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, retry_after: 1 }
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    pub(crate) fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// For what passes: when it is worth to ask again.
    fn after(self, wait: Duration) -> Self {
        Self { retry_after: wait.as_secs().max(1), ..self }
    }

    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Refused(RefusalCode::Invalid), detail).at(field)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Kind::Refused(RefusalCode::NotFound), format!("there is no such {what}"))
    }

    /// The same for every reason, so that nobody learns which part was wrong.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            Kind::Refused(RefusalCode::Unauthenticated),
            "the API key or session is missing, unknown, expired or revoked",
        )
    }

    /// Of somebody who signs in: the same whoever it is and whatever was wrong.
    pub(crate) fn not_signed_in() -> Self {
        let detail = "the login, the password or the code is wrong";
        Self::new(Kind::Refused(RefusalCode::Unauthenticated), detail)
    }

    /// Of a key that is shown from another network than it may be.
    pub(crate) fn elsewhere() -> Self {
        let detail = "the API key may not be used from this address";
        Self::new(Kind::Refused(RefusalCode::Forbidden), detail)
    }

    pub(crate) fn too_many_guesses(exceeded: Exceeded) -> Self {
        let detail = "there were too many tries to sign in; wait before the next one";
        Self::new(Kind::TooManyGuesses, detail).after(Duration::from_secs(exceeded.retry_after_seconds))
    }

    pub(crate) fn too_many_sign_ins() -> Self {
        Self::new(Kind::Overloaded, "too many people sign in at this moment")
    }

    /// Of a key that is not known here, while this controller may not know all.
    pub(crate) fn key_not_known_yet() -> Self {
        let detail =
            "this controller does not know the API key, and cannot ask the leader about it at the moment";
        Self::new(Kind::NoLeader, detail)
    }

    /// Of a write about what is not known here, while this controller may not know all.
    pub(crate) fn write_not_begun() -> Self {
        let detail = "the cluster has no leader at the moment, and what this request is about is not known to this controller: \
                      nothing was begun; repeat it with the same Idempotency-Key";
        Self::new(Kind::NoLeader, detail)
    }

    /// Of a key that is not known here, while too many such are looked for.
    pub(crate) fn key_not_looked_for() -> Self {
        let detail =
            "this controller does not know the API key, and is asking the leader about too many others";
        Self::new(Kind::Busy, detail)
    }

    pub(crate) fn forbidden(action: Action) -> Self {
        Self::new(Kind::Refused(RefusalCode::Forbidden), format!("this credential does not allow {action}"))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(Kind::MethodNotAllowed, "the route does not take this method")
    }

    /// Of who asks more often than is served.
    pub(crate) fn too_often(who: &str, exceeded: Exceeded) -> Self {
        let Exceeded { quota, window_seconds, retry_after_seconds, .. } = exceeded;
        let detail =
            format!("{who} has made more than {quota} requests in {window_seconds} s to this controller");
        Self::new(Kind::TooOften, detail).after(Duration::from_secs(retry_after_seconds))
    }

    /// Of whoever shows credentials that are not good more often than they are judged.
    pub(crate) fn failed_too_often(exceeded: Exceeded) -> Self {
        let Exceeded { quota, window_seconds, retry_after_seconds, .. } = exceeded;
        let detail = format!(
            "this address has shown more than {quota} credentials in {window_seconds} s that are not good"
        );
        Self::new(Kind::TooOften, detail).after(Duration::from_secs(retry_after_seconds))
    }

    /// The cause goes to the log, not to the caller.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Kind::Internal, "the controller could not do it; its log says why")
    }

    /// What axum's and tower's own error answers mean, which have no problem in them.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Kind::NoRoute, "there is no such route"),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Kind::BodyTooLarge, "a body has at most 1 MiB"),
            status if status.is_client_error() => Self::new(Kind::BadRequest, "the request is not readable"),
            status => Self::internal(&format!("status {status}")),
        }
    }

    #[cfg(test)]
    pub(crate) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// When it is worth to ask again, in seconds, if it passes.
    pub(crate) fn retry_after(&self) -> u64 {
        self.retry_after
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What the caller is told.
    pub(crate) fn problem(self, request_id: RequestId) -> Problem {
        let (status, code, title) = meaning(self.kind);
        Problem {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: self.detail,
            field: self.field,
            request_id: request_id.to_string(),
        }
    }

    /// The answer that the caller sees.
    pub(crate) fn answer(self, request_id: RequestId) -> Response {
        let status = meaning(self.kind).0;
        let (kind, retry_after) = (self.kind, self.retry_after);
        let mut response = (status, axum::Json(self.problem(request_id))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        let passes = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        if passes && kind != Kind::Removed {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = meaning(self.kind).0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Self::internal(&format!("{error}{cause}"))
    }
}

impl From<Unproposed> for Failure {
    fn from(error: Unproposed) -> Self {
        match error {
            Unproposed::NoLeader => Self::new(
                Kind::NoLeader,
                format!("{error}; a write may still happen: repeat it with the same Idempotency-Key"),
            ),
            Unproposed::DiskFull => {
                Self::new(Kind::DiskFull, format!("{error}; repeat it with the same Idempotency-Key"))
            }
            Unproposed::Overloaded(overload) => {
                let kind = match overload {
                    Overload::Share(_) => Kind::TooManyRequests,
                    Overload::Full | Overload::Slow(_) => Kind::Overloaded,
                };
                Self::new(kind, error.to_string()).after(overload.retry_after())
            }
            Unproposed::Stopped(_) => {
                tracing::error!(%error, "a request cannot be decided on here");
                let detail = "a write may still happen: repeat it with the same Idempotency-Key, or ask another controller";
                Self::new(Kind::Stopped, detail)
            }
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let Some(code) = RefusalCode::from_text(&refused.code) else {
            return Self::internal(&format!("unknown refusal {}: {}", refused.code, refused.message));
        };
        let failure = Self::new(Kind::Refused(code), refused.message);
        match refused.field.trim_start_matches('/') {
            // The id is in the path, or was made here: no field of the caller's.
            "" | "id" => failure,
            field => failure.at(field.replace('/', ".")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_client_error_or_says_that_the_server_is_at_fault() {
        for code in RefusalCode::ALL {
            let (status, text, title) = refusal_meaning(*code);
            assert!(status.is_client_error() || *code == RefusalCode::KeyReplaced, "{text}");
            assert!(!title.is_empty() && text == code.as_str());
        }
    }

    #[test]
    fn a_refusals_field_is_the_callers() {
        let refused = |field: &str| Refused {
            code: "name_taken".into(),
            message: "x is taken".into(),
            field: field.into(),
        };
        assert_eq!(Failure::from(refused("/name")).field.as_deref(), Some("name"));
        assert_eq!(Failure::from(refused("/id")).field, None);
        assert_eq!(Failure::from(refused("")).kind, Kind::Refused(RefusalCode::NameTaken));
    }
}
