//! Identity providers: others who say who signs in (OpenID Connect).

use npanel_model::{
    AccessRole, AccountId, ActionPattern, ClaimName, ClientId, GroupName, IdentityProviderId,
    IdentityProviderName, IssuerUrl, Revision, Scope, Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{change::present, schema};

/// A new identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateIdentityProvider {
    /// The tenant in which, and beneath which, it says who somebody is: the caller's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// Its name, the only one of its kind in the tenant: what people see who sign in by it.
    #[schema(value_type = schema::IdentityProviderName)]
    pub name: IdentityProviderName,
    /// Who it is, exactly as it says so itself: `https`, and a public address unless the operator allows others. It is never changed.
    #[schema(value_type = schema::IssuerUrl)]
    pub issuer: IssuerUrl,
    /// How it knows nPanel.
    #[schema(value_type = schema::ClientId)]
    pub client_id: ClientId,
    /// By which secret.
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 500, example = "given-by-the-provider")]
    pub client_secret: Secret,
    /// What is asked of it, beyond `openid`.
    #[serde(default = "usual_scopes")]
    #[schema(value_type = Vec<schema::Scope>, max_items = 20, example = json!(["profile", "email", "groups"]))]
    pub scopes: Vec<Scope>,
    /// What of its words is the name by which somebody signs in: an e-mail address. Looked at when a user is made, and never
    /// to tell whom it means.
    #[serde(default = "usual_login_claim")]
    #[schema(value_type = schema::ClaimName, default = "email")]
    pub login_claim: ClaimName,
    /// What of its words is what people call somebody.
    #[serde(default = "usual_name_claim")]
    #[schema(value_type = schema::ClaimName, default = "name")]
    pub name_claim: ClaimName,
    /// What of its words are somebody's groups: a text, or a list of them.
    #[serde(default = "usual_groups_claim")]
    #[schema(value_type = schema::ClaimName, default = "groups")]
    pub groups_claim: ClaimName,
    /// What its groups may do. The first that fits counts, at every sign-in; whom none fits does not get in.
    #[schema(min_items = 1, max_items = 100)]
    pub mappings: Vec<GroupMapping>,
    /// Whether who is not a user yet becomes one at the first sign-in. If not, somebody makes the user beforehand, with its subject.
    #[serde(default)]
    #[schema(default = false)]
    pub creates_users: bool,
}

fn usual_scopes() -> Vec<Scope> {
    ["profile", "email"].map(|scope| scope.parse().expect("a scope")).into()
}

fn usual_login_claim() -> ClaimName {
    "email".parse().expect("a claim's name")
}

fn usual_name_claim() -> ClaimName {
    "name".parse().expect("a claim's name")
}

fn usual_groups_claim() -> ClaimName {
    "groups".parse().expect("a claim's name")
}

/// What somebody of a group may do, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupMapping {
    /// The group; `*`: whoever the provider knows.
    #[schema(value_type = schema::GroupName)]
    pub group: GroupName,
    /// The tenant that its people act for: the provider's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// Their role there.
    #[schema(value_type = schema::AccessRole)]
    pub role: AccessRole,
    /// What of that role they may do: all of it if absent.
    #[serde(default = "everything")]
    #[schema(value_type = Vec<schema::ActionPattern>, min_items = 1, max_items = 200, example = json!(["*"]))]
    pub actions: Vec<ActionPattern>,
    /// The accounts that they are confined to; an owner has at least one.
    #[serde(default)]
    #[schema(value_type = Vec<schema::AccountId>, max_items = 100)]
    pub accounts: Vec<AccountId>,
}

/// Every action of the role.
fn everything() -> Vec<ActionPattern> {
    vec![ActionPattern::everything()]
}

/// A change of an identity provider. What is absent stays as it is; its issuer always does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateIdentityProvider {
    /// Its name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::IdentityProviderName)]
    pub name: Option<IdentityProviderName>,
    /// How it knows nPanel.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ClientId)]
    pub client_id: Option<ClientId>,
    /// By which secret.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 500, example = "given-by-the-provider")]
    pub client_secret: Option<Secret>,
    /// What is asked of it, beyond `openid`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::Scope>, max_items = 20, example = json!(["profile", "email", "groups"]))]
    pub scopes: Option<Vec<Scope>>,
    /// What of its words is the name by which somebody signs in who becomes a user.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ClaimName)]
    pub login_claim: Option<ClaimName>,
    /// What of its words is what people call somebody.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ClaimName)]
    pub name_claim: Option<ClaimName>,
    /// What of its words are somebody's groups.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ClaimName)]
    pub groups_claim: Option<ClaimName>,
    /// What its groups may do: these and nothing else, from each one's next sign-in on.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<GroupMapping>, min_items = 1, max_items = 100)]
    pub mappings: Option<Vec<GroupMapping>>,
    /// Whether who is not a user yet becomes one at the first sign-in.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub creates_users: Option<bool>,
    /// Whether people sign in by it. If not, the sessions that were begun by it end.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub enabled: Option<bool>,
}

/// An identity provider. Its client's secret is stored sealed, and never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityProvider {
    /// Its id.
    #[schema(value_type = schema::IdentityProviderId)]
    pub id: IdentityProviderId,
    /// The tenant in which, and beneath which, it says who somebody is.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Its name.
    #[schema(value_type = schema::IdentityProviderName)]
    pub name: IdentityProviderName,
    /// Who it is.
    #[schema(value_type = schema::IssuerUrl)]
    pub issuer: IssuerUrl,
    /// How it knows nPanel.
    #[schema(value_type = schema::ClientId)]
    pub client_id: ClientId,
    /// When the secret was set by which it knows nPanel.
    #[schema(value_type = schema::Timestamp)]
    pub secret_set_at: Timestamp,
    /// What is asked of it, beyond `openid`.
    #[schema(value_type = Vec<schema::Scope>)]
    pub scopes: Vec<Scope>,
    /// What of its words is the name by which somebody signs in who becomes a user.
    #[schema(value_type = schema::ClaimName)]
    pub login_claim: ClaimName,
    /// What of its words is what people call somebody.
    #[schema(value_type = schema::ClaimName)]
    pub name_claim: ClaimName,
    /// What of its words are somebody's groups.
    #[schema(value_type = schema::ClaimName)]
    pub groups_claim: ClaimName,
    /// What its groups may do: the first that fits counts.
    pub mappings: Vec<GroupMapping>,
    /// Whether who is not a user yet becomes one at the first sign-in.
    pub creates_users: bool,
    /// Whether people sign in by it.
    pub enabled: bool,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}
