//! What intents would change, without changing anything.

use npanel_executor::{Change, Difference, Failure, Operation, Output, Preview, Request, What};
use npanel_ledger::{Ledger, NotAnOffer, Offer, Verdict, Wish};
use npanel_model::{NodeRole, Timestamp};
use npanel_proto::node::{ChangeKind, FileChange, ObjectIntent, ObjectPreview, ResourceChange};

use crate::{Executor, plan::role, step};

/// What these intents would change on a node of these roles, one answer per intent, in order. What one of them needs
/// of another need not be there yet. What the shared configuration of a role lacks comes with the first that needs it.
pub async fn preview<E: Executor>(
    executor: &E,
    ledger: &Ledger,
    roles: &[NodeRole],
    intents: &[ObjectIntent],
    now: Timestamp,
) -> Vec<ObjectPreview> {
    let parsed: Vec<Result<Offer, NotAnOffer>> = intents.iter().map(Offer::parse).collect();
    let offers: Vec<Offer> = parsed.iter().filter_map(|offer| offer.as_ref().ok().cloned()).collect();
    let mut verdicts = ledger.consider(&offers, now).into_iter();
    let mut previews = Vec::with_capacity(intents.len());
    let mut bases: Vec<NodeRole> = roles.to_vec();
    for (intent, offer) in intents.iter().zip(parsed) {
        let mut preview = match offer {
            Err(NotAnOffer::UnknownKind) => refused("UnknownKind", NotAnOffer::UnknownKind.to_string()),
            Err(error @ NotAnOffer::Invalid(_)) => refused("IntentInvalid", error.to_string()),
            Ok(offer) => match verdicts.next() {
                Some(Verdict::Refused(refusal)) => refused("IntentRefused", refusal.to_string()),
                Some(Verdict::Accepted | Verdict::Unchanged) | None => {
                    let mut preview = of(executor, ledger, &offer).await;
                    if let Some(place) = bases.iter().position(|base| *base == role(offer.key)) {
                        add_base(executor, bases.swap_remove(place), &mut preview).await;
                    }
                    preview
                }
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
    let mut preview = ObjectPreview::default();
    match ask(executor, operation).await {
        Ok(found) => add_all(&mut preview, found),
        Err((reason, message)) => return refused(&reason, message),
    }
    preview
}

/// A base that is refused keeps nothing from being done while the last good one is there.
async fn add_base<E: Executor>(executor: &E, role: NodeRole, preview: &mut ObjectPreview) {
    match ask(executor, Operation::EnsureBase { roles: vec![role] }).await {
        Ok(found) => add_all(preview, found),
        Err((reason, message)) => {
            preview.warnings.push(format!("the shared configuration of {role} fails: {message} ({reason})"));
        }
    }
}

/// What the executor finds, or its reason and words.
async fn ask<E: Executor>(executor: &E, operation: Operation) -> Result<Preview, (String, String)> {
    let operation = Operation::Preview { operation: Box::new(operation) };
    match executor.call(Request::new(operation)).await.map(|done| done.output) {
        Ok(Output::Preview(found)) => Ok(found),
        Ok(_) => Err(("ExecutorProtocol".to_owned(), "the executor answered something else".to_owned())),
        Err(Failure { reason, message, .. }) => Err((reason, message)),
    }
}

fn add_all(preview: &mut ObjectPreview, found: Preview) {
    found.differences.into_iter().for_each(|one| add(preview, one));
    preview.reloads.extend(found.units.reloads);
    preview.starts.extend(found.units.starts);
    preview.stops.extend(found.units.stops);
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
        // Told as what becomes of units.
        What::Unit(_) => {}
        What::Resource(resource) => {
            preview.resources.push(ResourceChange { resource, change: change.into() });
        }
    }
}

fn refused(reason: &str, message: String) -> ObjectPreview {
    ObjectPreview { reason: reason.to_owned(), message, ..ObjectPreview::default() }
}
