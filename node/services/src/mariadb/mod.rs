//! MariaDB: databases, their users and grants.

mod base;
mod grants;
mod server;
mod spec;
mod sql;

pub use server::Mariadb;
pub use spec::Grant;
