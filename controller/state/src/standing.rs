//! What a state in a file says of its cluster, for whoever goes on from it.

use std::path::Path;

use npanel_model::{ControllerId, Timestamp};
use rusqlite::{Connection, OpenFlags};

use crate::{StoreError, level};

/// A cluster key as a state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededKey {
    /// Its name; empty for the first.
    pub name: Vec<u8>,
    /// From 1 upward.
    pub version: u64,
}

/// Where a cluster stands in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Raised by each restoration.
    pub epoch: u64,
    /// The feature level that it is at.
    pub feature_level: u32,
    /// The time of its last command.
    pub clock: Timestamp,
    /// No controller that it has heard of has this id or a higher one.
    pub next_controller_id: ControllerId,
    /// The cluster keys that what is sealed in it needs, the one that seals first.
    pub cluster_keys: Vec<NeededKey>,
}

impl Standing {
    /// Reads it from the file of a state, such as a snapshot.
    ///
    /// # Errors
    /// If it is not the state of a cluster.
    pub fn of_file(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let state = Connection::open_with_flags(path, flags)?;
        let select = "SELECT epoch, feature_level, clock_millis FROM cluster";
        let (epoch, feature_level, clock) = state.query_row(select, [], |row| {
            Ok((row.get(0)?, level::agreed(row.get(1)?), Timestamp::from_millis(row.get(2)?)))
        })?;
        let last: u64 = state.query_row(
            "SELECT coalesce(max(CAST(substr(subject, 12) AS INTEGER)), 0) FROM identities WHERE subject LIKE 'controller/%'",
            [],
            |row| row.get(0),
        )?;
        let select = "SELECT name, version FROM cluster_keys WHERE state IN ('current', 'former') ORDER BY state, version DESC";
        let cluster_keys = state
            .prepare(select)?
            .query_map([], |row| Ok(NeededKey { name: row.get(0)?, version: row.get(1)? }))?
            .collect::<Result<_, _>>()?;
        Ok(Self { epoch, feature_level, clock, next_controller_id: ControllerId(last + 1), cluster_keys })
    }
}
