//! A query that is put together of parts.

use rusqlite::{Connection, params_from_iter, types::Value};

use super::{QueryError, row::Found};

/// Its text, with a place for each value, and the values.
#[derive(Debug)]
pub(super) struct Asking {
    text: String,
    values: Vec<Value>,
}

impl Asking {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    pub(super) fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.text.push_str(text.as_ref());
        self
    }

    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.push("?")
    }

    /// All its rows, each read.
    pub(super) fn all<T>(
        &self,
        db: &Connection,
        mut read: impl FnMut(&Found<'_>) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, QueryError> {
        let mut select = db.prepare_cached(&self.text)?;
        let mut rows = select.query(params_from_iter(&self.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&Found::new(row))?);
        }
        Ok(found)
    }
}
