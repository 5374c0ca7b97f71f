//! Connections on which nobody asks for anything.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// A connection on which nothing was asked for so long is closed: it holds a place that others may want. Clients keep theirs for a
/// minute or two, and connect anew without a word.
pub const IDLE: Duration = Duration::from_secs(300);

/// What is at work on a connection: requests whose answers have not gone out to their end.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    at_work: AtomicUsize,
    /// When the last one ended, after `begun`.
    quiet_since_millis: AtomicU64,
}

impl Activity {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            at_work: AtomicUsize::new(0),
            quiet_since_millis: AtomicU64::new(0),
        })
    }

    /// A request is at work until this is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> AtWork {
        self.at_work.fetch_add(1, Ordering::AcqRel);
        AtWork(Arc::clone(self))
    }

    /// Returns when nothing was asked for so long.
    pub(super) async fn end(&self, idle: Duration) {
        let mut wait = idle;
        while !wait.is_zero() {
            sleep(wait).await;
            wait = self.left(idle);
        }
    }

    /// How long to look again after: all of it while something is at work.
    fn left(&self, idle: Duration) -> Duration {
        if self.at_work.load(Ordering::Acquire) > 0 {
            return idle;
        }
        let since = Duration::from_millis(self.quiet_since_millis.load(Ordering::Acquire));
        idle.saturating_sub(self.begun.elapsed().saturating_sub(since))
    }
}

/// A request at work.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Activity>);

impl Drop for AtWork {
    fn drop(&mut self) {
        let millis = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.quiet_since_millis.store(millis, Ordering::Release);
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer's body, which is at work until it has gone out.
pub(super) struct Attended<B> {
    pub(super) body: B,
    pub(super) _at_work: AtWork,
}

impl<B: Body + Unpin> Body for Attended<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_request() {
        let (activity, begun) = (Activity::begin(), Instant::now());
        let ends = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.end(IDLE).await }
        });
        tokio::task::yield_now().await;
        advance(Duration::from_secs(100)).await;
        let (first, second) = (activity.enter(), activity.enter());
        advance(IDLE * 3).await;
        drop(first);
        advance(IDLE * 3).await;
        tokio::task::yield_now().await;
        assert!(!ends.is_finished(), "a request is at work");
        drop(second);
        let quiet = begun.elapsed();
        ends.await.expect("no panic");
        assert_eq!((begun.elapsed() - quiet).as_secs(), IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_ever_asked_is_idle_too() {
        let begun = Instant::now();
        Activity::begin().end(IDLE).await;
        assert_eq!(begun.elapsed().as_secs(), IDLE.as_secs());
    }
}
