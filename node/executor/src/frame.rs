//! Messages on the socket: JSON, each behind its length as four bytes, big-endian.

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// Longest message, in bytes. A zone is the largest: 1 MiB holds some ten thousand records.
pub(crate) const MAX_FRAME: usize = 1024 * 1024;

/// Messages on one connection.
pub(crate) struct Frames(Framed<UnixStream, LengthDelimitedCodec>);

impl Frames {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self(LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_framed(stream))
    }

    /// Sends one message.
    pub(crate) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.0.send(Bytes::from(serde_json::to_vec(message)?)).await
    }

    /// The next message; none if the other side has closed.
    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.0.next().await.transpose()? {
            // Not serde_json's own text: it may repeat what it read.
            Some(frame) => serde_json::from_slice(&frame)
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, position(&error))),
            None => Ok(None),
        }
    }
}

fn position(error: &serde_json::Error) -> String {
    format!("not a message of this protocol ({:?} error at byte {})", error.classify(), error.column())
}
