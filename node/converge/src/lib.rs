//! From what is wanted to what is: the ledger's entries become operations of the executor, in the order that
//! they need, again and again until they succeed.
//!
//! [`Engine`] is one task. It owns the plan and starts a bounded number of operations side by side, each a
//! task of its own; it is woken by the keys that a [`Handle`] sends, by an operation that ends, and by the time
//! of the next thing due, or of the next sweep for drift. All decisions are in `plan`, which does no I/O and reads no clock. [`Reports`] holds
//! the newest report of every object and tells watchers of each change.
//!
//! What holds:
//! - an account comes before its sites, a database before the users with rights on it, what bore a name before
//!   (and is to go) before what bears it next;
//! - each object fails alone, and is tried again after a time that doubles up to [`backoff::LONGEST`];
//! - only the newest generation counts: what a superseded one came to is not reported for the new one;
//! - what is not as it was left is found by sweeps, every object's within [`backoff::SWEEP`] × 5, and ensured
//!   again by the same code as ever; everything is ensured at start and every [`backoff::ROUTINE`] besides: so the
//!   node mends itself without any controller;
//! - an object's data goes only after its retention, and many deletions of accounts at once are held until a
//!   person releases them.

pub mod backoff;
mod census;
mod engine;
mod event;
mod executor;
mod observer;
mod operation_id;
mod plan;
mod preview;
mod report;
mod step;
mod troubles;
mod worker;

pub use engine::{Bulletin, Clock, Engine, Handle, Settings};
pub use event::{Event, Events};
pub use executor::Executor;
pub use observer::{Observer, Unobserved};
pub use plan::target;
pub use preview::preview;
pub use report::{Report, Reports, State, Watch};
pub use troubles::{BaseFailure, Slowness, Troubles};
