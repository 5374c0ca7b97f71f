//! systemd over the system bus.

mod manager;
mod proxy;

pub use manager::{Systemd, SystemdError, UnitEnd, UnitState};
