//! The thread that reads the state and writes the archive, as fast as it is taken.

use std::{io, ops::ControlFlow};

use npanel_state::{ExportBegun, ExportEnd, ExportOf, ExportSink, Reader};
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    archive::Archive,
    manifest::Manifest,
    pipe::{Piece, Pipe},
};

/// So many pieces ahead of whoever takes them.
const AHEAD: usize = 4;

/// What is asked for.
pub(crate) struct Export {
    pub(crate) of: ExportOf,
    /// As the audit writes it.
    pub(crate) made_by: String,
    /// Held until it is made.
    pub(crate) place: OwnedSemaphorePermit,
}

/// An archive that has begun.
pub(crate) struct Begun {
    /// The archive's name as a file.
    pub(crate) file: String,
    /// It ends with an error if the state cannot be read, or if it is taken too slowly.
    pub(crate) pieces: ReceiverStream<Piece>,
}

/// It could not be read whether there is anything; the journal says why.
#[derive(Debug, thiserror::Error)]
#[error("the export could not begin")]
pub(crate) struct NotBegun;

/// Begins an export. `None`: there is no such tenant or account (any more).
pub(crate) async fn begin(reader: Reader, export: Export) -> Result<Option<Begun>, NotBegun> {
    let (pieces, taken) = mpsc::channel(AHEAD);
    let (begun, begins) = oneshot::channel();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || write(&reader, export, begun, &pieces, runtime));
    let file = begins.await.map_err(|_| NotBegun)?;
    Ok(file.map(|file| Begun { file, pieces: ReceiverStream::new(taken) }))
}

fn write(
    reader: &Reader,
    export: Export,
    begun: oneshot::Sender<Option<String>>,
    pieces: &mpsc::Sender<Piece>,
    runtime: Handle,
) {
    let Export { of, made_by, place } = export;
    let to = Some(Pipe::new(pieces.clone(), runtime));
    let mut sink = Sink { of, made_by, begun: Some(begun), to, archive: None, failed: None };
    let ended = reader.export(of, &mut sink);
    drop(place);
    let Sink { begun, archive, failed, .. } = sink;
    let outcome = match (ended, failed, archive) {
        (Ok(ExportEnd::Whole), None, Some(archive)) => archive.finish(),
        (Ok(ExportEnd::NotThere), ..) => {
            // Who has gone away need not know.
            let _ = begun.map(|begun| begun.send(None));
            return;
        }
        (Ok(_), Some(error), _) => Err(error),
        (Ok(_), None, _) => Err(io::Error::other("it was given up")),
        (Err(error), ..) => Err(io::Error::other(error)),
    };
    if let Err(error) = outcome {
        let cause = &error as &dyn std::error::Error;
        tracing::warn!(cause, of = of.noun(), id = of.id(), "an export was cut off");
        // Nor that it was cut off.
        let _ = pieces.blocking_send(Err(error));
    }
}

/// Takes rows into the archive.
struct Sink {
    of: ExportOf,
    made_by: String,
    begun: Option<oneshot::Sender<Option<String>>>,
    to: Option<Pipe>,
    archive: Option<Archive<Pipe>>,
    failed: Option<io::Error>,
}

impl Sink {
    fn with(&mut self, write: impl FnOnce(&mut Archive<Pipe>) -> io::Result<()>) -> ControlFlow<()> {
        match self.archive.as_mut().map_or(Ok(()), write) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl ExportSink for Sink {
    fn begin(&mut self, begun: ExportBegun) -> ControlFlow<()> {
        let (Some(to), Some(told)) = (self.to.take(), self.begun.take()) else {
            return ControlFlow::Break(());
        };
        let manifest = Manifest::new(self.of, &begun, std::mem::take(&mut self.made_by));
        let time = begun.as_of.to_string().replace([':', '-'], "");
        // A name of ours: letters, digits and hyphens.
        let name = format!("npanel-{}-{}-{time}", self.of.noun(), begun.name);
        self.archive = Some(Archive::new(to, name.clone()));
        if told.send(Some(format!("{name}.tar.gz"))).is_err() {
            return ControlFlow::Break(());
        }
        self.with(|archive| archive.manifest(&manifest))
    }

    fn document(&mut self, name: &'static str, about: &'static str) -> ControlFlow<()> {
        self.with(|archive| archive.document(name, about))
    }

    fn row(&mut self, row: &Value) -> ControlFlow<()> {
        self.with(|archive| archive.row(row))
    }
}
