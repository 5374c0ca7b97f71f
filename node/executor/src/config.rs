//! How the executor is set up.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// Where the executor listens.
pub const DEFAULT_SOCKET: &str = "/run/npanel/executor.sock";

/// What the executor needs to know. The operating system it finds out itself.
#[derive(Debug, Clone)]
pub struct ExecutorConfig {
    /// The socket to listen on. Its directory is made if it is not there.
    pub socket: PathBuf,
    /// The Unix user that may ask besides root. If there is no such user, only root may.
    pub agent_user: String,
    /// Ports of this machine that no account's process may reach, such as the daemon's telemetry; the managed
    /// services' own are added.
    pub control_ports: BTreeSet<u16>,
    /// Every controller, `HOST:PORT`: no account's process may reach them.
    pub controllers: Vec<String>,
    /// Where the agent keeps its ledger: whether there is room is told with the services' health.
    pub ledger: Option<PathBuf>,
    /// How long an account's PHP may be without work before it is stopped; the next request starts it again.
    pub process_idle: Duration,
}

impl ExecutorConfig {
    /// What a node has unless it says otherwise.
    pub fn new(agent_user: impl Into<String>) -> Self {
        Self {
            socket: DEFAULT_SOCKET.into(),
            agent_user: agent_user.into(),
            control_ports: BTreeSet::new(),
            controllers: Vec::new(),
            ledger: None,
            process_idle: Duration::from_secs(300),
        }
    }
}
