//! What the clients saw.

use std::fmt;

/// A moment, in whatever all clients measure time by.
pub type Tick = u64;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<A> {
    /// It was answered, at this moment.
    Answered(A, Tick),
    /// Nobody knows: it may have been done, may be done later, or never.
    Unknown,
}

/// One call of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// Who called.
    pub client: usize,
    /// What was asked.
    pub call: C,
    /// When.
    pub called: Tick,
    /// What came of it.
    pub outcome: Outcome<A>,
}

impl<C, A> Operation<C, A> {
    pub(crate) fn answer(&self) -> Option<&A> {
        match &self.outcome {
            Outcome::Answered(answer, _) => Some(answer),
            Outcome::Unknown => None,
        }
    }

    pub(crate) fn answered(&self) -> Option<Tick> {
        match &self.outcome {
            Outcome::Answered(_, at) => Some(*at),
            Outcome::Unknown => None,
        }
    }
}

impl<C: fmt::Debug, A: fmt::Debug> fmt::Display for Operation<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, call, called) = (self.client, &self.call, self.called);
        match &self.outcome {
            Outcome::Answered(answer, at) => {
                write!(f, "client {client}: {call:?} at {called}, {answer:?} at {at}")
            }
            Outcome::Unknown => write!(f, "client {client}: {call:?} at {called}, never answered"),
        }
    }
}
