//! Whether what several clients saw at once can be explained by one object that did their calls one after the other, each
//! between its call and its answer: linearizability.
//!
//! The search is that of Wing and Gong, with Lowe's memory of what was tried. A call whose answer was lost may take effect at
//! any time after it was made, or never. Nothing here does I/O; the objects are in [`models`].

mod history;
pub mod models;
mod search;
mod shrink;

pub use history::{Operation, Outcome, Tick};
pub use search::{Verdict, is_linearizable};
pub use shrink::smallest;

/// An object that does one call after the other.
pub trait Model {
    /// All that its answers depend on.
    type State: Clone + Eq + std::hash::Hash;
    /// What it is asked.
    type Call;
    /// What it says.
    type Answer;

    /// How it begins.
    fn begin(&self) -> Self::State;

    /// The state after the call, if the object could give this answer in this state. `None` stands for an answer that nobody
    /// heard: it could be any.
    fn after(
        &self,
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;

    /// Whether the call, with this answer, changes nothing in any state.
    fn only_looks(&self, call: &Self::Call, answer: &Self::Answer) -> bool;
}
