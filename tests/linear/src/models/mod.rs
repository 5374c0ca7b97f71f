//! The objects whose histories are checked.

mod capped;
mod register;
mod unique;

pub use capped::{Capped, Take, Taken};
pub use register::{Register, RegisterAnswer, RegisterCall};
pub use unique::{Unique, UniqueAnswer, UniqueCall};
