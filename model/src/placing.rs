//! What decides where things go.

use serde::{Deserialize, Serialize};

use crate::{AvailabilityZone, PoolName, role::named_enum, text::text_type};

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

/// Two of the labels that no node can have both: one key, two values.
pub fn contradiction(labels: &[NodeLabel]) -> Option<(&NodeLabel, &NodeLabel)> {
    labels.iter().enumerate().find_map(|(at, label)| {
        let other = labels[..at].iter().find(|other| other.key() == label.key() && *other != label)?;
        Some((other, label))
    })
}

/// Where whoever made an account wanted it, within what its plan says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountWish {
    /// Only nodes of this pool.
    pub pool: Option<PoolName>,
    /// Only nodes with all of these labels.
    pub labels: Vec<NodeLabel>,
    /// Only nodes of this availability zone.
    pub availability_zone: Option<AvailabilityZone>,
}

impl AccountWish {
    /// What is wanted of a node in the end: what the plan says by now, and of the wish what the plan says nothing else
    /// about. An account whose plan went to other nodes can follow it there.
    #[must_use]
    pub fn under(self, plan_pool: Option<&PoolName>, plan_labels: &[NodeLabel]) -> Self {
        Self {
            pool: plan_pool.cloned().or(self.pool),
            labels: all_labels(plan_labels, &self.labels),
            availability_zone: self.availability_zone,
        }
    }
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

    fn labels(texts: &[&str]) -> Vec<NodeLabel> {
        texts.iter().map(|text| text.parse().expect("a label")).collect()
    }

    #[test]
    fn labels_that_no_node_can_have_together_are_found() {
        assert_eq!(contradiction(&labels(&["a=b", "c=b", "a=b"])), None);
        let both = labels(&["a=b", "c=d", "a=c"]);
        assert_eq!(contradiction(&both), Some((&both[0], &both[2])));
    }

    #[test]
    fn a_wish_gives_way_to_what_the_plan_says_by_now() {
        let pool = |name: &str| -> PoolName { name.parse().expect("a pool") };
        let wish = AccountWish {
            pool: Some(pool("old")),
            labels: labels(&["disk=hdd", "gpu=yes"]),
            availability_zone: Some("eu-1a".parse().expect("a zone")),
        };
        assert_eq!(wish.clone().under(None, &[]), wish);
        let within = wish.clone().under(Some(&pool("new")), &labels(&["disk=nvme"]));
        assert_eq!(within.pool, Some(pool("new")));
        assert_eq!(within.labels, labels(&["disk=nvme", "gpu=yes"]));
        assert_eq!(within.availability_zone, wish.availability_zone);
    }
}
