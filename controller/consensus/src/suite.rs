//! The consensus library's own tests of a log and a state machine, run on ours.

use npanel_state::Store;
use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::{
    log::{Log, Synced},
    machine::Machine,
    types::{StorageError, Types},
};

struct InDirectories;

impl StoreBuilder<Types, Log, Machine, TempDir> for InDirectories {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError> {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Log::open(&directory.path().join("raft-log")).expect("a log");
        let store = Store::open(&directory.path().join("state")).await.expect("a store");
        let machine = Machine::open(store, &directory.path().join("snapshots"), Synced::everything())
            .await
            .expect("a machine");
        Ok((directory, log, machine))
    }
}

#[test]
fn the_consensus_librarys_own_suite_passes() {
    Suite::test_all(InDirectories).expect("it passes");
}
