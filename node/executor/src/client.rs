//! The agent's side of the socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{net::UnixStream, time::timeout};

use crate::{
    frame::Frames,
    operation::{Done, Failure, Operation, Request, Response},
};

/// Asks the executor. Cheap to clone; calls may be made side by side, each on a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    deadline: Duration,
}

impl Client {
    /// Longer than any operation's own deadlines add up to; a call that takes this long is lost.
    const DEADLINE: Duration = Duration::from_secs(120);

    /// A client of the executor that listens on `socket`. Connects at each call.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned(), deadline: Self::DEADLINE }
    }

    /// The same, whose calls are lost after another time: of an operation that only looks.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Has an operation done under a new id.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn run(&self, operation: Operation) -> Result<Done, Failure> {
        self.call(&Request::new(operation)).await
    }

    /// Has an operation done. Dropping the future does not stop an operation that was received.
    ///
    /// # Errors
    /// The executor's own [`Failure`], or one with the stage `call` if it could not be asked or did not answer:
    /// `ExecutorUnreachable`, `ExecutorTimeout`, `ExecutorProtocol`. Whether it was done is then not known;
    /// asking again with the same id is safe.
    pub async fn call(&self, request: &Request) -> Result<Done, Failure> {
        match timeout(self.deadline, self.exchange(request)).await {
            Ok(Ok(Response::Done(done))) => Ok(done),
            Ok(Ok(Response::Failed(failure))) => Err(failure),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Err(lost("ExecutorProtocol", error.to_string()))
            }
            Ok(Err(error)) => Err(lost("ExecutorUnreachable", error.to_string())),
            Err(_) => Err(lost("ExecutorTimeout", format!("no answer within {:?}", self.deadline))),
        }
    }

    async fn exchange(&self, request: &Request) -> io::Result<Response> {
        let mut frames = Frames::new(UnixStream::connect(&self.socket).await?);
        // A refusal may come, and the connection be closed, before the request is read.
        let sent = frames.send(request).await;
        match frames.receive().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }
}

fn lost(reason: &str, message: String) -> Failure {
    Failure { reason: reason.to_owned(), message, stage: "call".to_owned(), retriable: true }
}
