//! Domains of accounts.

use npanel_model::{AccountId, DocumentRoot, DomainId, Fqdn, Revision, Timestamp, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, Suspension, change::present, schema};

/// A new domain: site, certificate and, unless refused, DNS zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDomain {
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// The domain's name; Unicode is accepted and stored as A-labels.
    #[schema(value_type = schema::Fqdn)]
    pub name: Fqdn,
    /// Its document root, relative to the home: `web/<directory>`; `web/<name>` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::DocumentRoot>)]
    pub document_root: Option<DocumentRoot>,
    /// Whether it gets a DNS zone of its own.
    #[serde(default = "crate::account::yes")]
    #[schema(default = true)]
    pub create_zone: bool,
}

/// A change of a domain. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDomain {
    /// Where it is served from, relative to the home: `web/<directory>`. The old directory stays.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::DocumentRoot)]
    pub document_root: Option<DocumentRoot>,
}

/// A domain of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Domain {
    /// Its id.
    #[schema(value_type = schema::DomainId)]
    pub id: DomainId,
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its name, in lower-case A-labels.
    #[schema(value_type = schema::Fqdn)]
    pub name: Fqdn,
    /// Its document root, relative to the home.
    #[schema(value_type = schema::DocumentRoot)]
    pub document_root: DocumentRoot,
    /// The zone that was made with it; `null` if its DNS is elsewhere.
    #[schema(value_type = Option<schema::ZoneId>)]
    pub zone_id: Option<ZoneId>,
    /// Why it is not served; `null`: it is.
    #[serde(default)]
    pub suspension: Option<Suspension>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with it.
    #[serde(flatten)]
    pub convergence: Convergence,
}
