//! Hosting accounts.

use npanel_model::{
    AccountId, DocumentRoot, EmailAddress, Fqdn, NodeId, Part, PhpVersion, PlanId, Revision, TenantId,
    Timestamp, Uid, Username,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, PlacementReport, PlacementWish, Suspension, UnmetTerm, change::present, schema};

pub(crate) fn yes() -> bool {
    true
}

/// A new hosting account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// The tenant that it belongs to.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// What it gets.
    #[schema(value_type = schema::PlanId)]
    pub plan_id: PlanId,
    /// Its Unix user name: 1 to 16 of a-z and 0-9, beginning with a letter, not reserved, unique in the fleet.
    #[schema(value_type = schema::Username)]
    pub username: Username,
    /// Whom to write to about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EmailAddress>)]
    pub contact: Option<EmailAddress>,
    /// Its first domain, made together with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Fqdn>)]
    pub domain: Option<Fqdn>,
    /// The first domain's document root, relative to the home: `web/<directory>`; `web/<domain>` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::DocumentRoot>)]
    pub document_root: Option<DocumentRoot>,
    /// Whether the first domain gets a DNS zone of its own.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub create_zone: bool,
    /// Which nodes it may be on; absent: any that its plan allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementWish>,
}

/// A change of an account. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccount {
    /// Whom to write to about it; `null`: nobody.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EmailAddress>)]
    pub contact: Option<Option<EmailAddress>>,
    /// What it gets. Refused if it has more than the plan allows, unless `allow_exceeding` says otherwise.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::PlanId)]
    pub plan_id: Option<PlanId>,
    /// Change to the plan also if the account has more than that allows: it keeps what it has, and can add nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_exceeding: bool,
    /// The PHP that runs its sites; `null`: the plan's, also when that changes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PhpVersion>)]
    pub php_version: Option<Option<PhpVersion>>,
}

/// A hosting account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its id.
    #[schema(value_type = schema::AccountId)]
    pub id: AccountId,
    /// The tenant that it belongs to.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// What it gets.
    #[schema(value_type = schema::PlanId)]
    pub plan_id: PlanId,
    /// Its Unix user name.
    #[schema(value_type = schema::Username)]
    pub username: Username,
    /// Its Unix user and group id, the same on every node for ever.
    #[schema(value_type = schema::Uid)]
    pub uid: Uid,
    /// Whom to write to about it.
    #[schema(value_type = Option<schema::EmailAddress>)]
    pub contact: Option<EmailAddress>,
    /// The PHP that runs its sites.
    #[schema(value_type = schema::PhpVersion)]
    pub php_version: PhpVersion,
    /// Whether that was chosen for the account; otherwise it is the plan's, and follows it.
    pub php_version_is_own: bool,
    /// Why it is not served; `null`: it is.
    #[serde(default)]
    pub suspension: Option<Suspension>,
    /// Which nodes its parts are on.
    pub assignments: Vec<Assignment>,
    /// Why those nodes were chosen. In the answer to its creation and where one account is read, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementReport>,
    /// What of its plan's placement its nodes do not fulfil, because the plan or a node changed since; it stays where it
    /// is. Shown to the platform only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_unmet: Vec<UnmetTerm>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was deleted; `null`: it was not.
    #[serde(default)]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub deleted_at: Option<Timestamp>,
    /// Until when its data is kept, once it is deleted: then all of it goes, also from the fleet's state. A node that cannot be
    /// reached keeps it until it can be. `null` before.
    #[serde(default)]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub retained_until: Option<Timestamp>,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with it.
    #[serde(flatten)]
    pub convergence: Convergence,
}

/// Where a part of an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Assignment {
    /// The part: `web` or `database`.
    #[schema(value_type = schema::Part)]
    pub part: Part,
    /// The node.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
    /// Whether the part is there, coming or going.
    pub state: AssignmentState,
    /// How many times the part has been assigned.
    pub epoch: u64,
}

/// What an assignment means for its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentState {
    /// The part is on its way to the node.
    Incoming,
    /// The node serves the part.
    Active,
    /// The part is leaving the node.
    Outgoing,
}
