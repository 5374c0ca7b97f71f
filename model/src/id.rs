//! Typed ids, all in one place. Each is a UUIDv7 made where the request enters (never inside the state
//! machine, which may use no randomness), so ids sort by creation time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx (got {0:?})")]
pub struct IdError(String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, unique and ordered by time. Not for use inside the state machine.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as its sixteen bytes, as protobuf messages carry it.
            pub fn to_bytes(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            /// Reads the sixteen bytes of an id.
            ///
            /// # Errors
            /// If there are not exactly sixteen.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| IdError(format!("{} bytes", bytes.len())))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the canonical form: one id has one spelling.
                Uuid::try_parse(text)
                    .ok()
                    .filter(|uuid| uuid.hyphenated().to_string() == text)
                    .map(Self)
                    .ok_or_else(|| IdError(text.chars().take(64).collect()))
            }
        }
    )*};
}

ids! {
    /// A tenant: the platform itself, a reseller, or a reseller's reseller.
    TenantId,
    /// A plan.
    PlanId,
    /// A hosting account.
    AccountId,
    /// A domain of an account.
    DomainId,
    /// A database of an account.
    DatabaseId,
    /// A database user of an account.
    DatabaseUserId,
    /// A DNS zone.
    ZoneId,
    /// A record set (RRset) of a zone.
    RecordSetId,
    /// A node.
    NodeId,
    /// A bootstrap token.
    TokenId,
    /// A webhook.
    WebhookId,
    /// An API key.
    ApiKeyId,
    /// A user.
    UserId,
    /// A user's session, or an access token of an API key.
    SessionId,
    /// An identity provider: somebody else who says who somebody is.
    IdentityProviderId,
    /// A sign-in that a program waits for and a person confirms elsewhere.
    DeviceLoginId,
    /// An operation: one accepted write and its way to convergence.
    OperationId,
    /// Something that happened on a node by itself.
    EventId,
    /// An assignment of a part of an account, or of a zone, to a node.
    AssignmentId,
    /// One request from outside, as logs and the audit name it.
    RequestId,
}

/// A controller's id: its Raft node id. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ControllerId(pub u64);

impl fmt::Display for ControllerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = AccountId::generate();
        assert_eq!(id.to_string().parse::<AccountId>(), Ok(id));
        assert!(
            id.to_string().to_uppercase().parse::<AccountId>().is_err()
                || id.to_string() == id.to_string().to_uppercase()
        );
        assert!(format!("{{{id}}}").parse::<AccountId>().is_err());
        assert!("".parse::<AccountId>().is_err());
    }

    #[test]
    fn bytes_go_there_and_back() {
        let id = NodeId::generate();
        assert_eq!(NodeId::from_bytes(&id.to_bytes()), Ok(id));
        assert!(NodeId::from_bytes(&[1, 2]).is_err());
    }
}
