//! Receiving a snapshot: pieces are put together in a file that outlasts connections, leaders and this process; what it comes to
//! is checked before it is installed.

use std::{fs, io::Write, sync::Arc};

use npanel_state::{Snapshot as Made, Store, space};
use openraft::Snapshot;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    encoding::{position, to_bytes},
    shelf::{Label, Shelf},
    types::{Raft, SnapshotMeta, StoredMembership, Vote},
};

/// Beside twice the snapshot: the file and the state that is made of it.
const SPARE_SPACE: u64 = 64 * 1024 * 1024;

/// What is said of a piece; its bytes go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
    /// Of the whole snapshot.
    pub(crate) bytes: u64,
    /// Where the piece belongs.
    pub(crate) offset: u64,
}

/// What comes of a piece.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The next one that is wanted.
    Next { offset: u64 },
    /// All of it is there, checked and installed; or the state was as far already.
    Installed { vote: Vote },
    /// This controller follows a later leader.
    Later { vote: Vote },
    /// It is not taken.
    Refused { why: String },
}

/// One that is being received.
#[derive(Debug)]
struct Incoming {
    label: Label,
    file: fs::File,
    have: u64,
}

/// The receiver. One snapshot at a time.
#[derive(Debug)]
pub(crate) struct Receiving {
    shelf: Shelf,
    store: Store,
    incoming: Mutex<Option<Incoming>>,
}

