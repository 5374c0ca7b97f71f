//! The controller: the REST API, the fleet's connections, and what starts them.

pub mod agreement;
mod auth;
pub mod authorities;
pub mod backup;
pub mod check;
pub mod config;
pub mod daemon;
mod export;
pub mod fleet;
pub mod http;
pub mod openapi;
mod origin;
pub mod own_addresses;
pub mod permissions;
pub mod rates;
pub mod telemetry;
