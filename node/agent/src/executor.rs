//! The root daemon: the executor, from the node's configuration.

use npanel_executor::{ControllerList, ExecutorConfig, ServeError};
use tokio_util::sync::CancellationToken;

use crate::{Config, agent, config::Endpoint, roster};

/// Where a controller listens unless it is configured otherwise: one on this machine is kept from accounts by its ports.
const CONTROLLER_PORTS: [u16; 3] = [8443, 8444, 9470];

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
    executor.control_ports.extend(CONTROLLER_PORTS);
    executor.control_ports.extend(config.controllers.iter().map(Endpoint::port));
    let (configured, data) = (config.controllers.clone(), config.data_directory.clone());
    executor.controllers = ControllerList::new(move || {
        let listed = roster::written_addresses(&data);
        configured.iter().chain(&listed).map(ToString::to_string).collect()
    });
    npanel_executor::serve(executor, agent::notify_ready, stop.cancelled_owned()).await
}
