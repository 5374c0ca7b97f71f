//! Files, reached through directory handles one name at a time, without following links.

mod directory;
mod error;
mod remove;
mod write;

pub use directory::{Attributes, Directory, Kind, Owner};
pub use error::FileError;
