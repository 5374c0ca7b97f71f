//! What intents would change, without changing anything.

use npanel_executor::{Change, Difference, Failure, Operation, Output, Request, What};
use npanel_ledger::{Ledger, NotAnOffer, Offer, Verdict, Wish};
use npanel_model::Timestamp;
use npanel_proto::node::{ChangeKind, FileChange, ObjectIntent, ObjectPreview, ResourceChange};

use crate::{Executor, step};

/// What these intents would change on the node, one answer per intent, in order. What one of them needs of
/// another need not be there yet.
pub async fn preview<E: Executor>(
    executor: &E,
    ledger: &Ledger,
    intents: &[ObjectIntent],
    now: Timestamp,
) -> Vec<ObjectPreview> {
    let parsed: Vec<Result<Offer, NotAnOffer>> = intents.iter().map(Offer::parse).collect();
    let offers: Vec<Offer> = parsed.iter().filter_map(|offer| offer.as_ref().ok().cloned()).collect();
    let mut verdicts = ledger.consider(&offers, now).into_iter();
    let mut previews = Vec::with_capacity(intents.len());
    for (intent, offer) in intents.iter().zip(parsed) {
        let mut preview = match offer {
            Err(NotAnOffer::UnknownKind) => refused("UnknownKind", NotAnOffer::UnknownKind.to_string()),
            Err(error @ NotAnOffer::Invalid(_)) => refused("IntentInvalid", error.to_string()),
            Ok(offer) => match verdicts.next() {
                Some(Verdict::Refused(refusal)) => refused("IntentRefused", refusal.to_string()),
                Some(Verdict::Accepted | Verdict::Unchanged) | None => of(executor, ledger, &offer).await,
            },
        };
        preview.object.clone_from(&intent.object);
        previews.push(preview);
    }
    previews
}

async fn of<E: Executor>(executor: &E, ledger: &Ledger, offer: &Offer) -> ObjectPreview {
    let operation = match &offer.wish {
        Wish::Have(intent) => match step::ensure(intent) {
            Ok(operation) => Some(operation),
            Err(error) => return refused("IntentInvalid", error.to_string()),
        },
        Wish::Remove { retention } => {
            let entry = ledger.entry(offer.key);
            entry.as_ref().and_then(|entry| step::removal(entry.intent()?, *retention))
        }
    };
    let Some(operation) = operation else { return ObjectPreview::default() };
    let ask = Operation::Preview { operation: Box::new(operation) };
    match executor.call(Request::new(ask)).await.map(|done| done.output) {
        Ok(Output::Preview(found)) => {
            let mut preview = ObjectPreview { reloads: found.reloads, ..ObjectPreview::default() };
            found.differences.into_iter().for_each(|one| add(&mut preview, one));
            preview
        }
        Ok(_) => refused("ExecutorProtocol", "the executor answered something else".to_owned()),
        Err(Failure { reason, message, .. }) => refused(&reason, message),
    }
}

fn add(preview: &mut ObjectPreview, difference: Difference) {
    let change = match difference.change {
        Change::Create => ChangeKind::Create,
        Change::Replace => ChangeKind::Replace,
        Change::Remove => ChangeKind::Remove,
    };
    match difference.what {
        What::File(path) => {
            let path = path.display().to_string();
            preview.files.push(FileChange { path, change: change.into() });
        }
        // A unit that starts with its object is no reload.
        What::Unit(_) => {}
        What::Resource(resource) => {
            preview.resources.push(ResourceChange { resource, change: change.into() });
        }
    }
}

fn refused(reason: &str, message: String) -> ObjectPreview {
    ObjectPreview { reason: reason.to_owned(), message, ..ObjectPreview::default() }
}
