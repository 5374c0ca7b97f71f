//! For metrics.

use std::time::Duration;

/// Is told of every operation that ended.
pub trait Observer: Send + Sync + 'static {
    /// An operation, by name, took this long and went well or did not.
    fn operation_ended(&self, operation: &'static str, took: Duration, well: bool);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn operation_ended(&self, _operation: &'static str, _took: Duration, _well: bool) {}
}
