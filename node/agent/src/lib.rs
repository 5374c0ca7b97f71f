//! The node's daemon `npanel-node`: what speaks to the fleet, without privileges. What needs root is asked of
//! the executor by name.
//!
//! | part | what it is |
//! |---|---|
//! | [`Config`] | `/etc/npanel/node.toml` |
//! | [`enroll`] | a bootstrap token becomes an identity |
//! | [`agent`] | the daemon: dials every controller and serves them, keeps the ledger, converges |
//! | [`executor`] | the root daemon, from the same configuration |
//!
//! Inside the agent: one task per controller (dials it, serves the `Node` service on that connection, dials
//! again); one that renews the certificate; the convergence engine; one that reads the machine's vitals through the executor;
//! one that looks for what belongs to no object; one for the telemetry's HTTP; one for the ledger's upkeep. They share the
//! ledger, the list of controllers, the reports and the vitals, and all end
//! with one cancellation.

pub mod agent;
pub mod check;
mod conditions;
pub mod config;
mod dial;
mod diallers;
pub mod enroll;
pub mod executor;
pub mod leftovers;
pub mod logging;
mod owner;
pub mod release;
mod renew;
mod retry;
mod roster;
pub mod service;
pub mod telemetry;
mod user;
mod vitals;

pub use agent::AgentError;
pub use config::{Config, ConfigError};
