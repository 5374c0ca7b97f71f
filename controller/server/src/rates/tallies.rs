//! What is remembered of those who ask: so many at most, whoever they are.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Mutex, PoisonError},
};

use governor::{nanos::Nanos, state::StateStore};

/// So many are remembered at least, and twice as many at most: some three megabytes of addresses.
const REMEMBERED: usize = 32 * 1024;

/// When each will have its whole quota again, in nanoseconds since the meter was made. Those who asked last are in the young
/// half; when it is full, it becomes the old one, and who was in that and did not ask since is forgotten. Who comes from many
/// thousands of addresses gains nothing by that: each of them has a quota of its own anyway.
#[derive(Debug)]
pub(super) struct Tallies<K> {
    remembered: usize,
    halves: Mutex<Halves<K>>,
}

#[derive(Debug)]
struct Halves<K> {
    young: HashMap<K, u64>,
    old: HashMap<K, u64>,
}

impl<K> Default for Tallies<K> {
    fn default() -> Self {
        Self::of(REMEMBERED)
    }
}

impl<K> Tallies<K> {
    fn of(remembered: usize) -> Self {
        Self { remembered, halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }) }
    }
}

impl<K: Clone + Eq + Hash> Halves<K> {
    fn get(&self, key: &K) -> Option<u64> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn put(&mut self, key: K, value: u64, remembered: usize) {
        if self.young.len() >= remembered && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

impl<K: Clone + Eq + Hash> StateStore for Tallies<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // Every change is one call, so a panic elsewhere leaves it whole.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let known = halves.get(key);
        match judge(known.map(Nanos::from)) {
            Ok((outcome, next)) => {
                halves.put(key.clone(), next.into(), self.remembered);
                Ok(outcome)
            }
            Err(refused) => {
                // Who goes on asking is not forgotten.
                if let Some(known) = known {
                    halves.put(key.clone(), known, self.remembered);
                }
                Err(refused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(tallies: &Tallies<u32>, key: u32) -> u64 {
        let counted = tallies.measure_and_replace(&key, |known| {
            let next = known.map_or(0, u64::from) + 1;
            Ok::<_, ()>((next, Nanos::from(next)))
        });
        counted.expect("it is never refused")
    }

    #[test]
    fn strangers_take_no_more_memory_than_there_is_for_them() {
        let tallies = Tallies::of(100);
        for key in 0..100_000 {
            assert_eq!(count(&tallies, key), 1);
        }
        let halves = tallies.halves.lock().expect("no panic");
        assert!(halves.young.len() + halves.old.len() <= 200);
    }

    #[test]
    fn who_goes_on_asking_is_not_forgotten() {
        let tallies = Tallies::of(100);
        for (times, stranger) in (1000..10_000).enumerate() {
            count(&tallies, stranger);
            assert_eq!(count(&tallies, 7), times as u64 + 1);
        }
        for stranger in 10_000..20_000 {
            count(&tallies, stranger);
            let refused = tallies.measure_and_replace(&7, Err::<((), Nanos), _>);
            assert!(refused.expect_err("it is refused").is_some(), "it was forgotten while it was refused");
        }
    }
}
