//! Many things made by one call: each is a command of its own, with an idempotency key that comes of the call's key and of its place,
//! so that a call can be repeated until all is done, and does nothing twice.

use std::{future::Future, time::Duration};

use futures::{StreamExt, stream};
use npanel_model::{IdError, OperationId};
use npanel_sdk_types::{Bulk, BulkAnswer, BulkItem, MOST_IN_BULK};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    answer::{gone, operation_of},
    app::{App, Written},
    asked::Asked,
    body::{Body, parse},
    preview::Ended,
    problem::{Failure, Kind, meaning},
};

/// So many are under way at once: few enough that a key may still do something else while the log is slow, and enough to fill its
/// batches.
const AT_ONCE: usize = 8;

/// What is not begun by then is not begun: the answer has to be out before the request's end, which is at 30 seconds.
const BEGUN_WITHIN: Duration = Duration::from_secs(20);

/// How one item is made, and shown.
pub(super) trait Making {
    /// What is sent.
    type Create: DeserializeOwned;
    /// The id of what is made.
    type Id: Copy;
    /// What is answered.
    type Made;

    fn make(
        &self,
        app: &App,
        asked: &Asked,
        value: Self::Create,
        bytes: &[u8],
    ) -> impl Future<Output = Result<Written, Ended>> + Send;

    fn id(&self, bytes: &[u8]) -> Result<Self::Id, IdError>;

    fn read(
        &self,
        app: &App,
        asked: &Asked,
        id: Self::Id,
    ) -> impl Future<Output = Result<Self::Made, Failure>> + Send;
}

/// Makes all of them, waits for their operations if that is wanted, and says what became of each.
pub(super) async fn make<M: Making>(
    making: &M,
    app: &App,
    asked: &Asked,
    body: Body<Bulk<Value>>,
) -> Result<BulkAnswer<M::Made>, Failure> {
    let items = body.value.items;
    if !(1..=MOST_IN_BULK).contains(&items.len()) {
        let detail =
            format!("a call makes 1 to {MOST_IN_BULK} (got {}): send the others by another", items.len());
        return Err(Failure::invalid("items", detail));
    }
    let begin_until = Instant::now() + BEGUN_WITHIN;
    let proposals = items.into_iter().enumerate().map(|(place, item)| async move {
        if Instant::now() > begin_until {
            return Err(not_begun().into());
        }
        propose(making, app, &asked.item(place), &item).await
    });
    let proposed: Vec<Result<Written, Ended>> = stream::iter(proposals).buffered(AT_ONCE).collect().await;
    let wait_until = asked.wait.map(|time| Instant::now() + time);
    let shown = proposed.into_iter().map(|ended| async move {
        let item = match ended {
            Ok(written) => show(making, app, asked, &written, wait_until).await,
            Err(ended) => Err(ended),
        };
        item.unwrap_or_else(|ended| told(ended, asked))
    });
    let items: Vec<BulkItem<M::Made>> = stream::iter(shown).buffered(AT_ONCE).collect().await;
    let failed = items.iter().filter(|item| item.problem.is_some()).count() as u64;
    Ok(BulkAnswer { succeeded: items.len() as u64 - failed, failed, items })
}

async fn propose<M: Making>(making: &M, app: &App, asked: &Asked, item: &Value) -> Result<Written, Ended> {
    let bytes = serde_json::to_vec(item).map_err(|error| Failure::internal(&error))?;
    making.make(app, asked, parse(&bytes)?, &bytes).await
}

fn not_begun() -> Failure {
    let detail = format!(
        "it was not begun within {} s of the call: repeat the call with the same Idempotency-Key, and what is done already is not \
         done again",
        BEGUN_WITHIN.as_secs()
    );
    Failure::new(Kind::TimedOut, detail)
}

async fn show<M: Making>(
    making: &M,
    app: &App,
    asked: &Asked,
    written: &Written,
    wait_until: Option<Instant>,
) -> Result<BulkItem<M::Made>, Ended> {
    let operation: Option<OperationId> = operation_of(written)?;
    let mut status = 201;
    if let (Some(operation), Some(until)) = (operation, wait_until) {
        let left = until.saturating_duration_since(Instant::now());
        status = if app.is_finished_within(operation, left).await? { 201 } else { 202 };
    }
    let id = making.id(&written.object_id).map_err(|error| Failure::internal(&error))?;
    let object = making.read(app, asked, id).await.map_err(|failure| gone(written, failure))?;
    Ok(BulkItem { status, object: Some(object), operation_id: operation, preview: None, problem: None })
}

fn told<T>(ended: Ended, asked: &Asked) -> BulkItem<T> {
    let nothing = BulkItem { status: 200, object: None, operation_id: None, preview: None, problem: None };
    match ended {
        Ended::Previewed(preview) => BulkItem { preview: Some(*preview), ..nothing },
        Ended::Failed(failure) => {
            let status = meaning(failure.kind()).0.as_u16();
            BulkItem { status, problem: Some(failure.problem(asked.request_id())), ..nothing }
        }
    }
}
