//! A field of an object with a revision, which is written, read, and written on condition of the revision.

use crate::Model;

/// A register that begins with this value at this revision.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// The value at the start.
    pub value: u64,
    /// Its revision.
    pub revision: u64,
}

/// What a register is asked. No two writes write the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterCall {
    /// What it is.
    Read,
    /// To be this.
    Write(u64),
    /// To be this if it is still at that revision.
    WriteIf {
        /// The revision.
        revision: u64,
        /// The value.
        value: u64,
    },
}

/// What a register says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// It is this, at this revision.
    Is {
        /// The value.
        value: u64,
        /// The revision.
        revision: u64,
    },
    /// It is what was asked for, and got this revision, if that was told.
    Written(Option<u64>),
    /// It is at another revision: nothing was done.
    Stale,
}

/// A revision as far as anybody has heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revision {
    /// It is this.
    Is(u64),
    /// It is one after this, of which nobody has heard.
    After(u64),
}

impl Revision {
    fn may_be(self, revision: u64) -> bool {
        match self {
            Self::Is(known) => known == revision,
            Self::After(earlier) => revision > earlier,
        }
    }

    /// The revision that follows, of which this was heard. Of two that nobody has heard of it does not matter that there are two.
    fn next(self, heard: Option<u64>) -> Option<Self> {
        let (Self::Is(least) | Self::After(least)) = self;
        match heard {
            None => Some(Self::After(least)),
            Some(next) => (next > least).then_some(Self::Is(next)),
        }
    }
}

impl Model for Register {
    type State = (u64, Revision);
    type Call = RegisterCall;
    type Answer = RegisterAnswer;

    fn begin(&self) -> Self::State {
        (self.value, Revision::Is(self.revision))
    }

    fn after(
        &self,
        &(is, at): &Self::State,
        call: &RegisterCall,
        answer: Option<&RegisterAnswer>,
    ) -> Option<Self::State> {
        use RegisterAnswer::{Is, Stale, Written};
        let stays = (is, at);
        match (call, answer) {
            (RegisterCall::Read, None) => Some(stays),
            (RegisterCall::Read, Some(Is { value, revision })) => {
                (is == *value && at.may_be(*revision)).then_some((is, Revision::Is(*revision)))
            }
            (RegisterCall::Write(value), None) => Some((*value, at.next(None)?)),
            (RegisterCall::Write(value), Some(Written(heard))) => Some((*value, at.next(*heard)?)),
            // Who knows a revision has heard of it: one that nobody has heard of is another.
            (RegisterCall::WriteIf { revision, value }, None) if at == Revision::Is(*revision) => {
                Some((*value, at.next(None)?))
            }
            (RegisterCall::WriteIf { .. }, None) => Some(stays),
            (RegisterCall::WriteIf { revision, value }, Some(Written(heard))) => {
                if at == Revision::Is(*revision) { Some((*value, at.next(*heard)?)) } else { None }
            }
            (RegisterCall::WriteIf { revision, .. }, Some(Stale)) => {
                (at != Revision::Is(*revision)).then_some(stays)
            }
            _ => None,
        }
    }

    fn only_looks(&self, call: &RegisterCall, answer: &RegisterAnswer) -> bool {
        matches!((call, answer), (RegisterCall::Read, _) | (_, RegisterAnswer::Stale))
    }
}
