//! PHP: a socket per account, and a process manager of its own only while it is used.
//!
//! The units are a hundred pairs of templates, `npanel-php00@.socket` and `.service` to `…99@`, because systemd's
//! cost of one more unit grows with the number of units in a slice: each pair has a slice of its own, and an
//! account's pair is its uid's last two digits. The instance is the uid.

mod account;
mod allotment;
mod base;
mod units;
mod warm;
mod watch;

pub use account::{
    Prepared, commit_account, foresee_account, managed_account, prepare_account, removed_with_account,
    retire_account, running,
};
pub use allotment::{limit_account, limits_difference};
pub use base::{ensure_base, foresee_base, managed_base};
pub(crate) use units::slice;
pub use warm::WarmUps;
pub use watch::{Idle, revive_failed, stopped};
