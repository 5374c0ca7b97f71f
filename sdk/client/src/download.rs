//! An answer that is too large for memory, as it comes.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Error,
    transport::{Call, Opened, Transport},
};

/// The state is copied before the first byte.
const PATIENCE: Duration = Duration::from_secs(3600 + 600);

/// So long without a piece, and the controller is lost.
const SILENCE: Duration = Duration::from_secs(60);

/// The answer.
#[derive(Debug)]
pub struct Download {
    opened: Opened,
}

impl Transport {
    /// Begins it at one controller after the other until one takes it. If writes are only looked at, it ends with what it would
    /// come to.
    pub(crate) async fn download(&self, call: Call) -> Result<Download, Error> {
        if self.previews() {
            // It ends with the preview.
            self.send(call).await?;
            return Err(Error::Configuration("a dry run downloads nothing".to_owned()));
        }
        Ok(Download { opened: self.open(&call.patient(PATIENCE)).await? })
    }
}

impl Download {
    /// How long it is, if the controller says.
    pub fn length(&self) -> Option<u64> {
        self.opened.response.content_length()
    }

    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// If the connection is lost: what came is of no use then.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let lost = |reason: String| Error::Unreachable(vec![format!("{}: {reason}", self.opened.url)]);
        match tokio::time::timeout(SILENCE, self.opened.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(lost(format!("the answer was cut off: {}", error.without_url()))),
            Err(_) => Err(lost(format!("nothing came for {} s", SILENCE.as_secs()))),
        }
    }
}
