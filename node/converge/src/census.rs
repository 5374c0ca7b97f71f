//! The guard against many deletions: a mistake or a thief upstream must not empty a node. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use npanel_ledger::ObjectKey;
use npanel_model::Timestamp;

/// How long a deletion that was carried out counts.
const WINDOW: Duration = Duration::from_secs(3600);

/// So many deletions of accounts are never held.
const ALWAYS_ALLOWED: usize = 10;

/// The accounts of the node, counted by what is to become of them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    living: BTreeSet<ObjectKey>,
    /// Deletions that are asked for and not carried out.
    asked: BTreeSet<ObjectKey>,
    /// When deletions were carried out, that may still count.
    carried_out: BTreeMap<ObjectKey, Timestamp>,
}

impl Census {
    pub(crate) fn lives(&mut self, key: ObjectKey) {
        self.living.insert(key);
        self.asked.remove(&key);
    }

    pub(crate) fn is_asked(&mut self, key: ObjectKey) {
        self.living.remove(&key);
        self.asked.insert(key);
    }

    pub(crate) fn is_carried_out(&mut self, key: ObjectKey, since: Timestamp) {
        self.living.remove(&key);
        self.asked.remove(&key);
        // A later step of the same deletion is not another deletion.
        self.carried_out.entry(key).or_insert(since);
    }

    /// Neither held nor counted: a person has released it, or nothing of it was here.
    pub(crate) fn forget(&mut self, key: ObjectKey) {
        self.living.remove(&key);
        self.asked.remove(&key);
    }

    /// Whether the deletion of this account waits for a person: more deletions than ten, and than a quarter of
    /// the accounts, have come within the window. Those that wait keep counting, so the hold does not end by
    /// itself.
    pub(crate) fn holds(&mut self, key: ObjectKey, now: Timestamp) -> bool {
        self.carried_out.retain(|_, since| now.since(*since) < WINDOW);
        let going = self.asked.len() + self.carried_out.len();
        let allowed = ALWAYS_ALLOWED.max((self.living.len() + going) / 4);
        self.asked.contains(&key) && going > allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npanel_model::AccountId;

    fn accounts(count: usize) -> Vec<ObjectKey> {
        (0..count).map(|_| ObjectKey::Account(AccountId::generate())).collect()
    }

    fn census(living: &[ObjectKey], asked: &[ObjectKey]) -> Census {
        let mut census = Census::default();
        living.iter().for_each(|key| census.lives(*key));
        asked.iter().for_each(|key| census.is_asked(*key));
        census
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    #[test]
    fn ten_deletions_pass_and_eleven_are_held() {
        let all = accounts(20);
        assert!(!census(&all[10..], &all[..10]).holds(all[0], now()));
        assert!(census(&all[11..], &all[..11]).holds(all[0], now()));
    }

    #[test]
    fn a_quarter_of_many_passes() {
        let all = accounts(100);
        assert!(!census(&all[25..], &all[..25]).holds(all[0], now()));
        assert!(census(&all[26..], &all[..26]).holds(all[0], now()));
    }

    #[test]
    fn what_was_carried_out_counts_for_an_hour() {
        let all = accounts(20);
        let mut census = census(&all, &[]);
        for key in &all[..10] {
            census.is_asked(*key);
            census.is_carried_out(*key, now());
        }
        census.is_asked(all[10]);
        assert!(census.holds(all[10], now()));
        assert!(!census.holds(all[10], now().plus(WINDOW)));
    }

    #[test]
    fn a_hold_does_not_end_by_itself_but_by_a_release() {
        let all = accounts(20);
        let mut census = census(&[], &all);
        assert!(census.holds(all[0], now().plus(WINDOW * 100)));
        for key in &all {
            census.forget(*key);
            assert!(!census.holds(*key, now()));
        }
    }
}
