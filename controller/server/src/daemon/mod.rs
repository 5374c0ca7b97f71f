//! The life of a controller: made by `init` or `join`, then `run`.

mod agreement;
mod anew;
mod cluster_keys;
mod content;
mod dial;
mod files;
mod found;
mod join;
mod keeper;
mod presence;
mod recover;
mod removed;
mod restore;
mod run;
mod unlock;

pub use content::{Content, content};
pub(crate) use files::REMOVED;
pub use found::{Founded, found};
pub use join::{Joined, join};
pub use recover::{LogEnd, Recovered, log_end, recover};
pub use restore::{Checked, Restored, check_backup, restore};
pub use run::run;
pub(crate) use unlock::{KEY, SEALED_KEY, opens};
