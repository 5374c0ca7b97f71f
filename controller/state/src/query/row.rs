//! Reading typed values out of rows, whichever driver they come from: lists are queried by sqlx, single objects by rusqlite.

use std::cell::Cell;

use npanel_model::{Generation, IdError, Revision, Timestamp};
use rusqlite::types::ValueRef;
use sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef as _, sqlite::SqliteRow};

use super::QueryError;

/// A row that is read by its columns' names, as either driver gives it.
pub(super) trait AnyRow {
    /// The value in a column.
    fn value(&self, column: &'static str) -> Result<ValueRef<'_>, QueryError>;
}

/// A row that is read by names. They are asked for in much the order in which they stand, so each is looked for from where the one
/// before was: comparing it with all names from the first on takes as long as reading the row.
pub(super) struct Found<'r> {
    row: &'r rusqlite::Row<'r>,
    next: Cell<usize>,
}

impl<'r> Found<'r> {
    pub(super) fn new(row: &'r rusqlite::Row<'r>) -> Self {
        Self { row, next: Cell::new(0) }
    }

    fn place(&self, column: &str) -> Result<usize, rusqlite::Error> {
        let (statement, next) = (self.row.as_ref(), self.next.get());
        let columns = statement.column_count();
        for place in (next..columns).chain(0..next.min(columns)) {
            if statement.column_name(place)? == column {
                return Ok(place);
            }
        }
        Err(rusqlite::Error::InvalidColumnName(column.to_owned()))
    }
}

impl AnyRow for Found<'_> {
    fn value(&self, column: &'static str) -> Result<ValueRef<'_>, QueryError> {
        let place = self.place(column)?;
        self.next.set(place + 1);
        Ok(self.row.get_ref(place)?)
    }
}

impl AnyRow for SqliteRow {
    fn value(&self, column: &'static str) -> Result<ValueRef<'_>, QueryError> {
        let raw = self.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(ValueRef::Null);
        }
        let refused = |error| corrupt(column, error);
        let value = match raw.type_info().name() {
            "INTEGER" => ValueRef::Integer(<i64 as Decode<Sqlite>>::decode(raw).map_err(refused)?),
            "REAL" => ValueRef::Real(<f64 as Decode<Sqlite>>::decode(raw).map_err(refused)?),
            "TEXT" => ValueRef::Text(<&[u8] as Decode<Sqlite>>::decode(raw).map_err(refused)?),
            _ => ValueRef::Blob(<&[u8] as Decode<Sqlite>>::decode(raw).map_err(refused)?),
        };
        Ok(value)
    }
}

/// A value as a column may hold it.
pub(super) trait FromValue<'r>: Sized {
    fn from_value(value: ValueRef<'r>) -> rusqlite::types::FromSqlResult<Self>;
}

impl<'r> FromValue<'r> for &'r str {
    fn from_value(value: ValueRef<'r>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_str()
    }
}

impl<'r> FromValue<'r> for &'r [u8] {
    fn from_value(value: ValueRef<'r>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_blob()
    }
}

impl FromValue<'_> for String {
    fn from_value(value: ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_str().map(ToOwned::to_owned)
    }
}

impl FromValue<'_> for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_blob().map(ToOwned::to_owned)
    }
}

impl FromValue<'_> for i64 {
    fn from_value(value: ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64()
    }
}

impl FromValue<'_> for bool {
    fn from_value(value: ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64().map(|number| number != 0)
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Option<T> {
    fn from_value(value: ValueRef<'r>) -> rusqlite::types::FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A row type that a query gives.
pub(super) trait FromRow: Sized + Send {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError>;
}

/// The value of a column as it is.
pub(super) fn get<'r, T: FromValue<'r>>(row: &'r impl AnyRow, column: &'static str) -> Result<T, QueryError> {
    T::from_value(row.value(column)?).map_err(|error| corrupt(column, error))
}

pub(super) fn id<T>(
    row: &impl AnyRow,
    column: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> Result<T, QueryError> {
    parse(get::<&[u8]>(row, column)?).map_err(|error| corrupt(column, error))
}

/// The same where there may be none.
pub(super) fn optional_id<T>(
    row: &impl AnyRow,
    column: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> Result<Option<T>, QueryError> {
    let bytes: Option<&[u8]> = get(row, column)?;
    bytes.map(|bytes| parse(bytes).map_err(|error| corrupt(column, error))).transpose()
}

pub(super) fn text<T>(row: &impl AnyRow, column: &'static str) -> Result<T, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    get::<&str>(row, column)?.parse().map_err(|error: T::Err| corrupt(column, error))
}

pub(super) fn optional_text<T>(row: &impl AnyRow, column: &'static str) -> Result<Option<T>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text: Option<&str> = get(row, column)?;
    text.map(|text| text.parse().map_err(|error: T::Err| corrupt(column, error))).transpose()
}

/// A JSON column of texts, each parsed.
pub(super) fn list<T>(row: &impl AnyRow, column: &'static str) -> Result<Vec<T>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let texts: Vec<String> =
        serde_json::from_str(get::<&str>(row, column)?).map_err(|error| corrupt(column, error))?;
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| corrupt(column, error))).collect()
}

/// The same where there may be none.
pub(super) fn optional_list<T>(row: &impl AnyRow, column: &'static str) -> Result<Option<Vec<T>>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match get::<Option<&str>>(row, column)? {
        None => Ok(None),
        Some(_) => list(row, column).map(Some),
    }
}

pub(super) fn number(row: &impl AnyRow, column: &'static str) -> Result<u64, QueryError> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|error| corrupt(column, error))
}

pub(super) fn number32(row: &impl AnyRow, column: &'static str) -> Result<u32, QueryError> {
    u32::try_from(number(row, column)?).map_err(|error| corrupt(column, error))
}

pub(super) fn optional_number(row: &impl AnyRow, column: &'static str) -> Result<Option<u64>, QueryError> {
    let value: Option<i64> = get(row, column)?;
    value.map(|value| u64::try_from(value).map_err(|error| corrupt(column, error))).transpose()
}

pub(super) fn optional_number32(row: &impl AnyRow, column: &'static str) -> Result<Option<u32>, QueryError> {
    let value = optional_number(row, column)?;
    value.map(|value| u32::try_from(value).map_err(|error| corrupt(column, error))).transpose()
}

pub(super) fn time(row: &impl AnyRow, column: &'static str) -> Result<Timestamp, QueryError> {
    Ok(Timestamp::from_millis(get(row, column)?))
}

pub(super) fn optional_time(
    row: &impl AnyRow,
    column: &'static str,
) -> Result<Option<Timestamp>, QueryError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

pub(super) fn generation(row: &impl AnyRow, column: &'static str) -> Result<Generation, QueryError> {
    Ok(Generation(number(row, column)?))
}

pub(super) fn revision(row: &impl AnyRow) -> Result<Revision, QueryError> {
    Ok(Revision(number(row, "revision")?))
}

pub(super) fn corrupt(column: &'static str, reason: impl std::fmt::Display) -> QueryError {
    QueryError::Corrupt { column, reason: reason.to_string() }
}
