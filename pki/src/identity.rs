//! Identities as URIs (the form of SPIFFE ids).

use std::{fmt, str::FromStr};

use npanel_model::{ControllerId, NodeId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const SCHEME: &str = "spiffe://";

/// A cluster's id, which is also the trust domain of its identities: a UUID in its canonical text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(Uuid);

/// Text that is not a cluster id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cluster id is a UUID in lower case with hyphens (got {0:?})")]
pub struct ClusterIdError(String);

impl ClusterId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ClusterId {
    type Err = ClusterIdError;
    fn from_str(text: &str) -> Result<Self, ClusterIdError> {
        // Only the canonical form: one trust domain has one spelling.
        Uuid::try_parse(text)
            .ok()
            .filter(|uuid| uuid.hyphenated().to_string() == text)
            .map(Self)
            .ok_or_else(|| ClusterIdError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for ClusterId {
    type Error = ClusterIdError;
    fn try_from(text: String) -> Result<Self, ClusterIdError> {
        text.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        id.to_string()
    }
}

/// Which machine a peer is, and thereby what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A hosting node.
    Node(NodeId),
    /// A controller.
    Controller(ControllerId),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Node(id) => write!(f, "node/{id}"),
            Identity::Controller(id) => write!(f, "controller/{id}"),
        }
    }
}

/// An identity within its cluster: `spiffe://<cluster>/node/<id>` or `spiffe://<cluster>/controller/<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    /// The trust domain.
    pub cluster: ClusterId,
    /// The machine.
    pub identity: Identity,
}

/// A URI that is not an identity of this fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an identity is spiffe://<cluster>/node/<id> or spiffe://<cluster>/controller/<id> in canonical form (got {0:?})"
)]
pub struct SpiffeIdError(String);

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.cluster, self.identity)
    }
}

fn parse(text: &str) -> Option<SpiffeId> {
    let (cluster, path) = text.strip_prefix(SCHEME)?.split_once('/')?;
    let (kind, id) = path.split_once('/')?;
    let identity = match kind {
        "node" => Identity::Node(id.parse().ok()?),
        "controller" => Identity::Controller(ControllerId(id.parse().ok()?)),
        _ => return None,
    };
    Some(SpiffeId { cluster: cluster.parse().ok()?, identity })
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;
    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        // Printing again and comparing refuses every second spelling ("+1", "01", upper case).
        parse(text)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| SpiffeIdError(text.chars().take(160).collect()))
    }
}

/// The URI of a cluster's authority itself: `spiffe://<cluster>`.
pub(crate) fn authority_uri(cluster: ClusterId) -> String {
    format!("{SCHEME}{cluster}")
}

/// The cluster of an authority's URI.
pub(crate) fn parse_authority_uri(text: &str) -> Option<ClusterId> {
    text.strip_prefix(SCHEME)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterId {
        "0190163d-8694-739b-aea5-966c26f8ad91".parse().expect("a cluster id")
    }

    #[test]
    fn an_identity_goes_to_text_and_back() {
        for identity in [Identity::Node(NodeId::generate()), Identity::Controller(ControllerId(3))] {
            let id = SpiffeId { cluster: cluster(), identity };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let node = NodeId::generate();
        let cluster = cluster();
        for text in [
            String::new(),
            format!("spiffe://{cluster}"),
            format!("spiffe://{cluster}/node"),
            format!("spiffe://{cluster}/node/"),
            format!("spiffe://{cluster}/node/{node}/"),
            format!("spiffe://{cluster}/node/{node}?x"),
            format!("spiffe://{cluster}/node/{}", node.to_string().to_uppercase()),
            format!("spiffe://{cluster}//node/{node}"),
            format!("spiffe://{cluster}/Node/{node}"),
            format!("SPIFFE://{cluster}/node/{node}"),
            format!("https://{cluster}/node/{node}"),
            format!("spiffe://example.com/node/{node}"),
            format!("spiffe://{cluster}/controller/01"),
            format!("spiffe://{cluster}/controller/+1"),
            format!("spiffe://{cluster}/controller/-1"),
            format!("spiffe://{cluster}/controller/{node}"),
            format!("spiffe://{cluster}/admin/1"),
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text:?}");
        }
    }
}
