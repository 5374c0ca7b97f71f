//! Domains of accounts.

use npanel_model::{AccountId, DocumentRoot, DomainId, Fqdn, Timestamp, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Convergence;

/// A new domain: site, certificate and, unless refused, DNS zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDomain {
    /// The account that it belongs to.
    #[schema(value_type = String, format = "uuid")]
    pub account_id: AccountId,
    /// The domain's name; Unicode is accepted and stored as A-labels.
    #[schema(value_type = String, example = "example.com")]
    pub name: Fqdn,
    /// Its document root, relative to the home: `web/<directory>`; `web/<name>` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "web/example.com")]
    pub document_root: Option<DocumentRoot>,
    /// Whether it gets a DNS zone of its own.
    #[serde(default = "crate::account::yes")]
    #[schema(default = true)]
    pub create_zone: bool,
}

/// A domain of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Domain {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: DomainId,
    /// The account that it belongs to.
    #[schema(value_type = String, format = "uuid")]
    pub account_id: AccountId,
    /// Its name, in lower-case A-labels.
    #[schema(value_type = String, example = "example.com")]
    pub name: Fqdn,
    /// Its document root, relative to the home.
    #[schema(value_type = String, example = "web/example.com")]
    pub document_root: DocumentRoot,
    /// The zone that was made with it; `null` if its DNS is elsewhere.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub zone_id: Option<ZoneId>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How far the fleet is with it.
    #[serde(flatten)]
    pub convergence: Convergence,
}
