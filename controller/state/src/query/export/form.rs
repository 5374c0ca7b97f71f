//! How a column's values are shown.

use npanel_model::Timestamp;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::{
    hex::hex,
    query::{QueryError, row::corrupt},
};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An id.
    Id,
    /// A text; an empty one is shown as one.
    Text,
    /// A number.
    Number,
    /// Whether something is so.
    Flag,
    /// Milliseconds since 1970.
    Time,
    /// JSON in a text.
    Json,
}

impl Form {
    pub(super) fn shown(self, column: &'static str, value: ValueRef<'_>) -> Result<Value, QueryError> {
        let refused = |error: &dyn std::fmt::Display| corrupt(column, error);
        Ok(match (self, value) {
            (_, ValueRef::Null) => Value::Null,
            (Self::Id, ValueRef::Blob(bytes)) => Value::String(id(bytes)),
            (Self::Flag, ValueRef::Integer(number)) => Value::Bool(number != 0),
            (Self::Time, ValueRef::Integer(millis)) => {
                Value::String(Timestamp::from_millis(millis).to_string())
            }
            (Self::Json, ValueRef::Text(text)) => {
                serde_json::from_slice(text).map_err(|error| refused(&error))?
            }
            (Self::Number, ValueRef::Integer(number)) => Value::from(number),
            (Self::Text, ValueRef::Text(text)) => {
                Value::String(std::str::from_utf8(text).map_err(|error| refused(&error))?.to_owned())
            }
            (form, value) => {
                let text = format!("it is no {form:?} but of the type {}", value.data_type());
                return Err(corrupt(column, text));
            }
        })
    }
}

/// As the API writes it; what has not the length of one is another kind of name, and shown in hexadecimal.
fn id(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    if bytes.len() != 16 {
        return digits;
    }
    let ends = [0, 8, 12, 16, 20, 32];
    let parts: Vec<&str> = ends.windows(2).map(|ends| &digits[ends[0]..ends[1]]).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use npanel_model::TenantId;

    use super::*;

    #[test]
    fn an_id_is_written_as_the_api_writes_it() {
        let tenant = TenantId::generate();
        assert_eq!(id(&tenant.to_bytes()), tenant.to_string());
        assert_eq!(id(&[0, 255]), "00ff");
    }
}
