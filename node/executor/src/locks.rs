//! One operation at a time for each object; different objects side by side.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::operation::Operation;

/// What an operation changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Object {
    Base,
    Account(u32),
    Site(String),
    Database(String),
    DatabaseUser(String),
    Zone(String),
    CronTable(u32),
}

impl Object {
    /// The objects of an operation, in the order in which they are locked. None for reads.
    pub(crate) fn of(operation: &Operation) -> Vec<Self> {
        let mut objects = match operation {
            Operation::EnsureBase { .. } => vec![Self::Base],
            Operation::EnsureAccount { uid, .. }
            | Operation::RetireAccount { uid, .. }
            | Operation::PurgeAccount { uid }
            | Operation::RestAccount { uid }
            | Operation::SetAccountAside { uid, .. } => vec![Self::Account(uid.get())],
            // The account too: it must not go while the site is made.
            Operation::EnsureSite { uid, domain, .. } => {
                vec![Self::Account(uid.get()), Self::Site(domain.to_string())]
            }
            Operation::EnsureCronTable { uid, .. } => {
                vec![Self::Account(uid.get()), Self::CronTable(uid.get())]
            }
            Operation::RemoveCronTable { uid } => vec![Self::CronTable(uid.get())],
            Operation::RemoveSite { domain } => vec![Self::Site(domain.to_string())],
            Operation::EnsureDatabase { name } | Operation::DropDatabase { name } => {
                vec![Self::Database(name.to_string())]
            }
            Operation::EnsureDatabaseUser { name, .. } | Operation::DropDatabaseUser { name } => {
                vec![Self::DatabaseUser(name.to_string())]
            }
            Operation::EnsureZone { zone } => vec![Self::Zone(zone.name.to_string())],
            Operation::RemoveZone { name } => vec![Self::Zone(name.to_string())],
            Operation::Sweep {}
            | Operation::Preview { .. }
            | Operation::Inventory { .. }
            | Operation::Capacity {}
            | Operation::ServiceHealth { .. }
            | Operation::Facts {} => vec![],
        };
        objects.sort();
        objects
    }
}

type Lock = Arc<tokio::sync::Mutex<()>>;

/// The locks in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks {
    locks: Arc<Mutex<HashMap<Object, Lock>>>,
}

impl Locks {
    /// Waits for all of them. They must be in order, so that no two operations wait for each other.
    pub(crate) async fn hold(&self, objects: Vec<Object>) -> Vec<OwnedMutexGuard<()>> {
        let mut held = Vec::with_capacity(objects.len());
        for object in objects {
            held.push(self.lock(object).lock_owned().await);
        }
        held
    }

    fn lock(&self, object: Object) -> Lock {
        // A panic elsewhere leaves the map as good as it was.
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for are only known here.
        if locks.len() >= 1024 {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(object).or_default())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_object_waits_and_another_does_not() {
        let locks = Locks::default();
        let held = locks.hold(vec![Object::Account(1)]).await;
        assert!(locks.hold(vec![Object::Account(1), Object::Site("a.b".into())]).now_or_never().is_none());
        assert!(locks.hold(vec![Object::Account(2)]).now_or_never().is_some());
        drop(held);
        assert!(locks.hold(vec![Object::Account(1)]).now_or_never().is_some());
    }

    #[tokio::test]
    async fn unused_locks_are_forgotten() {
        let locks = Locks::default();
        for uid in 0..5000 {
            locks.hold(vec![Object::Account(uid)]).await;
        }
        assert!(locks.locks.lock().expect("a map").len() <= 1024);
    }
}
