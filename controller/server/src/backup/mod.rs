//! Making backups: what is put together, and the bucket that it may go to.

mod archive;
mod needed;
mod store;

pub(crate) use archive::{Archive, Unmade};
pub(crate) use needed::missing_key;
pub use store::{BackupStore, Unkept};
