//! Fields of changes: what is absent stays as it is (JSON merge patch, RFC 7396). And lists that have an end.

use serde::{Deserialize, Deserializer, de::Error};

/// Reads a field that is there. Together with `default`, a field that is absent is `None`, and `null` is whatever
/// the field's own type makes of it: no value, or a mistake.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a list of at most `MOST` items.
pub(crate) fn at_most<'de, const MOST: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let items = Vec::deserialize(deserializer)?;
    match items.len() {
        got if got > MOST => Err(D::Error::custom(format!("at most {MOST} (got {got})"))),
        _ => Ok(items),
    }
}

/// [`present`] of a list of at most `MOST` items.
pub(crate) fn present_at_most<'de, const MOST: usize, T, D>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    at_most::<MOST, T, D>(deserializer).map(Some)
}
