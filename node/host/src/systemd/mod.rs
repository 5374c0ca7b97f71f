//! systemd over the system bus.

mod manager;
mod proxy;
mod slice;

pub use manager::{Systemd, SystemdError, UnitEnd, UnitState};
