//! What this executor has made, by prints: enough to see that something was touched, too little to say what it was.
//! An account with a site takes about 2 KB.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use npanel_host::{Glance, Managed, Print};

use crate::{Operation, target::Target};

/// How many sweeps look at everything once.
pub(crate) const PARTS: u64 = 5;

/// Everything that was made since the executor started.
#[derive(Debug, Default)]
pub(crate) struct Made {
    things: Mutex<BTreeMap<Target, Arc<Thing>>>,
}

/// One thing as it was left.
#[derive(Debug)]
pub(crate) struct Thing {
    /// Of the operation that made it.
    operation: u64,
    files: Box<[(Box<Path>, Glance, Print)]>,
    /// Of what is no file; none if there is nothing such.
    resource: Option<u64>,
}

impl Thing {
    /// Looks at its files now.
    pub(crate) fn of(operation: &Operation, files: &[Managed], resource: Option<u64>) -> Self {
        let print = |one: &Managed| {
            let glance = one.glance();
            (one.path.clone().into_boxed_path(), glance, glance.at(&one.path))
        };
        Self { operation: digest(operation), files: files.iter().map(print).collect(), resource }
    }

    /// Whether a file is not as it was left.
    pub(crate) fn was_touched(&self) -> bool {
        self.files.iter().any(|(path, glance, print)| glance.at(path) != *print)
    }

    pub(crate) fn resource(&self) -> Option<u64> {
        self.resource
    }
}

impl Made {
    /// Every change is one call on the map, so a panic elsewhere leaves it whole.
    fn things(&self) -> MutexGuard<'_, BTreeMap<Target, Arc<Thing>>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the target was made by this very operation.
    pub(crate) fn is_by(&self, target: &Target, operation: &Operation) -> bool {
        self.things().get(target).is_some_and(|thing| thing.operation == digest(operation))
    }

    pub(crate) fn knows(&self, target: &Target) -> bool {
        self.things().contains_key(target)
    }

    pub(crate) fn remember(&self, target: Target, thing: Thing) {
        self.things().insert(target, Arc::new(thing));
    }

    pub(crate) fn forget(&self, target: &Target) {
        self.things().remove(target);
    }

    /// Those of a part of everything.
    pub(crate) fn part(&self, part: u64) -> Vec<(Target, Arc<Thing>)> {
        let in_part = |target: &Target| hash(target) % PARTS == part % PARTS;
        self.select(in_part)
    }

    pub(crate) fn select(&self, chosen: impl Fn(&Target) -> bool) -> Vec<(Target, Arc<Thing>)> {
        let things = self.things();
        let found = things.iter().filter(|(target, _)| chosen(target));
        found.map(|(target, thing)| (target.clone(), Arc::clone(thing))).collect()
    }
}

fn digest(operation: &Operation) -> u64 {
    // The operation's own form; kept in memory only.
    hash(&serde_json::to_vec(operation).unwrap_or_default())
}

pub(crate) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use npanel_host::{Attributes, Owner};
    use npanel_model::{Allotment, NodeRole, Uid};

    use super::*;

    fn account(number: u32) -> Target {
        Target::Account(Uid::new(Uid::FIRST.get() + number).expect("a uid"))
    }

    fn base() -> Operation {
        Operation::EnsureBase { roles: vec![NodeRole::Web] }
    }

    #[test]
    fn the_parts_together_are_everything_once() {
        let made = Made::default();
        for number in 0..500 {
            made.remember(account(number), Thing::of(&base(), &[], None));
        }
        let parts: Vec<Vec<Target>> =
            (0..PARTS).map(|part| made.part(part).into_iter().map(|(target, _)| target).collect()).collect();
        let all: BTreeSet<&Target> = parts.iter().flatten().collect();
        assert_eq!((all.len(), parts.iter().map(Vec::len).sum::<usize>()), (500, 500));
        assert!(parts.iter().all(|part| part.len() > 50), "spread over time");
    }

    #[test]
    fn only_what_was_touched_is_noticed() {
        let place = tempfile::tempdir().expect("a directory");
        let file = |name: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, "x").expect("written");
            Managed::file(path, "x", Attributes::new(Owner::ROOT, 0o644))
        };
        let (one, other) = (file("one"), file("other"));
        let (first, second) =
            (Thing::of(&base(), std::slice::from_ref(&one), None), Thing::of(&base(), &[other], None));
        std::fs::write(&one.path, "y").expect("written");
        assert!(first.was_touched() && !second.was_touched());
    }

    #[test]
    fn another_operation_is_not_the_one_that_made_it() {
        let made = Made::default();
        let php = |version: &str| Operation::EnsureAccount {
            allotment: Allotment::default(),
            uid: Uid::FIRST,
            username: "acme".parse().expect("a name"),
            php: version.parse().expect("a version"),
            suspended: false,
        };
        made.remember(account(0), Thing::of(&php("8.2"), &[], None));
        assert!(made.is_by(&account(0), &php("8.2")));
        assert!(!made.is_by(&account(0), &php("8.4")));
        made.forget(&account(0));
        assert!(!made.is_by(&account(0), &php("8.2")));
    }
}
