//! Something of which there is only so much: a quota, or the uses of a token.

use crate::Model;

/// So many are there to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Capped(pub u32);

/// One is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take;

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was given.
    Given,
    /// All are gone.
    NoneLeft,
}

impl Model for Capped {
    /// How many are left.
    type State = u32;
    type Call = Take;
    type Answer = Taken;

    fn begin(&self) -> u32 {
        self.0
    }

    fn after(&self, left: &u32, _: &Take, answer: Option<&Taken>) -> Option<u32> {
        match answer {
            None => Some(left.saturating_sub(1)),
            Some(Taken::Given) => left.checked_sub(1),
            Some(Taken::NoneLeft) => (*left == 0).then_some(0),
        }
    }

    fn only_looks(&self, _: &Take, answer: &Taken) -> bool {
        *answer == Taken::NoneLeft
    }
}
