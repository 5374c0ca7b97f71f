//! Which requests are let in: so many in a time (`rates`), and so many at once, with so many bytes of bodies, shared fairly between
//! credentials. Whoever finds no
//! place is told so before anything of the body is read. A request has its place until its answer has gone out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, header::CONTENT_LENGTH};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use npanel_consensus::{Crowded, Place, Room, Shares, Standing};
use npanel_state::Credential;

use super::{
    body::MAX_BYTES,
    problem::{Failure, Kind},
};
use crate::{
    auth::Caller,
    rates::{Rates, Shown},
};

/// Requests at once, those that wait for the fleet included. A single one gets half of them.
const REQUESTS: Room = Room { count: 4096, bytes: 128 * 1024 * 1024 };

/// An answer of less is out, or in the connection's buffers, at once.
const SMALL: u64 = 16 * 1024;

/// Requests that are at work, by credential.
pub type Requests = Shares<Credential>;

/// Room for as many requests as a controller takes.
pub fn requests() -> Requests {
    Shares::new(REQUESTS)
}

/// What decides of a request whose caller is known.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) rates: Rates,
    pub(super) requests: Requests,
}

/// Lets a request in whose caller is known.
pub(super) async fn admit(
    State(Admission { rates, requests }): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else { return next.run(request).await };
    let counted = rates
        .of_caller(caller.credential, caller.tenant_id, request.extensions().get::<Shown>())
        .and_then(|()| rates.of_tenants(&caller.access().request_limits));
    if let Err(exceeded) = counted {
        let who = if exceeded.standing.name == "key" { "this API key" } else { "this tenant" };
        return Failure::too_often(who, exceeded).into_response();
    }
    let standing = if caller.is_platform { Standing::Reserved } else { Standing::Ordinary };
    match requests.enter(caller.credential, bytes_of(&request), standing) {
        Ok(place) => held(next.run(request).await, place),
        Err(crowded) => {
            requests.refused(crowded);
            refusal(crowded).into_response()
        }
    }
}

/// What its body will take: as much as it says, or as much as it may if it does not.
fn bytes_of(request: &Request) -> usize {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return 0;
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.map_or(MAX_BYTES, |length: usize| length.min(MAX_BYTES))
}

fn refusal(crowded: Crowded) -> Failure {
    match crowded {
        Crowded::Share(have) => Failure::new(
            Kind::TooManyRequests,
            format!(
                "this credential has {have} requests under way here, and others have to find a place, too"
            ),
        ),
        Crowded::Full => {
            Failure::new(Kind::Overloaded, "this controller has as many requests under way as it takes")
        }
    }
}

/// A long answer keeps the place until it is out. One without a known length goes on for as long as somebody listens, and is
/// bounded as such.
fn held(response: Response, place: Place<Credential>) -> Response {
    let is_long = response.body().size_hint().exact().is_some_and(|length| length > SMALL);
    if is_long { response.map(|body| Body::new(Held { body, _place: place })) } else { response }
}

struct Held {
    body: Body,
    _place: Place<Credential>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
