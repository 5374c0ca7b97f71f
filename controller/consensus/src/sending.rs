//! Sending a snapshot: piece by piece, from wherever the other one's copy ends.

use std::{
    future::Future,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use npanel_proto::controller::{RaftMessage, controller_client::ControllerClient};
use openraft::{
    Snapshot,
    error::{Fatal, ReplicationClosed, StreamingError, Unreachable},
    raft::SnapshotResponse,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::Instant,
};
use tonic::{Request, transport::Channel};

use crate::{
    encoding::{from_bytes, to_bytes},
    receiving::{Answer, Piece},
    types::{SnapshotMeta, Types, Vote},
};

/// A message of a megabyte is neither long nor many.
const PIECE: usize = 1024 * 1024;

/// How long a piece may take, and how long the last one: it is answered when all is checked and installed.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_secs(600);

/// So long after its last piece an unfinished snapshot may still go on where it stopped.
const UNFINISHED: Duration = Duration::from_secs(120);

/// What this controller sends. While something is unfinished, the snapshot that it is of stays.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    last_unfinished: Mutex<Option<Instant>>,
}

impl Sending {
    fn note(&self, unfinished: Option<Instant>) {
        *self.last_unfinished.lock().unwrap_or_else(PoisonError::into_inner) = unfinished;
    }

    /// Whether a snapshot is on its way, or may go on where it stopped.
    pub(crate) fn is_under_way(&self) -> bool {
        let last = *self.last_unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < UNFINISHED)
    }
}

pub(crate) type SendError = StreamingError<Types, Fatal<u64>>;

/// Tried again after a pause, from where it stopped.
fn not_now(error: &(impl std::error::Error + 'static)) -> SendError {
    StreamingError::Unreachable(Unreachable::new(error))
}

fn text(error: impl Into<String>) -> SendError {
    not_now(&io::Error::other(error.into()))
}

/// Sends what the other one lacks, and returns once it has installed it, or knows a later leader.
pub(crate) async fn send(
    client: &mut ControllerClient<Channel>,
    sending: &Sending,
    vote: Vote,
    snapshot: Snapshot<Types>,
    cancel: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<u64>, SendError> {
    let sent = send_pieces(client, sending, vote, &snapshot.meta, *snapshot.snapshot);
    let sent = tokio::select! {
        closed = cancel => Err(closed.into()),
        sent = sent => sent,
    };
    if sent.is_ok() {
        sending.note(None);
    }
    sent
}

async fn send_pieces(
    client: &mut ControllerClient<Channel>,
    sending: &Sending,
    vote: Vote,
    meta: &SnapshotMeta,
    mut file: File,
) -> Result<SnapshotResponse<u64>, SendError> {
    let bytes = file.metadata().await.map_err(|error| not_now(&error))?.len();
    let (mut offset, mut data) = (0, Vec::new());
    loop {
        sending.note(Some(Instant::now()));
        let is_last = offset + data.len() as u64 == bytes;
        let piece = Piece { vote, meta: meta.clone(), bytes, offset };
        let mut request = Request::new(RaftMessage { payload: to_bytes(&piece), data });
        request.set_timeout(if is_last { LAST_PATIENCE } else { PATIENCE });
        let answer = client.install_snapshot(request).await.map_err(|status| not_now(&status))?;
        let answer = from_bytes(&answer.into_inner().payload).map_err(|error| not_now(&error))?;
        let next = match answer {
            Answer::Installed { vote: theirs } => return Ok(SnapshotResponse::new(theirs)),
            Answer::Later { vote: theirs } if theirs > vote => return Ok(SnapshotResponse::new(theirs)),
            Answer::Later { .. } => return Err(text("the other one follows a later leader")),
            Answer::Refused { why } => {
                tracing::error!(why, "a controller refuses the snapshot that it needs");
                return Err(text(why));
            }
            Answer::Next { offset } => offset,
        };
        if offset == 0 && next > PIECE as u64 {
            tracing::info!(from = next, of = bytes, "a snapshot goes on where it stopped");
        }
        offset = next;
        data = read(&mut file, offset).await.map_err(|error| not_now(&error))?;
    }
}

async fn read(file: &mut File, offset: u64) -> io::Result<Vec<u8>> {
    file.seek(io::SeekFrom::Start(offset)).await?;
    let mut data = Vec::with_capacity(PIECE);
    file.take(PIECE as u64).read_to_end(&mut data).await?;
    Ok(data)
}
