//! The root side of a node's daemon: a closed set of typed operations, asked for over a Unix socket.
//!
//! The agent (unprivileged) holds a [`Client`]; the executor (root) runs [`serve`]. One connection carries one
//! [`Request`] and its answer, so nothing is shared between requests but the executor itself. An operation that
//! was begun is finished even if its asker goes away, and its answer is kept under the request's id.
//!
//! Inside [`serve`]: a task per connection; a task per operation, which holds the locks of its objects; one
//! that looks after accounts' PHP; and one that follows controllers to other addresses.

mod client;
mod config;
mod controllers;
mod failure;
mod foresee;
mod frame;
mod inventory;
mod locks;
mod look;
mod made;
mod memory;
mod operation;
mod perform;
mod server;
mod target;
mod watch;

pub use client::Client;
pub use config::{ControllerList, DEFAULT_SOCKET, ExecutorConfig};
pub use npanel_services::mariadb::Grant;
pub use npanel_services::powerdns::{RecordSet, ZoneSpec};
pub use npanel_services::{Change, Difference, UnitEffects, What};
pub use operation::{
    Belonging, Belongings, Capacity, Done, Facts, FailedService, Failure, FileSystem, Operation, Output,
    Preview, Request, Response, ServiceHealth, StageTime, Sweep,
};
pub use server::{ServeError, serve};
pub use target::Target;
