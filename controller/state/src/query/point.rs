//! Single objects. Their rows are a few pages that are most often in memory: reading them where they are asked for takes
//! less than handing them over from another thread.

use rusqlite::{Connection, Params, params_from_iter};

use super::{QueryError, Reader, row::Found};

/// Rows of a query that ends before a list of ids, each read.
pub(super) fn of_ids<T>(
    db: &Connection,
    select: &str,
    ids: &[Vec<u8>],
    order: &str,
    mut read: impl FnMut(&Found<'_>) -> Result<T, QueryError>,
) -> Result<Vec<T>, QueryError> {
    let places = vec!["?"; ids.len()].join(", ");
    let mut select = db.prepare_cached(&format!("{select} IN ({places}) {order}"))?;
    let mut rows = select.query(params_from_iter(ids))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&Found::new(row))?);
    }
    Ok(found)
}

/// The one row of a query, if there is one.
pub(super) fn point<T>(
    db: &Connection,
    select: &str,
    params: impl Params,
    read: impl FnOnce(&Found<'_>) -> Result<T, QueryError>,
) -> Result<Option<T>, QueryError> {
    let mut select = db.prepare_cached(select)?;
    let mut rows = select.query(params)?;
    rows.next()?.map(|row| read(&Found::new(row))).transpose()
}

/// Reads in one transaction: all of it as it is at one moment, and for less than one transaction each.
pub(super) fn together<T>(
    db: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    db.prepare_cached("BEGIN")?.execute([])?;
    // A connection on which something failed is not used again: nothing has to be taken back.
    let found = read(db)?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(found)
}

impl Reader {
    /// Reads here and now; for a few rows that an index leads to.
    pub(super) fn at_once<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.points().with(read)
    }

    /// The one row of a query, read at once, if there is one.
    pub(super) fn point<T>(
        &self,
        select: &str,
        params: impl Params,
        read: impl FnOnce(&Found<'_>) -> Result<T, QueryError>,
    ) -> Result<Option<T>, QueryError> {
        self.at_once(|db| point(db, select, params, read))
    }

    /// Reads on a thread that may block; for all that is more.
    pub(super) async fn at_length<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let points = self.points();
        // Closed by nobody.
        let _turn = self.lengthy.acquire().await;
        tokio::task::spawn_blocking(move || points.with(read))
            .await
            .map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// Reads what belongs to objects: of one at once, of many at length.
    pub(super) async fn of_objects<T: Send + 'static>(
        &self,
        ids: Vec<Vec<u8>>,
        read: impl FnOnce(&Connection, &[Vec<u8>]) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        match ids.len() {
            0 | 1 => self.at_once(|db| read(db, &ids)),
            _ => self.at_length(move |db| read(db, &ids)).await,
        }
    }
}
