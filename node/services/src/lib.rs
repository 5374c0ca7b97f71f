//! The services that a node runs, each in a folder of its own with its templates: what their configuration is,
//! how it is checked, put into place, made effective and verified. Runs as root inside the executor, without
//! tasks of its own.
//!
//! An account's change touches files and units of that account only; the shared configuration is written once
//! by each service's `ensure_base`.

mod aside;
mod difference;
mod error;
mod template;

pub mod cron;
pub mod journal;
pub mod mariadb;
pub mod nginx;
pub mod packet_filter;
pub mod php;
pub mod powerdns;
pub mod walls;

pub use aside::remove_what_was_looked_at;
pub use difference::{Change, Difference, UnitEffects, What};
pub use error::ServiceError;
pub use template::RenderError;
