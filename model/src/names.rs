//! Names that people give: tenants, plans, nodes, pools, labels.

use serde::{Deserialize, Serialize};

use crate::text::text_type;

/// Why a name or label is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {what} is 1 to 63 of a-z, 0-9 and inner '-', beginning with a letter (got {got:?})")]
pub struct LabelError {
    what: &'static str,
    got: String,
}

fn check(what: &'static str, text: &str) -> Result<String, LabelError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = (1..=63).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(allowed);
    if good { Ok(text.to_owned()) } else { Err(LabelError { what, got: text.chars().take(80).collect() }) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 63 of `a-z`, `0-9` and inner `-`, beginning with a letter (an RFC 1123 label).
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            fn parse_text(text: &str) -> Result<Self, LabelError> {
                check($what, text).map(Self)
            }
        }

        text_type!($name, LabelError);
    )*};
}

names! {
    /// A tenant's name, unique among its siblings.
    TenantName, "tenant's name";
    /// A plan's name, unique within its tenant.
    PlanName, "plan's name";
    /// A node's name, unique in the fleet.
    NodeName, "node's name";
    /// An identity provider's name, unique within its tenant: what people see who sign in by it.
    IdentityProviderName, "identity provider's name";
    /// A pool of nodes.
    PoolName, "pool's name";
    /// A part of the fleet that fails by itself, such as a data centre's own power and network.
    AvailabilityZone, "availability zone";
    /// A free label.
    Label, "label";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels() {
        assert!("acme-hosting2".parse::<TenantName>().is_ok());
        for text in ["", "-a", "a-", "A", "a_b", "a b", "1a", "a/b", "<script>"] {
            assert!(text.parse::<TenantName>().is_err(), "{text:?}");
        }
    }
}
