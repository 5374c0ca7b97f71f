//! Judging a machine before a daemon is started on it: what was found, and what to do about it.
//!
//! Nothing is changed, and nothing needs root; what could not be looked at is said. [`Report`] collects findings;
//! the functions beside it find what controllers and nodes have in common.

mod clock;
mod files;
mod identity;
mod kernel;
mod network;
mod report;

pub use clock::clock;
pub use files::{directory, disk, program, secret_file, unit};
pub use identity::certificate;
pub use kernel::kernel;
pub use network::{distinct, port, resolves};
pub use report::{Finding, Report, Verdict};
