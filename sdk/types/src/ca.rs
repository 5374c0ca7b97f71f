//! The certificate authorities.

use npanel_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// The certificate authorities of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ca {
    /// All that are trusted, the one that issues first.
    pub authorities: Vec<Authority>,
    /// Their certificates, in PEM: what a client of the API is to trust.
    #[schema(example = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n")]
    pub bundle_pem: String,
}

/// A certificate authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Authority {
    /// SHA-256 of its key, in base64url: the pin in bootstrap tokens.
    #[schema(example = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")]
    pub pin: String,
    /// Whether it issues now. One does; another is trusted beside it until it is retired.
    pub issuing: bool,
    /// How many machines have their newest certificate from it.
    pub machines: u64,
    /// When its own certificate ends.
    #[schema(value_type = schema::Timestamp)]
    pub expires_at: Timestamp,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
}

/// A new certificate authority is to issue from now on. Nothing needs to be said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateCa {}

/// The certificate authority before the last rotation is to be trusted no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireCa {
    /// Also while machines need it: they are then refused until they have renewed.
    #[serde(default)]
    pub force: bool,
}
