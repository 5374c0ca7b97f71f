//! Fields of changes: what is absent stays as it is (JSON merge patch, RFC 7396).

use serde::{Deserialize, Deserializer};

/// Reads a field that is there. Together with `default`, a field that is absent is `None`, and `null` is whatever
/// the field's own type makes of it: no value, or a mistake.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
