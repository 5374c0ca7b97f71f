//! Which events a listener wants.

use std::str::FromStr;

use npanel_model::EventPattern;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

/// From where on, and what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The events after this index; those from now on if absent. The header `Last-Event-ID` goes before it.
    #[param(value_type = Option<npanel_sdk_types::schema::Revision>)]
    pub(super) after: Option<u64>,
    /// Only these, separated by commas: `<kind>.*` or types such as `account.created`.
    #[param(value_type = Option<String>, max_length = 2000, example = "account.*,domain.deleted")]
    pub(super) types: Option<EventTypes>,
}

/// Which events.
#[derive(Debug, Clone)]
pub(super) struct EventTypes(Vec<EventPattern>);

impl EventTypes {
    pub(super) fn cover(&self, kind: &str, change: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(kind, change))
    }
}

impl<'de> Deserialize<'de> for EventTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let patterns = text.split(',').map(EventPattern::from_str).collect::<Result<_, _>>();
        patterns.map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_patterns_between_commas() {
        let read = |text: &str| serde_json::from_value::<EventTypes>(serde_json::json!(text));
        let types = read("account.*,domain.deleted").expect("types");
        assert!(types.cover("account", "created") && types.cover("domain", "deleted"));
        assert!(!types.cover("domain", "created"));
        for text in ["", "account.*,", "accounts", "account.*, domain.*"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
