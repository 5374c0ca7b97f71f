//! The root side of a node's daemon: a closed set of typed operations, asked for over a Unix socket.
//!
//! The agent (unprivileged) holds a [`Client`]; the executor (root) runs the server. One connection carries
//! one [`Request`] and its answer, so nothing is shared between requests but the executor itself. An operation
//! that was begun is finished even if its asker goes away, and its answer is kept under the request's id.

mod client;
mod frame;
mod operation;

pub use client::Client;
pub use npanel_services::mariadb::Grant;
pub use npanel_services::powerdns::{RecordSet, ZoneSpec};
pub use operation::{
    Capacity, Done, Facts, Failure, Operation, Output, Request, Response, ServiceHealth, StageTime,
};
