//! A name that one alone can have.

use crate::Model;

/// A name that nobody has.
#[derive(Debug, Clone, Copy)]
pub struct Unique;

/// What is asked of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UniqueCall {
    /// That this one have it.
    Claim(u64),
    /// Who has it.
    Look,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UniqueAnswer {
    /// It is the claimant's.
    Won,
    /// Another has it.
    Taken,
    /// This one has it, or nobody.
    Has(Option<u64>),
}

impl Model for Unique {
    type State = Option<u64>;
    type Call = UniqueCall;
    type Answer = UniqueAnswer;

    fn begin(&self) -> Option<u64> {
        None
    }

    fn after(
        &self,
        has: &Option<u64>,
        call: &UniqueCall,
        answer: Option<&UniqueAnswer>,
    ) -> Option<Option<u64>> {
        match (call, answer) {
            (UniqueCall::Claim(who), None) => Some(Some(has.unwrap_or(*who))),
            (UniqueCall::Claim(who), Some(UniqueAnswer::Won)) => has.is_none().then_some(Some(*who)),
            (UniqueCall::Claim(_), Some(UniqueAnswer::Taken)) => has.map(Some),
            (UniqueCall::Look, None) => Some(*has),
            (UniqueCall::Look, Some(UniqueAnswer::Has(seen))) => (seen == has).then_some(*has),
            _ => None,
        }
    }

    fn only_looks(&self, _: &UniqueCall, answer: &UniqueAnswer) -> bool {
        *answer != UniqueAnswer::Won
    }
}
