//! Health and metrics, over plain HTTP on the machine itself.

mod http;
mod metrics;

pub use http::{Health, bind, serve};
pub use metrics::Metrics;
