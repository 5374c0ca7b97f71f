//! The life of a controller: made by `init` or `join`, then `run`.

mod agreement;
mod content;
mod dial;
mod files;
mod found;
mod join;
mod keeper;
mod presence;
mod removed;
mod run;

pub use content::{Content, content};
pub(crate) use files::REMOVED;
pub use found::{Founded, found};
pub use join::{Joined, join};
pub use run::run;
