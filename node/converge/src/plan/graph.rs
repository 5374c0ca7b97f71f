//! Who has to wait for whom.

use std::collections::{BTreeMap, BTreeSet};

use npanel_ledger::{Entry, Intent, Name, ObjectKey};
use npanel_model::{AccountId, NodeRole};

use crate::operation_id::Subject;

/// Another that an object has to wait for. It looks again whenever that one moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The shared configuration that it needs is not there yet.
    Base(NodeRole),
    /// The account that it belongs to is not there.
    Account(ObjectKey),
    /// A database that a user has rights on is not there.
    Database(ObjectKey),
    /// Something else bears the name and is still to go.
    Leaving(ObjectKey),
    /// Something of the account is still to go.
    Part(ObjectKey),
}

impl Obstacle {
    /// Whose move may end it.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Base(role) => Subject::Base(*role),
            Self::Account(key) | Self::Database(key) | Self::Leaving(key) | Self::Part(key) => {
                Subject::Object(*key)
            }
        }
    }

    /// The stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Base(_) => "WaitsForBase",
            Self::Account(_) => "WaitsForAccount",
            Self::Database(_) => "WaitsForDatabase",
            Self::Leaving(_) | Self::Part(_) => "WaitsForRemoval",
        }
    }

    /// The same for people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Base(role) => format!("the node's shared configuration as {role} is not in place"),
            Self::Account(key) => format!("waits for {key}"),
            Self::Database(key) => format!("waits for {key}"),
            Self::Leaving(key) | Self::Part(key) => format!("waits for the removal of {key}"),
        }
    }
}

/// Who bears which name, what an account has, and who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    names: BTreeMap<Name, BTreeSet<ObjectKey>>,
    parts: BTreeMap<AccountId, BTreeSet<ObjectKey>>,
    waiting: BTreeMap<Subject, BTreeSet<ObjectKey>>,
}

impl Graph {
    pub(crate) fn add(&mut self, key: ObjectKey, entry: &Entry) {
        if let Some(name) = entry.bears() {
            self.names.entry(name).or_default().insert(key);
        }
        if let Some(account) = entry.intent().and_then(Intent::account) {
            self.parts.entry(account).or_default().insert(key);
        }
    }

    pub(crate) fn remove(&mut self, key: ObjectKey, entry: &Entry) {
        if let Some(name) = entry.bears() {
            take(&mut self.names, &name, key);
        }
        if let Some(account) = entry.intent().and_then(Intent::account) {
            take(&mut self.parts, &account, key);
        }
    }

    /// The objects with a name.
    pub(crate) fn bearers(&self, name: &Name) -> impl Iterator<Item = ObjectKey> + '_ {
        self.names.get(name).into_iter().flatten().copied()
    }

    /// What belongs to an account on this node: its sites, its scheduled jobs.
    pub(crate) fn parts_of(&self, account: AccountId) -> impl Iterator<Item = ObjectKey> + '_ {
        self.parts.get(&account).into_iter().flatten().copied()
    }

    pub(crate) fn block(&mut self, key: ObjectKey, obstacle: &Obstacle) {
        self.waiting.entry(obstacle.subject()).or_default().insert(key);
    }

    pub(crate) fn unblock(&mut self, key: ObjectKey, obstacle: &Obstacle) {
        take(&mut self.waiting, &obstacle.subject(), key);
    }

    /// Takes those that wait for a subject.
    pub(crate) fn waiting_for(&mut self, subject: Subject) -> BTreeSet<ObjectKey> {
        self.waiting.remove(&subject).unwrap_or_default()
    }
}

fn take<K: Ord>(map: &mut BTreeMap<K, BTreeSet<ObjectKey>>, at: &K, key: ObjectKey) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(&key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}
