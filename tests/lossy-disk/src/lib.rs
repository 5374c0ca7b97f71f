//! A file system for tests that does what a disk may do when the power goes: what was not synced is lost, in whole or in part.
//!
//! A [`LossyDisk`] is a FUSE file system in this process, with its files in memory. Programs beneath its mount point see an
//! ordinary file system. At [`LossyDisk::cut`], or at a moment that was asked for ([`When`]), the power goes: from then on every
//! request fails, and [`LossyDisk::power_on`] mounts what such a cut may have left. What it may is in [`disk`]:
//!
//! - Bytes that were written and not brought to disk by `fsync` or `fdatasync` are there or not, by sectors of 512 bytes and in
//!   any order; a file may have its new length without them.
//! - A name that was made, changed or removed, and whose directory was not synced since, is as it was before or as it is now. Syncing a
//!   file does not sync its name. One rename is there wholly or not at all, as on all file systems with a journal.
//! - What was synced is there. So are a file's mode and owner, which no test here is about.
//!
//! That is what POSIX allows; ext4 does less harm, and other file systems less in other ways. Each draw is from the seed.
//!
//! The disk can also be full ([`LossyDisk::set_free`]), and fail to sync ([`LossyDisk::fail_syncs`]): what such a sync should have
//! brought to disk is then only read from memory, and no later sync brings it there or says so, as on Linux.
//!
//! Memory that is mapped from a file and shared, as SQLite's index of its write-ahead log is, works: the kernel keeps one cache of a
//! file's pages for all, because files are opened neither for direct I/O nor so that an open drops the cache. Writes go through that
//! cache at once (there is no write-back cache), so the disk knows of each as it is made. Locks are the kernel's own.
//!
//! What runs: one thread for each mounted disk, which answers the kernel. The process that serves a disk must not map a file of it
//! itself: unmapping waits for that thread, which then waits for memory. So SQLite belongs into another process.

mod disk;
mod faults;
mod mount;
mod serving;

pub use disk::{Loss, Temper};
pub use faults::{Step, Times, When};
pub use mount::{LossyDisk, MountError, unavailable};
