//! What decides where things go.

use serde::{Deserialize, Serialize};

use crate::{role::named_enum, text::text_type};

named_enum! {
    /// Which of the nodes that fit is best.
    Strategy, "placement strategy" {
        /// The emptiest: load is even, and a lost node takes little along.
        Spread = "spread",
        /// The fullest: few nodes are in use.
        BinPack = "bin_pack",
    }
}

named_enum! {
    /// Whether a tenant's accounts keep apart.
    AntiAffinity, "anti-affinity" {
        /// They are spread over availability zones and nodes as far as the strategy leaves a choice.
        Preferred = "preferred",
        /// No two of them are on one node.
        Required = "required",
    }
}

/// A label of a node: `key=value`.
///
/// The key is 1 to 63 of `a-z`, `0-9`, `.`, `_` and `-`, beginning with a letter; the value is 1 to 63 of the same,
/// upper case allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeLabel(String);

/// Text that is no label of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a node's label is KEY=VALUE, each 1 to 63 of a-z, 0-9, '.', '_' and '-', the key beginning with a letter (got {0:?})"
)]
pub struct NodeLabelError(String);

impl NodeLabel {
    fn parse_text(text: &str) -> Result<Self, NodeLabelError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let good = text.split_once('=').is_some_and(|(key, value)| {
            (1..=63).contains(&key.len())
                && key.starts_with(|first: char| first.is_ascii_lowercase())
                && key.bytes().all(inner)
                && (1..=63).contains(&value.len())
                && value.bytes().all(|byte| inner(byte) || byte.is_ascii_uppercase())
        });
        if good { Ok(Self(text.to_owned())) } else { Err(NodeLabelError(text.chars().take(140).collect())) }
    }

    /// What it is about.
    pub fn key(&self) -> &str {
        self.0.split_once('=').map_or(self.0.as_str(), |(key, _)| key)
    }
}

text_type!(NodeLabel, NodeLabelError);

/// All that is said of a node: an operator's word takes the place of its own about the same thing.
pub fn all_labels(said: &[NodeLabel], own: &[NodeLabel]) -> Vec<NodeLabel> {
    let is_said = |own: &&NodeLabel| said.iter().any(|label| label.key() == own.key());
    said.iter().chain(own.iter().filter(|own| !is_said(own))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_key_and_a_value() {
        let label: NodeLabel = "disk=nvme".parse().expect("a label");
        assert_eq!((label.key(), label.as_str()), ("disk", "disk=nvme"));
        for text in ["", "disk", "=x", "disk=", "Disk=x", "a=b=c", "a=b c", "1a=b", "a=<b>", "a,b=c"] {
            assert!(text.parse::<NodeLabel>().is_err(), "{text:?}");
        }
    }
}
