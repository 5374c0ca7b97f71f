//! Scheduled jobs: a timer and a service of systemd per job, behind the same walls as the account's PHP and in the
//! same control group.
//!
//! A unit's name holds the digest of all that the unit says, so no unit ever changes: a changed job is another
//! job, and systemd, which reads a new unit when it first hears its name, need not read all units again.

mod account;
mod base;
mod job;

pub use account::{
    accounts, ensure_account, foresee_account, managed_account, remove_account, removed_with_account, rest,
    stopped, waiting,
};
pub use base::{ensure_base, managed_base};

/// The target that wants every job's timer at boot.
const TARGET: &str = "npanel-cron.target";
