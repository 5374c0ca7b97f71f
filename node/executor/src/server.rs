//! Listening on the socket: who may ask, and what is asked once.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use nix::unistd::{Gid, User, chown};
use npanel_host::{OsError, Systemd};
use npanel_model::NodeRole;
use sha2::{Digest, Sha256};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    config::ExecutorConfig,
    controllers,
    frame::Frames,
    locks::{Locks, Object},
    memory::Memory,
    operation::{Failure, Operation, Request, Response},
    perform::{Machine, Perform},
    target::Target,
    watch,
};

/// Connections at once: more wait. Each holds at most one message in memory.
const CONNECTIONS: usize = 256;
/// An asker sends its request at once; one that does not is in the way.
const RECEIVED: Duration = Duration::from_secs(10);

/// Why the executor cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket cannot be made.
    #[error("cannot listen on {path}: {source}")]
    Listen {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The operating system is not known.
    #[error(transparent)]
    Os(#[from] OsError),
}

/// Serves until `shutdown` ends; `ready` is called once the socket listens. Operations that were begun are
/// finished first.
///
/// # Errors
/// If the socket cannot be made or the operating system is not known.
pub async fn serve(
    config: ExecutorConfig,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let systemd = Systemd::new();
    let machine = Machine::open(systemd.clone(), &config)?;
    if let Err(error) = npanel_services::remove_what_was_looked_at() {
        tracing::warn!(%error, "configurations that were only looked at stay");
    }
    let agent = User::from_name(&config.agent_user).ok().flatten();
    let failed = |source| ServeError::Listen { path: config.socket.display().to_string(), source };
    let listener = listen(&config.socket, agent.as_ref().map(|user| user.gid)).map_err(failed)?;
    let server = Server::new(machine.clone(), agent.map(|user| user.uid.as_raw()));
    let follower = tokio::spawn(follow_controllers(machine, Arc::clone(&server.inner)));
    let watcher = tokio::spawn(watch::look_after_php(systemd, config.process_idle));
    ready();
    tokio::select! {
        () = server.accept(&listener) => {}
        () = shutdown => {}
    }
    watcher.abort();
    follower.abort();
    server.finish().await;
    Ok(())
}

/// Runs until it is dropped: has the packet filter follow controllers whose names lead elsewhere.
async fn follow_controllers(machine: Machine, inner: Arc<Inner<Machine>>) {
    let base = Target::Base(NodeRole::Web);
    let mut looks = interval(controllers::LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if machine.controllers.look().await && machine.made.knows(&base) {
            // Nobody has touched what is put right now.
            machine.made.forget(&base);
            let renewed = Operation::EnsureBase { roles: vec![NodeRole::Web] };
            Arc::clone(&inner).answer(Request::new(renewed)).await;
        }
    }
}

/// Takes the place of a socket that an earlier executor left. Only the agent's group may connect; who it is, is
/// asked of the kernel besides.
fn listen(path: &Path, group: Option<Gid>) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers requests by `P`.
#[derive(Debug)]
pub(crate) struct Server<P> {
    inner: Arc<Inner<P>>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Inner<P> {
    performer: P,
    agent: Option<u32>,
    locks: Locks,
    memory: Memory,
}

impl<P: Perform> Server<P> {
    pub(crate) fn new(performer: P, agent: Option<u32>) -> Self {
        let inner = Inner { performer, agent, locks: Locks::default(), memory: Memory::default() };
        Self { inner: Arc::new(inner), places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    pub(crate) async fn accept(&self, listener: &UnixListener) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let inner = Arc::clone(&self.inner);
                    tokio::spawn(async move {
                        if let Err(error) = inner.converse(stream).await {
                            tracing::debug!(%error, "a connection to the executor ended early");
                        }
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: the place is given back with the next end of a connection.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Waits for the connections that there are, and with them for their operations.
    async fn finish(&self) {
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.places.acquire_many(all).await;
    }
}

impl<P: Perform> Inner<P> {
    async fn converse(self: Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?.uid();
        let mut frames = Frames::new(stream);
        if peer != 0 && Some(peer) != self.agent {
            tracing::warn!(uid = peer, "a user who may not ask the executor did");
            return frames.send(&Response::Failed(refused(peer))).await;
        }
        let request = match timeout(RECEIVED, frames.receive::<Request>()).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => {
                let failure = failure("BadRequest", format!("{error}"), "receive");
                frames.send(&Response::Failed(failure)).await?;
                return Err(error);
            }
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        // In a task of its own: it goes on if the asker goes away, and a panic ends nothing else.
        let answer = match tokio::spawn(self.answer(request)).await {
            Ok(answer) => answer,
            Err(_) => Response::Failed(failure("Internal", "the operation panicked".to_owned(), "perform")),
        };
        frames.send(&answer).await
    }

    /// The answer to a request; of several deliveries of one, the first is carried out and the others wait.
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let digest = digest(&request);
        let delivery = self.memory.delivery(request.id, digest);
        if delivery.digest != digest {
            let message = format!("the id {} was used for another request", request.id);
            return Response::Failed(failure("RequestIdReused", message, "receive"));
        }
        delivery.answer.get_or_init(|| self.perform(request)).await.clone()
    }

    async fn perform(&self, request: Request) -> Response {
        let (name, is_read) = (request.operation.name(), Object::of(&request.operation).is_empty());
        let _held = self.locks.hold(Object::of(&request.operation)).await;
        // Boxed: the future of all operations together is large.
        match Box::pin(self.performer.perform(request.operation)).await {
            Ok(done) if is_read => Response::Done(done),
            Ok(done) => {
                tracing::info!(operation = name, id = %request.id, changed = done.changed, "done");
                Response::Done(done)
            }
            Err(failure) => {
                tracing::warn!(operation = name, id = %request.id, %failure, "failed");
                Response::Failed(failure)
            }
        }
    }
}

/// Of the request's contents, for telling deliveries apart. Not a secret's store: it never leaves memory.
fn digest(request: &Request) -> [u8; 32] {
    let text = serde_json::to_vec(&request.operation).unwrap_or_default();
    Sha256::digest(text).into()
}

fn refused(uid: u32) -> Failure {
    failure("Forbidden", format!("the user {uid} may not ask the executor"), "receive")
}

fn failure(reason: &str, message: String, stage: &str) -> Failure {
    Failure { reason: reason.to_owned(), message, stage: stage.to_owned(), retriable: false }
}

#[cfg(test)]
mod tests;
