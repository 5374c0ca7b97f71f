//! PowerDNS: zones and their record sets.

mod api;
mod base;
mod prints;
mod question;
mod spec;
mod zone;

pub use api::PowerDns;
pub use base::{foresee_base, managed_base};
pub use prints::ZonePrints;
pub use spec::{RecordSet, RecordSetFields, ZoneSpec};

/// The port of PowerDNS's API, on 127.0.0.1.
pub(crate) const API_PORT: u16 = 8081;
