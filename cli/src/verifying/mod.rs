//! Verifying the audit: what the fleet says now against what was kept, and copies of a controller's database.

mod offline;
mod online;
mod proof;
mod reading;
mod shown;

pub(crate) use offline::offline;
pub(crate) use online::online;
pub(crate) use proof::proved;
