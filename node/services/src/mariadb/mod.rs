//! MariaDB: databases, their users and grants.

mod base;
mod grants;
mod look;
mod server;
mod spec;
mod sql;

pub use base::managed_base;
pub use server::Mariadb;
pub use spec::Grant;

/// MariaDB's port, which applications on this machine may use instead of its socket.
pub(crate) const PORT: u16 = 3306;
