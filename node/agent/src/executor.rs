//! The root daemon: the executor, from the node's configuration.

use npanel_executor::{ExecutorConfig, ServeError};
use tokio_util::sync::CancellationToken;

use crate::{Config, agent};

/// Serves the executor until `stop`.
///
/// # Errors
/// If its socket cannot be made or the operating system is not known.
pub async fn run(config: &Config, stop: CancellationToken) -> Result<(), ServeError> {
    let mut executor = ExecutorConfig::new(config.user.clone());
    executor.socket.clone_from(&config.executor_socket);
    executor.ledger = Some(config.ledger_directory());
    // Accounts' processes have no business with the daemon's telemetry.
    executor.control_ports.insert(config.telemetry.port());
    executor.controllers = config.controllers.iter().map(ToString::to_string).collect();
    npanel_executor::serve(executor, agent::notify_ready, stop.cancelled_owned()).await
}
