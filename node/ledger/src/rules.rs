//! When an offered intent is taken. Pure.

use npanel_model::{Generation, Timestamp};

use crate::{Content, Entry, Fence, ObjectKey, Offer, Progress, Removal, Wish};

/// The ledger's answer to one offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken, and durable.
    Accepted,
    /// Exactly this was there already.
    Unchanged,
    /// Not taken.
    Refused(Refusal),
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The ledger is ahead.
    #[error("generation is out of date (got {got}, have {have})")]
    OlderGeneration {
        /// Offered.
        got: Generation,
        /// In the ledger.
        have: Generation,
    },
    /// One generation cannot mean two things.
    #[error("generation {0} is there already, with other content")]
    OtherContent(Generation),
    /// What the object is at bottom would change.
    #[error("an object stays what it is (got {got}, have {have})")]
    OtherNature {
        /// Offered.
        got: String,
        /// In the ledger.
        have: String,
    },
    /// Another object has the name.
    #[error("{0} has the same name")]
    NameTaken(ObjectKey),
}

/// What to do about an offer.
pub(crate) enum Judgement {
    Take(Entry),
    Keep,
    Refuse(Refusal),
}

/// `holder` is another object that has the name that is asked for.
pub(crate) fn judge(
    current: Option<&Entry>,
    holder: Option<ObjectKey>,
    offer: &Offer,
    fence: Fence,
    now: Timestamp,
) -> Judgement {
    let take =
        |content| Judgement::Take(Entry { generation: offer.generation, fence, accepted: now, content });
    let Some(current) = current else {
        return match holder {
            Some(holder) => Judgement::Refuse(Refusal::NameTaken(holder)),
            None => take(content_after(None, &offer.wish)),
        };
    };
    if offer.generation < current.generation {
        return Judgement::Refuse(Refusal::OlderGeneration {
            got: offer.generation,
            have: current.generation,
        });
    }
    if offer.generation == current.generation {
        return if same(&current.content, &offer.wish) {
            Judgement::Keep
        } else {
            Judgement::Refuse(Refusal::OtherContent(current.generation))
        };
    }
    match change_of_nature(current, &offer.wish).or(holder.map(Refusal::NameTaken)) {
        Some(refusal) => Judgement::Refuse(refusal),
        None => take(content_after(Some(current), &offer.wish)),
    }
}

fn same(content: &Content, wish: &Wish) -> bool {
    match (content, wish) {
        (Content::Wanted(have), Wish::Have(want)) => have == want,
        (Content::Going(removal), Wish::Remove { retention }) => removal.retention == *retention,
        _ => false,
    }
}

/// What is gone entirely may come back as anything; nobody would be left behind.
fn change_of_nature(current: &Entry, wish: &Wish) -> Option<Refusal> {
    let (Some(have), Wish::Have(want)) = (current.intent(), wish) else { return None };
    let (have, got) = (have.nature(), want.nature());
    (have != got && !current.is_removed()).then_some(Refusal::OtherNature { got, have })
}

/// A newer tombstone of what is going already does not start over what was done for the older one.
fn content_after(current: Option<&Entry>, wish: &Wish) -> Content {
    match wish {
        Wish::Have(intent) => Content::Wanted(intent.clone()),
        Wish::Remove { retention } => Content::Going(Removal {
            of: current.and_then(Entry::intent).cloned(),
            retention: *retention,
            progress: current.map_or(Progress::Asked, |entry| progress_after(entry, *retention)),
        }),
    }
}

fn progress_after(current: &Entry, retention: std::time::Duration) -> Progress {
    match &current.content {
        Content::Wanted(_) => Progress::Asked,
        Content::Going(Removal { progress: Progress::Retained { since, .. }, .. }) => {
            Progress::Retained { since: *since, until: since.plus(retention) }
        }
        Content::Going(removal) => removal.progress,
    }
}
