//! Judging a batch as a whole. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use npanel_model::Timestamp;

use crate::{
    Entry, Fence, Name, ObjectKey, Offer, Verdict, Wish,
    ledger::Inner,
    rules::{Judgement, judge},
};

/// What would be taken of a batch, before any of it is written.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) taken: BTreeMap<ObjectKey, Entry>,
    names: HashMap<Name, ObjectKey>,
}

impl Batch {
    pub(crate) fn of(inner: &Inner, offers: &[Offer], fence: Fence, now: Timestamp) -> Self {
        let leaving = leaving(inner, offers, fence, now);
        let mut batch = Self::default();
        for offer in offers {
            let holder = batch.holder(inner, offer).filter(|holder| !leaving.contains(holder));
            let current = batch.taken.get(&offer.key).or(inner.entries.get(&offer.key).map(Arc::as_ref));
            let verdict = match judge(current, holder, offer, fence, now) {
                Judgement::Take(entry) => batch.take(offer.key, entry),
                Judgement::Keep => Verdict::Unchanged,
                Judgement::Refuse(refusal) => Verdict::Refused(refusal),
            };
            batch.verdicts.push(verdict);
        }
        batch
    }

    fn take(&mut self, key: ObjectKey, entry: Entry) -> Verdict {
        if let Some(name) = entry.holds() {
            self.names.insert(name, key);
        }
        self.taken.insert(key, entry);
        Verdict::Accepted
    }

    fn holder(&self, inner: &Inner, offer: &Offer) -> Option<ObjectKey> {
        let Wish::Have(intent) = &offer.wish else { return None };
        let name = intent.name();
        let holder = self.names.get(&name).or(inner.names.get(&name)).copied();
        holder.filter(|holder| *holder != offer.key)
    }
}

/// Who gives a name free anywhere in the batch: its order says nothing about who follows whom.
fn leaving(inner: &Inner, offers: &[Offer], fence: Fence, now: Timestamp) -> HashSet<ObjectKey> {
    let goes = |offer: &&Offer| {
        let current = inner.entries.get(&offer.key).map(Arc::as_ref);
        offer.frees_name() && !matches!(judge(current, None, offer, fence, now), Judgement::Refuse(_))
    };
    offers.iter().filter(goes).map(|offer| offer.key).collect()
}
