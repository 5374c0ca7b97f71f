//! From a thread that writes to whoever takes the answer's body.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc::Sender, time::timeout};

/// Handed over so much at a time.
const PIECE: usize = 64 * 1024;

/// Who takes nothing for so long is given up: an export keeps the write-ahead log from being begun anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// And nothing takes longer than this: some 10 GB at 16 MB a second.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) type Piece = io::Result<Bytes>;

/// The writing end. It blocks, and is for a thread that may.
pub(super) struct Pipe {
    to: Sender<Piece>,
    runtime: Handle,
    until: Instant,
    waiting: Vec<u8>,
}

impl Pipe {
    pub(super) fn new(to: Sender<Piece>, runtime: Handle) -> Self {
        Self { to, runtime, until: Instant::now() + LONGEST, waiting: Vec::with_capacity(PIECE) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE)));
        let patience = PATIENCE.min(self.until.saturating_duration_since(Instant::now()));
        let sent = timeout(patience, self.to.send(Ok(piece)));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "who asked for it has gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "who asked for it takes it too slowly")),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.hand_over() }
    }
}
