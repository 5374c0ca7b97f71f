//! Room for so much at once, shared fairly: whoever asks for much leaves as much again to others.
//!
//! One who is there alone gets half of the room, of two each gets a third, and so on: nobody may take more than what is still
//! free (Choudhury and Hahne's dynamic thresholds, which switches share their buffers by). So whoever comes new finds a place,
//! however many others want for theirs, and no share has to be configured.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// So much, or so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// How many at once.
    pub count: usize,
    /// And how many bytes they may be together.
    pub bytes: usize,
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// Whoever asks has more than others would get: this many places.
    Share(usize),
    /// There are too many who ask.
    Full,
}

/// How much is taken, and how often there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What is taken.
    pub used: Room,
    /// What there is.
    pub most: Room,
    /// Refused because whoever asked had much.
    pub refused_share: u64,
    /// Refused because there was no place for anyone.
    pub refused_full: u64,
}

/// Whose places are kept free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody's in particular.
    Ordinary,
    /// An eighth is added for them, should the others take all there is.
    Reserved,
}

#[derive(Debug)]
struct Used<K> {
    all: Room,
    by: HashMap<K, Room>,
}

#[derive(Debug)]
struct Inner<K> {
    most: Room,
    used: Mutex<Used<K>>,
    refused_share: AtomicU64,
    refused_full: AtomicU64,
}

/// The room. Every clone is the same.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash + Clone>(Arc<Inner<K>>);

impl<K: Eq + Hash + Clone> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Room for so much.
    pub fn new(most: Room) -> Self {
        let used = Mutex::new(Used { all: Room::default(), by: HashMap::new() });
        Self(Arc::new(Inner {
            most,
            used,
            refused_share: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
        }))
    }

    /// Takes a place, until it is dropped.
    ///
    /// # Errors
    /// If there is none for this one.
    pub fn enter(&self, key: K, bytes: usize, standing: Standing) -> Result<Place<K>, Crowded> {
        let mut used = self.0.lock();
        let have = used.by.get(&key).copied().unwrap_or_default();
        let fits = self.0.fits(&used.all, &have, bytes)
            || standing == Standing::Reserved && self.0.fits_reserve(&used.all, &have, bytes);
        if !fits {
            return Err(self.0.why(&used, &have, bytes));
        }
        used.all.count += 1;
        used.all.bytes += bytes;
        let own = used.by.entry(key.clone()).or_default();
        own.count += 1;
        own.bytes += bytes;
        drop(used);
        Ok(Place { room: Arc::clone(&self.0), key, bytes })
    }

    /// Counts that someone was told so.
    pub fn refused(&self, crowded: Crowded) {
        let counter = match crowded {
            Crowded::Share(_) => &self.0.refused_share,
            Crowded::Full => &self.0.refused_full,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many places this one has.
    pub fn taken_by(&self, key: &K) -> usize {
        self.0.lock().by.get(key).map_or(0, |have| have.count)
    }

    /// How much is taken.
    pub fn usage(&self) -> Usage {
        Usage {
            used: self.0.lock().all,
            most: self.0.most,
            refused_share: self.0.refused_share.load(Ordering::Relaxed),
            refused_full: self.0.refused_full.load(Ordering::Relaxed),
        }
    }
}

impl<K: Eq + Hash + Clone> Inner<K> {
    fn lock(&self) -> MutexGuard<'_, Used<K>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, all: &Room, have: &Room, bytes: usize) -> bool {
        let free = Room {
            count: self.most.count.saturating_sub(all.count),
            bytes: self.most.bytes.saturating_sub(all.bytes),
        };
        have.count < free.count && have.bytes + bytes <= free.bytes
    }

    fn fits_reserve(&self, all: &Room, have: &Room, bytes: usize) -> bool {
        let reserve = Room { count: self.most.count / 8, bytes: self.most.bytes / 8 };
        have.count < reserve.count
            && have.bytes + bytes <= reserve.bytes
            && all.count < self.most.count + reserve.count
            && all.bytes + bytes <= self.most.bytes + reserve.bytes
    }

    /// Whoever has less than an even part was kept out by the others.
    fn why(&self, used: &Used<K>, have: &Room, bytes: usize) -> Crowded {
        let parts = used.by.len() + 1;
        let is_much =
            have.count >= (self.most.count / parts).max(1) || have.bytes + bytes > self.most.bytes / parts;
        if is_much { Crowded::Share(have.count) } else { Crowded::Full }
    }
}

/// A place that is taken.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    room: Arc<Inner<K>>,
    key: K,
    bytes: usize,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut used = self.room.lock();
        used.all.count -= 1;
        used.all.bytes -= self.bytes;
        if let Some(own) = used.by.get_mut(&self.key) {
            own.count -= 1;
            own.bytes -= self.bytes;
            if own.count == 0 {
                used.by.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(count: usize, bytes: usize) -> Shares<u32> {
        Shares::new(Room { count, bytes })
    }

    /// As many places as there are for this one.
    fn flood(shares: &Shares<u32>, key: u32, bytes: usize) -> Vec<Place<u32>> {
        std::iter::from_fn(|| shares.enter(key, bytes, Standing::Ordinary).ok()).collect()
    }

    #[test]
    fn one_alone_gets_half_and_whoever_comes_next_finds_a_place() {
        let shares = shares(120, 1000);
        let first = flood(&shares, 1, 0);
        assert_eq!(first.len(), 60);
        assert_eq!(shares.enter(1, 0, Standing::Ordinary).expect_err("much"), Crowded::Share(60));
        let second = flood(&shares, 2, 0);
        assert_eq!(second.len(), 30);
        drop(first);
        let again = flood(&shares, 1, 0);
        assert_eq!(again.len(), 45, "what is free when they ask");
        for key in 3..9 {
            assert!(shares.enter(key, 0, Standing::Ordinary).is_ok(), "{key}");
        }
    }

    #[test]
    fn bytes_are_shared_as_places_are() {
        let shares = shares(1000, 1200);
        let large = flood(&shares, 1, 100);
        assert_eq!(large.len(), 6);
        assert_eq!(shares.enter(1, 100, Standing::Ordinary).expect_err("much"), Crowded::Share(6));
        assert!(shares.enter(2, 300, Standing::Ordinary).is_ok());
        assert_eq!(shares.usage().used, Room { count: 6, bytes: 600 });
        drop(large);
        assert_eq!(shares.usage().used, Room::default());
        assert!(shares.0.lock().by.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn many_who_ask_for_little_are_told_that_there_is_no_room() {
        let shares = shares(10, 1000);
        let all: Vec<_> =
            (0..10).map(|key| shares.enter(key, 0, Standing::Ordinary).expect("a place")).collect();
        assert_eq!(shares.enter(99, 0, Standing::Ordinary).expect_err("full"), Crowded::Full);
        shares.refused(Crowded::Full);
        let usage = shares.usage();
        assert_eq!((usage.refused_full, usage.refused_share), (1, 0));
        drop(all);
        assert!(shares.enter(99, 0, Standing::Ordinary).is_ok());
    }

    #[test]
    fn what_is_reserved_is_there_when_all_else_is_taken_and_is_bounded_too() {
        let shares = shares(80, 8000);
        let all: Vec<_> =
            (0..80).map(|key| shares.enter(key, 0, Standing::Ordinary).expect("a place")).collect();
        let places = || std::iter::from_fn(|| shares.enter(99, 0, Standing::Reserved).ok());
        assert_eq!(places().collect::<Vec<_>>().len(), 10);
        assert_eq!(shares.enter(98, 8000, Standing::Reserved).expect_err("too large"), Crowded::Share(0));
        drop(all);
    }
}
