//! Members that talk over pipes in one process; their files are real.

mod agreement;
mod members;
mod removal;
mod replacement;
