//! What a handler left of a request's body.
//!
//! An answer that goes out while the client still sends ends the stream under its hands: over HTTP/2 it is
//! reset, over HTTP/1 the connection closes, and many clients then report that instead of the answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{sync::oneshot, time::timeout};

/// The most that is read for nothing: sixteen times what a body may have. Nothing of it is kept.
const MOST_BYTES: u64 = 16 * super::body::MAX_BYTES as u64;
/// How long the answer may be held back for it. On a busy machine ten megabytes take seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a client may send nothing of it.
const SILENCE: Duration = Duration::from_secs(5);

/// Reads what the handler did not, within bounds, before the answer goes out.
pub(super) async fn read_rest<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    // Whoever waits for a "100 Continue" has not sent anything yet, and needs not.
    let waits = request.headers().contains_key(EXPECT);
    if waits || request.body().size_hint().lower() > MOST_BYTES {
        return next(request).await;
    }
    let (give_back, left) = oneshot::channel();
    let lend = |body| Body::new(Lent { body: Some(body), give_back: Some(give_back) });
    let response = next(request.map(lend)).await;
    if let Ok(rest) = { left }.try_recv()
        && timeout(PATIENCE, discard(rest)).await.is_err()
    {
        tracing::debug!("a client took too long to send what is not wanted");
    }
    response
}

async fn discard(mut rest: Body) {
    let mut bytes = 0;
    while let Ok(Some(Ok(frame))) = timeout(SILENCE, rest.frame()).await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes > MOST_BYTES {
            return;
        }
    }
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Option<Body>,
    give_back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        if let Some((body, give_back)) = rest.zip(self.give_back.take()) {
            // Nobody takes it if the request itself was given up.
            let _ = give_back.send(body);
        }
    }
}
