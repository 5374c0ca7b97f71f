//! Entries as a controller's database keeps them.

use npanel_model::TenantId;
use rusqlite::{Row, types::Type};

use crate::{Entry, Hash};

/// An entry with what the tree says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Which leaf it is; none for one that is older than the tree.
    pub position: Option<u64>,
    /// The entry.
    pub entry: Entry,
    /// The nodes that are complete with it, as [`crate::Frontier::append`] gave them, one after the other.
    pub hashes: Vec<u8>,
}

impl StoredEntry {
    /// What [`StoredEntry::read`] reads, in this order.
    pub const COLUMNS: &str = "log_index, position, time_millis, tenant_id, principal, actor_tenant_id, \
         source_address, request_id, action, object_kind, object_id, command_digest, before_digest, after_digest, hashes";

    /// Reads a row of these columns.
    ///
    /// # Errors
    /// If it holds what no entry does.
    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let entry = Entry {
            log_index: row.get(0)?,
            time_millis: row.get(2)?,
            tenant: tenant(row, 3)?,
            actor: row.get(4)?,
            actor_tenant: if row.get_ref(5)? == rusqlite::types::ValueRef::Null {
                None
            } else {
                Some(tenant(row, 5)?)
            },
            source_address: row.get(6)?,
            request_id: row.get(7)?,
            action: row.get(8)?,
            object_kind: row.get(9)?,
            object: row.get(10)?,
            command_digest: hash(row, 11)?.ok_or_else(|| invalid(11))?,
            before: hash(row, 12)?,
            after: hash(row, 13)?,
        };
        Ok(Self { position: row.get(1)?, entry, hashes: row.get(14)? })
    }
}

fn tenant(row: &Row<'_>, column: usize) -> rusqlite::Result<TenantId> {
    let bytes = row.get_ref(column)?.as_blob()?;
    TenantId::from_bytes(bytes).map_err(|_| invalid(column))
}

fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Hash>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    bytes.map(|bytes| Hash::from_bytes(&bytes).ok_or_else(|| invalid(column))).transpose()
}

fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "audit".to_owned(), Type::Blob)
}
