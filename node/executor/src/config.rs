//! How the executor is set up.

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, time::Duration};

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
    /// No account's process may reach them.
    pub controllers: ControllerList,
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
            controllers: ControllerList::new(Vec::new),
            ledger: None,
            process_idle: Duration::from_secs(300),
        }
    }
}

/// Every controller, `HOST:PORT` each, as far as they are known at the time of asking.
#[derive(Clone)]
pub struct ControllerList(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl ControllerList {
    /// `list` may block for a moment.
    pub fn new(list: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(list))
    }

    pub(crate) fn read(&self) -> Vec<String> {
        (self.0)()
    }
}

impl fmt::Debug for ControllerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControllerList").finish_non_exhaustive()
    }
}
