//! How the controller is doing: `/healthz`, `/readyz` and `/metrics` on a listener of their own, plain HTTP and
//! meant for the machine itself or a monitoring network.

mod bounds;
mod listener;
mod metrics;

pub use listener::{OwnCertificates, Telemetry, removed_router, router, serve};
pub use metrics::Metrics;
