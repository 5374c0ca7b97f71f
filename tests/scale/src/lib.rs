//! States with as many accounts as are wanted, for measuring and testing what becomes of speed and size as they grow.
//!
//! The rows are real: every one of them comes of commands that the state's own rules accepted, with the tenants, plans, nodes,
//! domains, zones, record sets and databases of a fleet that grew over the years, and its nodes' reports. The same seed and
//! number make the same rows. Starts no task; the store that is filled has its own threads.

mod draw;
mod fill;
mod found;
mod place;

pub use fill::{Filled, Filler, OBJECTS, begins_at};
pub use found::{Founded, found};
pub use place::set_clock_back;
