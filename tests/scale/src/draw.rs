//! What is drawn from the seed: ids and names.

use fastrand::Rng;

/// Draws ids as controllers make them: UUIDv7, in the order of the time that they are made at.
#[derive(Debug)]
pub(crate) struct Draw {
    rng: Rng,
    /// The time, in milliseconds since 1970. It goes on as things are made.
    pub(crate) now: i64,
}

impl Draw {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        Self { rng: Rng::with_seed(seed), now }
    }

    pub(crate) fn id(&mut self) -> Vec<u8> {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        let millis = u64::try_from(self.now).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_bytes().to_vec()
    }

    /// Any of them; there must be one.
    pub(crate) fn any<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.usize(..of.len())]
    }

    /// Two different ones, or the only one.
    pub(crate) fn two<'a, T>(&mut self, of: &'a [T]) -> Vec<&'a T> {
        let first = self.rng.usize(..of.len());
        let second = (first + 1 + self.rng.usize(..of.len().max(2) - 1)) % of.len();
        if first == second { vec![&of[first]] } else { vec![&of[first], &of[second]] }
    }

    /// Six letters or digits that say nothing of the order in which names are taken, as people's names do.
    pub(crate) fn scattered(number: u64) -> String {
        // A bijection of 31 bits: an odd factor, and a shift; so no two numbers have one name.
        const BITS: u64 = 0x7fff_ffff;
        let mixed =
            (number.wrapping_mul(0x5851_f42d) & BITS) ^ ((number.wrapping_mul(0x5851_f42d) & BITS) >> 15);
        let mut left = mixed.wrapping_mul(0x4c95_7f2d) & BITS;
        let mut text = String::with_capacity(7);
        for _ in 0..6 {
            text.push(char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(left % 36) as usize]));
            left /= 36;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_numbers_have_one_name() {
        let names: HashSet<_> = (0..200_000).map(Draw::scattered).collect();
        assert_eq!(names.len(), 200_000);
    }
}