impl Receiving {
    pub(crate) fn new(shelf: Shelf, store: Store) -> Arc<Self> {
        Arc::new(Self { shelf, store, incoming: Mutex::default() })
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Takes a piece. What it begins is finished even if the sender does not wait for it.
    pub(crate) async fn take(self: &Arc<Self>, raft: &Raft, piece: Piece, data: Vec<u8>) -> Answer {
        let (receiving, raft) = (Arc::clone(self), raft.clone());
        let taking = tokio::spawn(async move { receiving.take_piece(&raft, piece, &data).await });
        taking.await.unwrap_or_else(|error| Answer::Refused { why: error.to_string() })
    }

    async fn take_piece(&self, raft: &Raft, piece: Piece, data: &[u8]) -> Answer {
        let vote = raft.metrics().borrow().vote;
        if piece.vote < vote {
            return Answer::Later { vote };
        }
        let mut incoming = self.incoming.lock().await;
        let index = piece.meta.last_log_id.map(|id| id.index);
        if self.store.applied().borrow().position.map(|at| at.index) >= index {
            *incoming = None;
            return Answer::Installed { vote: piece.vote };
        }
        match self.add(&mut incoming, &piece, data) {
            Ok(have) if have < piece.bytes => Answer::Next { offset: have },
            Ok(_) => {
                let Some(whole) = incoming.take() else { return Answer::Next { offset: 0 } };
                self.install(raft, piece, whole).await
            }
            Err(error) => {
                *incoming = None;
                Answer::Refused { why: format!("the snapshot cannot be received: {error}") }
            }
        }
    }

    /// Puts a piece where it belongs. Returns how much there is.
    fn add(&self, incoming: &mut Option<Incoming>, piece: &Piece, data: &[u8]) -> std::io::Result<u64> {
        let label = Label::parse(&piece.meta.snapshot_id)
            .ok_or_else(|| std::io::Error::other(format!("{:?} names none", piece.meta.snapshot_id)))?;
        if incoming.as_ref().is_none_or(|incoming| incoming.label != label) {
            *incoming = Some(self.begin(label, piece.bytes)?);
        }
        let incoming = incoming.as_mut().expect("one was begun");
        if piece.offset == incoming.have && !data.is_empty() {
            incoming.file.write_all(data)?;
            incoming.have += data.len() as u64;
        }
        Ok(incoming.have)
    }

    /// Goes on with what there is of it.
    fn begin(&self, label: Label, bytes: u64) -> std::io::Result<Incoming> {
        let path = self.shelf.receiving(&label)?;
        let file = fs::File::options().append(true).read(true).create(true).open(&path)?;
        let mut have = file.metadata()?.len();
        if have > bytes {
            file.set_len(0)?;
            have = 0;
        }
        let (needed, free) = (2 * bytes - have + SPARE_SPACE, space::free(self.shelf.directory())?);
        if free < needed {
            let full = format!("it takes {needed} more bytes, and the disk has {free} left");
            return Err(std::io::Error::new(std::io::ErrorKind::StorageFull, full));
        }
        Ok(Incoming { label, file, have })
    }

    async fn install(&self, raft: &Raft, piece: Piece, whole: Incoming) -> Answer {
        if let Err(why) = self.check(&piece, &whole).await {
            tracing::error!(why, "a snapshot is refused");
            // From its start, the next time.
            drop(whole.file.set_len(0));
            return Answer::Refused { why };
        }
        let snapshot =
            Snapshot { meta: piece.meta, snapshot: Box::new(tokio::fs::File::from_std(whole.file)) };
        match raft.install_full_snapshot(piece.vote, snapshot).await {
            Ok(answer) if answer.vote == piece.vote => Answer::Installed { vote: answer.vote },
            Ok(answer) => Answer::Later { vote: answer.vote },
            Err(error) => Answer::Refused { why: format!("the snapshot cannot be installed: {error}") },
        }
    }

    async fn check(&self, piece: &Piece, whole: &Incoming) -> Result<(), String> {
        whole.file.sync_all().map_err(|error| format!("the snapshot cannot be written: {error}"))?;
        let own = self.store.reader().cluster().await.map_err(|error| error.to_string())?;
        let own = own.map(|cluster| cluster.id.to_string()).unwrap_or_default();
        let membership = match &piece.meta.last_membership {
            none if *none == StoredMembership::default() => Vec::new(),
            some => to_bytes(some),
        };
        let applied = npanel_state::Applied { position: piece.meta.last_log_id.map(position), membership };
        let (bytes, sha256) = (piece.bytes, whole.label.sha256);
        let said = Made { cluster: own.clone(), applied, bytes, sha256 };
        let path = self.shelf.receiving(&whole.label).map_err(|error| error.to_string())?;
        let checked = tokio::task::spawn_blocking(move || said.check(&path, &own));
        checked.await.map_err(|error| error.to_string())?.map_err(|unsound| unsound.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receiving(directory: &std::path::Path) -> Arc<Receiving> {
        let store = Store::open(&directory.join("state")).await.expect("a store");
        Receiving::new(Shelf::open(&directory.join("snapshots")).expect("a shelf"), store)
    }

    fn piece(digit: char, offset: u64) -> Piece {
        let meta = SnapshotMeta {
            snapshot_id: format!("1-9-{}", digit.to_string().repeat(64)),
            ..SnapshotMeta::default()
        };
        Piece { vote: Vote::new_committed(1, 1), meta, bytes: 10, offset }
    }

    #[tokio::test]
    async fn a_snapshot_goes_on_where_it_stopped_after_a_restart_too() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut incoming = None;
        let first = receiving(directory.path()).await;
        assert_eq!(first.add(&mut incoming, &piece('a', 0), b"").expect("asked"), 0);
        assert_eq!(first.add(&mut incoming, &piece('a', 0), b"0123").expect("taken"), 4);
        assert_eq!(
            first.add(&mut incoming, &piece('a', 0), b"0123").expect("again"),
            4,
            "it is there already"
        );
        assert_eq!(
            first.add(&mut incoming, &piece('a', 6), b"67").expect("a gap"),
            4,
            "what is before is not"
        );
        drop((first, incoming));
        let (again, mut incoming) = (receiving(directory.path()).await, None);
        assert_eq!(again.add(&mut incoming, &piece('a', 0), b"").expect("asked"), 4);
        assert_eq!(again.add(&mut incoming, &piece('a', 4), b"456789").expect("taken"), 10);
        let path = again.shelf.receiving(&incoming.expect("one").label).expect("a path");
        assert_eq!(fs::read(path).expect("it is there"), b"0123456789");
    }

    #[tokio::test]
    async fn another_snapshot_begins_anew_and_the_one_before_is_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let (receiving, mut incoming) = (receiving(directory.path()).await, None);
        receiving.add(&mut incoming, &piece('a', 0), b"0123").expect("taken");
        assert_eq!(receiving.add(&mut incoming, &piece('b', 0), b"").expect("asked"), 0);
        assert_eq!(fs::read_dir(directory.path().join("snapshots")).expect("a directory").count(), 1);
        let endless = Piece { bytes: u64::MAX / 4, ..piece('c', 0) };
        let full = receiving.add(&mut incoming, &endless, b"").expect_err("it does not fit");
        assert!(full.to_string().contains("more bytes, and the disk has"), "{full}");
    }
}
