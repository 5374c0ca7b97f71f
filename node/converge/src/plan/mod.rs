//! What is to be done next. Pure: it is told the time, does no I/O, and starts nothing.

mod drift;
mod due;
mod graph;
mod obstacle;
mod outcome;
mod planner;
mod told;
mod track;

pub use drift::target;
pub(crate) use due::Lane;
pub(crate) use obstacle::role;
pub(crate) use planner::{Ended, Now, Planner, Run, Task};
