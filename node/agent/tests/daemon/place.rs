//! A node's place: directories, an identity, the daemon.

use std::{net::SocketAddr, path::Path, time::Duration};

use npanel_agent::{
    AgentError, Config, agent,
    config::{Endpoint, LogFormat},
};
use npanel_model::{NodeId, NodeRole, Timestamp};
use npanel_pki::{CertificateAuthority, ClusterId, Credentials, Identity, IdentityFiles, PrivateKey, Serial};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::executor::FakeExecutor;

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn authority() -> CertificateAuthority {
    CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority")
}

pub(crate) fn credentials(authority: &CertificateAuthority, identity: Identity) -> Credentials {
    let key = PrivateKey::generate().expect("a key");
    let request = key.certificate_request().expect("a request");
    let issued = authority
        .issue(&request, identity, &[], Serial::generate(), Timestamp::now())
        .expect("a certificate");
    Credentials::new(key, issued.chain, vec![authority.certificate().clone()]).expect("credentials")
}

pub(crate) async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    address.to_string().parse().expect("an endpoint")
}

pub(crate) async fn config(directory: &Path, controllers: &[SocketAddr]) -> Config {
    Config {
        data_directory: directory.to_owned(),
        name: "n1".parse().expect("a name"),
        address: "192.0.2.1".parse().expect("an address"),
        controllers: controllers.iter().copied().map(endpoint).collect(),
        roles: NodeRole::ALL.to_vec(),
        place: npanel_agent::config::Place::default(),
        telemetry: free_address().await,
        executor_socket: directory.join("executor.sock"),
        user: "root".to_owned(),
        log: LogFormat::Text,
    }
}

/// A running daemon with an identity and an executor.
pub(crate) struct Daemon {
    pub(crate) config: Config,
    pub(crate) executor: Option<FakeExecutor>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
    pub(crate) directory: TempDir,
}

impl Daemon {
    pub(crate) async fn start(authority: &CertificateAuthority, controllers: &[SocketAddr]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let config = config(directory.path(), controllers).await;
        std::fs::create_dir(config.identity_directory()).expect("a directory");
        IdentityFiles::new(config.identity_directory())
            .save(&credentials(authority, Identity::Node(NodeId::generate())))
            .expect("saved");
        let executor = Some(FakeExecutor::listen(&config.executor_socket));
        Self::run(directory, config, executor)
    }

    pub(crate) fn run(directory: TempDir, config: Config, executor: Option<FakeExecutor>) -> Self {
        let stop = CancellationToken::new();
        let (stopped, configured) = (stop.clone(), config.clone());
        let task = tokio::spawn(async move { agent::run(&configured, stopped).await });
        Self { config, executor, stop, task, directory }
    }

    /// Stops it as a signal would.
    pub(crate) async fn stop(self) -> (TempDir, Config) {
        self.stop.cancel();
        let ended = timeout(Duration::from_secs(5), self.task).await.expect("it ends in time");
        ended.expect("no panic").expect("it ends well");
        (self.directory, self.config)
    }
}

/// Asks again until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = ask().await {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}")
}
