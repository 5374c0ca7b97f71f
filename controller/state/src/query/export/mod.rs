//! Everything that is held on a tenant or an account, row after row, as it is at one moment.
//!
//! Which tables and columns go into an export stands in [`documents`]; what does not, with the reason, in [`left_out`]. A test goes
//! through the schema: whatever is in neither turns it red.

mod documents;
mod form;
mod left_out;

use std::ops::ControlFlow;

use npanel_model::{AccountId, TenantId, Timestamp};
use rusqlite::Connection;
use serde_json::{Map, Value};

use super::{
    QueryError, Reader,
    point::{point, together},
    row,
};

use documents::{DOCUMENTS, Document};

pub use left_out::{LEFT_OUT_OF_EXPORTS, LeftOut};

/// Of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportOf {
    /// A tenant with its accounts, and the tenants beneath it with theirs.
    Tenant(TenantId),
    /// An account.
    Account(AccountId),
}

impl ExportOf {
    /// "tenant" or "account".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tenant(_) => "tenant",
            Self::Account(_) => "account",
        }
    }

    /// The id, as text.
    pub fn id(self) -> String {
        match self {
            Self::Tenant(id) => id.to_string(),
            Self::Account(id) => id.to_string(),
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Tenant(id) => id.to_bytes(),
            Self::Account(id) => id.to_bytes(),
        }
    }

    /// The rows of the document that are of this one; `None`: it has no such document.
    fn rows_of(self, document: &Document) -> Option<&'static str> {
        match self {
            Self::Tenant(_) => document.of_tenant,
            Self::Account(_) => document.of_account,
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Tenant(_) => "SELECT name FROM tenants WHERE id = ?1",
            Self::Account(_) => "SELECT username AS name FROM accounts WHERE id = ?1",
        }
    }
}

/// Of what moment an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportBegun {
    /// The tenant's or account's name.
    pub name: String,
    /// The cluster's id.
    pub cluster_id: String,
    /// All up to and with this log index is in it.
    pub index: u64,
    /// The cluster's time at that index.
    pub as_of: Timestamp,
}

/// Who takes an export. Each call may end it.
pub trait ExportSink {
    /// It is there, and begins.
    fn begin(&mut self, begun: ExportBegun) -> ControlFlow<()>;
    /// The rows of this document come next, if there are any. What is in it is said for people.
    fn document(&mut self, name: &'static str, about: &'static str) -> ControlFlow<()>;
    /// A row of it.
    fn row(&mut self, row: &Value) -> ControlFlow<()>;
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportEnd {
    /// The sink has all of it.
    Whole,
    /// The sink wanted no more.
    GivenUp,
    /// There is no such tenant or account.
    NotThere,
}

impl Reader {
    /// Gives the sink all that is held, in one read transaction. Blocks for as long as the sink takes; meanwhile, what is written
    /// waits in the write-ahead log.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn export(&self, of: ExportOf, sink: &mut impl ExportSink) -> Result<ExportEnd, QueryError> {
        self.points().with(|db| together(db, |db| export(db, of, sink)))
    }
}

fn export(db: &Connection, of: ExportOf, sink: &mut impl ExportSink) -> Result<ExportEnd, QueryError> {
    let name: Option<String> = point(db, of.named(), [of.bytes()], |row| row::get(row, "name"))?;
    let Some(begun) = name.map(|name| begun(db, name)).transpose()?.flatten() else {
        return Ok(ExportEnd::NotThere);
    };
    if sink.begin(begun).is_break() {
        return Ok(ExportEnd::GivenUp);
    }
    for document in DOCUMENTS {
        let Some(condition) = of.rows_of(document) else { continue };
        if give(db, of, document, condition, sink)?.is_break() {
            return Ok(ExportEnd::GivenUp);
        }
    }
    Ok(ExportEnd::Whole)
}

fn begun(db: &Connection, name: String) -> Result<Option<ExportBegun>, QueryError> {
    let select = "SELECT c.cluster_id, c.clock_millis, r.applied_index FROM cluster c CROSS JOIN raft r";
    point(db, select, [], |row| {
        Ok(ExportBegun {
            name,
            cluster_id: row::get(row, "cluster_id")?,
            index: row::number(row, "applied_index")?,
            as_of: row::time(row, "clock_millis")?,
        })
    })
}

fn give(
    db: &Connection,
    of: ExportOf,
    document: &Document,
    condition: &str,
    sink: &mut impl ExportSink,
) -> Result<ControlFlow<()>, QueryError> {
    if sink.document(document.name, document.about).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    // Not kept prepared: it is asked for once in a while.
    let mut select = db.prepare(&document.select(condition))?;
    let values = [Box::new(of.bytes()) as Box<dyn rusqlite::ToSql>, Box::new(of.id())];
    // Some are found by the id's bytes, some by its text too.
    for (at, value) in (1..=select.parameter_count()).zip(values) {
        select.raw_bind_parameter(at, value)?;
    }
    let mut rows = select.raw_query();
    while let Some(row) = rows.next()? {
        let mut shown = Map::new();
        for (at, column) in document.columns.iter().enumerate() {
            shown.insert(column.name.to_owned(), column.form.shown(column.name, row.get_ref(at)?)?);
        }
        if sink.row(&Value::Object(shown)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
