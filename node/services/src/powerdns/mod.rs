//! PowerDNS: zones and their record sets.

mod spec;

pub use spec::{RecordSet, RecordSetFields, ZoneSpec};
