//! Making backups: what is put together, and the bucket that it may go to.

mod archive;
mod store;

pub(crate) use archive::Archive;
pub use store::{BackupStore, Unkept};
