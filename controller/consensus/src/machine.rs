//! The state machine as the consensus library drives it: the store, and snapshots of it as files.

use std::{
    collections::BTreeSet,
    fs,
    io::Seek,
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_state::{Snapshot as Made, Store, StoreError};
use openraft::{AnyError, OptionalSend, RaftSnapshotBuilder, Snapshot, storage::RaftStateMachine};
use tokio::fs::File;

use crate::{
    encoding::{from_bytes, log_id, record},
    log::Synced,
    shelf::{BUILDING, INSTALLING, Label, Shelf},
    types::{Applied, Entry, LogId, SnapshotMeta, StorageError, StorageIoError, StoredMembership, Types},
};

/// How long until a snapshot that could not be made is tried again. Until then the log is kept.
const BUILD_AGAIN: Duration = Duration::from_secs(10);

/// The file of a snapshot that the library receives by itself.
const BEGUN: &str = "begun.db";

/// The store with the directory for its snapshots.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    store: Store,
    shelf: Shelf,
    /// Of the log whose entries are applied.
    synced: Synced,
}

fn failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::write_state_machine(AnyError::new(error)).into()
}

fn snapshot_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::write_snapshot(None, AnyError::new(error)).into()
}

fn place(applied: &npanel_state::Applied) -> Result<(Option<LogId>, StoredMembership), StorageError> {
    let membership = match applied.membership.as_slice() {
        [] => StoredMembership::default(),
        bytes => from_bytes(bytes).map_err(|error| failed(&error))?,
    };
    Ok((applied.position.map(log_id), membership))
}

/// The ids of the members that are agreed on.
pub(crate) fn members(applied: &npanel_state::Applied) -> BTreeSet<u64> {
    // Read at start, or there would be no cluster.
    let (_, membership) = place(applied).unwrap_or_default();
    membership.nodes().map(|(id, _)| *id).collect()
}

fn meta(applied: &npanel_state::Applied, label: &Label) -> Result<SnapshotMeta, StorageError> {
    let (last_log_id, last_membership) = place(applied)?;
    Ok(SnapshotMeta { last_log_id, last_membership, snapshot_id: label.to_string() })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

impl Machine {
    /// Takes charge of the store and its snapshots. One that was received, and not yet installed when the process ended, is
    /// installed.
    pub(crate) async fn open(store: Store, snapshots: &Path, synced: Synced) -> Result<Self, StoreError> {
        let machine = Self { store, shelf: Shelf::open(snapshots)?, synced };
        if let Some((label, path)) = machine.shelf.current()? {
            let place = Store::applied_in(&path).map(|applied| applied.position.map(|at| at.index));
            match place {
                Ok(place) if place > machine.store.applied().borrow().position.map(|at| at.index) => {
                    tracing::info!(snapshot = %label, "a snapshot was received and not installed: it is now");
                    machine.install_file(path).await?;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, snapshot = %label, "a snapshot is of no use any more: it is made anew");
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(machine)
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(crate) async fn build(&self) -> Result<Made, StoreError> {
        // All that the library takes for applied is in it.
        self.store.settle().await?;
        let building = self.shelf.clear(BUILDING)?;
        let made = self.store.copy_to(building.clone()).await?;
        self.shelf.put(&building, &Label::of(&made))?;
        Ok(made)
    }

    /// Builds until it is built: a full disk is waited out, and the log is kept meanwhile. A state that is not on disk is not waited out.
    async fn build_in_the_end(&self) -> Result<Made, StoreError> {
        loop {
            match self.build().await {
                Ok(made) => return Ok(made),
                Err(error @ (StoreError::Unsynced(_) | StoreError::Stopped)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, cause = ?std::error::Error::source(&error), "a snapshot cannot be made; trying again");
                    // What there is of it takes space that the log and the state need.
                    drop(self.shelf.clear(BUILDING));
                    tokio::time::sleep(BUILD_AGAIN).await;
                }
            }
        }
    }

    /// Makes a copy of a snapshot the state.
    async fn install_file(&self, snapshot: PathBuf) -> Result<(), StoreError> {
        let installing = self.shelf.clear(INSTALLING)?;
        let to = installing.clone();
        blocking(move || {
            fs::copy(snapshot, &to)?;
            Ok(fs::File::open(to)?.sync_all()?)
        })
        .await?;
        self.store.replace_by(&installing).await.map(drop)
    }

    /// First it is the snapshot that is handed on, and can be installed after a crash; then it is installed.
    async fn install(&self, meta: &SnapshotMeta, snapshot: File) -> Result<(), StoreError> {
        let (file, shelf, label) =
            (snapshot.into_std().await, self.shelf.clone(), Label::parse(&meta.snapshot_id));
        let path = blocking(move || {
            if let Some(label) = &label
                && let Some(path) = shelf.is_received(&file, label)?
            {
                return Ok(shelf.put(&path, label)?);
            }
            let building = shelf.clear(BUILDING)?;
            copy(file, &building)?;
            Ok(shelf.put(&building, &Label::of(&Made::of_file(&building)?))?)
        })
        .await?;
        self.install_file(path).await
    }
}

/// Copies a received snapshot, from its start, to a file of its own, which is on disk then.
fn copy(mut from: fs::File, to: &Path) -> std::io::Result<()> {
    from.rewind()?;
    let mut to = fs::File::create(to)?;
    std::io::copy(&mut from, &mut to)?;
    to.sync_all()
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        loop {
            let made = self.build_in_the_end().await.map_err(|error| snapshot_failed(&error))?;
            let label = Label::of(&made);
            // Unless a newer one was received meanwhile.
            if let Ok(Some((current, path))) = self.shelf.current()
                && current == label
            {
                let file = File::open(path).await.map_err(|error| snapshot_failed(&error))?;
                return Ok(Snapshot { meta: meta(&made.applied, &label)?, snapshot: Box::new(file) });
            }
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        self.store.settle().await.map_err(|error| failed(&error))?;
        place(&self.store.applied().borrow().clone())
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<_> = entries.into_iter().map(record).collect();
        if let Some(last) = records.last() {
            // Callers are answered by what is applied, and the state must not be ahead of the log after a crash.
            self.synced.reaches(last.position.index).await.map_err(|error| failed(&error))?;
        }
        // To the library they are applied as soon as nothing comes between. What rests on their being so asks `Applying`.
        let pending = self.store.submit(records).await.map_err(|error| failed(&error))?;
        Ok(pending.into_iter().map(Applied::from).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<File>, StorageError> {
        let path = self.shelf.clear(BEGUN).map_err(|error| snapshot_failed(&error))?;
        let file = File::options().read(true).write(true).create_new(true).open(path).await;
        Ok(Box::new(file.map_err(|error| snapshot_failed(&error))?))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<File>,
    ) -> Result<(), StorageError> {
        self.install(meta, *snapshot).await.map_err(|error| snapshot_failed(&error))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let Some((label, path)) = self.shelf.current().map_err(|error| snapshot_failed(&error))? else {
            return Ok(None);
        };
        let file = File::open(&path).await.map_err(|error| snapshot_failed(&error))?;
        let applied =
            blocking(move || Store::applied_in(&path)).await.map_err(|error| snapshot_failed(&error))?;
        Ok(Some(Snapshot { meta: meta(&applied, &label)?, snapshot: Box::new(file) }))
    }
}
