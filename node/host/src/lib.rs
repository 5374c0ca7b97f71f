//! A node's operating system: users, homes, files, child processes, systemd, free space, and what differs
//! between distributions. Runs as root inside the executor. No tasks of its own but one: [`Systemd`] listens
//! for finished jobs as long as its connection lives.
//!
//! Files are only touched through a [`Directory`]: a handle, from which one name at a time is reached without
//! following links.

mod account;
mod blocking;
mod capacity;
mod child;
mod files;
mod layout;
mod managed;
mod os;
mod stages;
mod systemd;

pub use account::{AccountError, AccountUser, Accounts};
pub use blocking::blocking;
pub use capacity::{CapacityError, FileSystemSpace, Space, file_system, memory, space};
pub use child::{Child, ChildError, ChildOutput};
pub use files::{Attributes, Directory, FileError, Kind, Owner};
pub use layout::Layout;
pub use managed::{Differs, Glance, Managed, Print, ShouldBe};
pub use os::{NginxProfile, OsError, OsProfile, PhpLayout, PowerDnsProfile, VersionWriting};
pub use stages::{StageTime, Stages};
pub use systemd::{Systemd, SystemdError, UnitEnd, UnitState};
