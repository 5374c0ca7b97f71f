//! The state machine as the consensus library drives it: the store, and snapshots of it as files.

use std::{
    collections::BTreeSet,
    io::Seek,
    path::{Path, PathBuf},
};

use npanel_state::{Store, StoreError};
use openraft::{AnyError, OptionalSend, RaftSnapshotBuilder, Snapshot, storage::RaftStateMachine};
use tokio::fs::File;

use crate::{
    encoding::{from_bytes, log_id, record},
    types::{Applied, Entry, LogId, SnapshotMeta, StorageError, StorageIoError, StoredMembership, Types},
};

const CURRENT: &str = "snapshot.db";
const BUILDING: &str = "building.db";
const RECEIVING: &str = "receiving.db";
const INSTALLING: &str = "installing.db";

/// The store with the directory for its snapshots.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    store: Store,
    snapshots: PathBuf,
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

fn meta(applied: &npanel_state::Applied) -> Result<SnapshotMeta, StorageError> {
    let (last_log_id, last_membership) = place(applied)?;
    let snapshot_id =
        last_log_id.map_or_else(|| "empty".to_owned(), |id| format!("{}-{}", id.leader_id.term, id.index));
    Ok(SnapshotMeta { last_log_id, last_membership, snapshot_id })
}

impl Machine {
    pub(crate) fn open(store: Store, snapshots: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(snapshots)?;
        Ok(Self { store, snapshots: snapshots.to_owned() })
    }

    async fn start_file(&self, name: &str) -> std::io::Result<PathBuf> {
        let path = self.snapshots.join(name);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }

    pub(crate) async fn build(&self) -> Result<npanel_state::Applied, StoreError> {
        let building = self.start_file(BUILDING).await?;
        let applied = self.store.copy_to(building.clone()).await?.applied;
        tokio::fs::rename(&building, self.snapshots.join(CURRENT)).await?;
        Ok(applied)
    }
}

/// Copies a received snapshot, from its start, to a file of its own, which is on disk then.
async fn copy(snapshot: File, to: PathBuf) -> std::io::Result<()> {
    let mut from = snapshot.into_std().await;
    let copied = tokio::task::spawn_blocking(move || {
        from.rewind()?;
        let mut to = std::fs::File::create(to)?;
        std::io::copy(&mut from, &mut to)?;
        to.sync_all()
    });
    copied.await?
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let applied = self.build().await.map_err(|error| snapshot_failed(&error))?;
        let file = File::open(self.snapshots.join(CURRENT)).await.map_err(|error| snapshot_failed(&error))?;
        Ok(Snapshot { meta: meta(&applied)?, snapshot: Box::new(file) })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        place(&self.store.applied().borrow().clone())
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records = entries.into_iter().map(record).collect();
        let outcomes = self.store.apply(records).await.map_err(|error| failed(&error))?;
        Ok(outcomes.into_iter().map(|outcome| Applied { outcome }).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<File>, StorageError> {
        let path = self.start_file(RECEIVING).await.map_err(|error| snapshot_failed(&error))?;
        let file = File::options().read(true).write(true).create_new(true).open(path).await;
        Ok(Box::new(file.map_err(|error| snapshot_failed(&error))?))
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: Box<File>,
    ) -> Result<(), StorageError> {
        let install = async {
            let installing = self.start_file(INSTALLING).await?;
            copy(*snapshot, installing.clone()).await?;
            self.store.replace_by(&installing).await?;
            // What was installed is also what this replica can hand on.
            self.build().await
        };
        install.await.map(drop).map_err(|error: StoreError| snapshot_failed(&error))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let path = self.snapshots.join(CURRENT);
        let file = match File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(snapshot_failed(&error)),
        };
        let applied = tokio::task::spawn_blocking(move || Store::applied_in(&path))
            .await
            .map_err(|error| snapshot_failed(&error))?
            .map_err(|error| snapshot_failed(&error))?;
        Ok(Some(Snapshot { meta: meta(&applied)?, snapshot: Box::new(file) }))
    }
}
