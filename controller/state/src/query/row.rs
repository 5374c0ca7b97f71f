//! Reading typed values out of rows.

use npanel_model::{Generation, IdError, Revision, Timestamp};
use sqlx::{Row, sqlite::SqliteRow};

use super::QueryError;

/// A row type that a query gives.
pub(super) trait FromRow: Sized + Send {
    fn from_row(row: &SqliteRow) -> Result<Self, QueryError>;
}

pub(super) fn id<T>(
    row: &SqliteRow,
    column: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, IdError>,
) -> Result<T, QueryError> {
    parse(row.try_get::<&[u8], _>(column)?).map_err(|error| corrupt(column, error))
}

pub(super) fn text<T>(row: &SqliteRow, column: &'static str) -> Result<T, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error: T::Err| corrupt(column, error))
}

pub(super) fn optional_text<T>(row: &SqliteRow, column: &'static str) -> Result<Option<T>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error: T::Err| corrupt(column, error))).transpose()
}

/// A JSON column of texts, each parsed.
pub(super) fn list<T>(row: &SqliteRow, column: &'static str) -> Result<Vec<T>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let texts: Vec<String> =
        serde_json::from_str(row.try_get::<&str, _>(column)?).map_err(|error| corrupt(column, error))?;
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| corrupt(column, error))).collect()
}

pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, QueryError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|error| corrupt(column, error))
}

pub(super) fn number32(row: &SqliteRow, column: &'static str) -> Result<u32, QueryError> {
    u32::try_from(number(row, column)?).map_err(|error| corrupt(column, error))
}

pub(super) fn optional_number(row: &SqliteRow, column: &'static str) -> Result<Option<u64>, QueryError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| u64::try_from(value).map_err(|error| corrupt(column, error))).transpose()
}

pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, QueryError> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn optional_time(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, QueryError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

pub(super) fn generation(row: &SqliteRow, column: &'static str) -> Result<Generation, QueryError> {
    Ok(Generation(number(row, column)?))
}

pub(super) fn revision(row: &SqliteRow) -> Result<Revision, QueryError> {
    Ok(Revision(number(row, "revision")?))
}

pub(super) fn corrupt(column: &'static str, reason: impl std::fmt::Display) -> QueryError {
    QueryError::Corrupt { column, reason: reason.to_string() }
}
