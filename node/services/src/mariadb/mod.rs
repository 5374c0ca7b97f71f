//! MariaDB: databases, their users and grants.

mod spec;

pub use spec::Grant;
