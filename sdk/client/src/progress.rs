//! Waiting with something to show.

use std::time::{Duration, Instant};

use npanel_model::OperationId;
use npanel_sdk_types::{Operation, OperationStatus};

use crate::{Client, Error};

/// How often there is news to show while an operation goes on.
const NEWS: Duration = Duration::from_secs(1);

/// How waiting for an operation ended.
#[derive(Debug, Clone)]
pub enum Waited {
    /// The operation ended; its status says how.
    Ended(Operation),
    /// The time ended first.
    TimedOut(Operation),
}

impl Client {
    /// Waits until an operation has succeeded, or for `timeout`; tells `news` how it stands
    /// about once a second. A failed operation is waited for as well: the fleet tries again.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn wait_for(
        &self,
        id: OperationId,
        timeout: Duration,
        mut news: impl FnMut(&Operation),
    ) -> Result<Waited, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let operation = self.operation_within(id, left.min(NEWS)).await?;
            news(&operation);
            match operation.status {
                OperationStatus::Succeeded => {
                    return Ok(Waited::Ended(operation));
                }
                OperationStatus::Converging | OperationStatus::Failed if left.is_zero() => {
                    return Ok(Waited::TimedOut(operation));
                }
                OperationStatus::Converging | OperationStatus::Failed => {}
            }
        }
    }
}
