//! Members that talk over pipes in one process; their files are real.

mod agreement;
mod beginning;
#[cfg(feature = "failpoints")]
mod bugs;
mod clock;
mod files;
mod full_disk;
mod health;
mod levels;
mod limits;
mod members;
mod overload;
mod partition;
mod removal;
mod replacement;
mod succession;
