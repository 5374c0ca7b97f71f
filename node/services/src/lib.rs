//! The services that a node runs, each in a folder of its own.

pub mod mariadb;
pub mod powerdns;
