//! Users: people who sign in.

use npanel_model::{
    AccessRole, AccountId, ActionPattern, IdentityProviderId, LoginName, PersonName, Revision, Secret,
    Subject, TenantId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{change::present, schema};

/// A new user. It can be given no more than whoever makes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The tenant that it acts for: the caller's own (if absent) or one beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TenantId>)]
    pub tenant_id: Option<TenantId>,
    /// What it signs in by: an e-mail address, the only one of its kind in the fleet; upper and lower case are one.
    #[schema(value_type = schema::LoginName)]
    pub login: LoginName,
    /// What people call it: 1 to 100 characters.
    #[schema(value_type = schema::PersonName)]
    pub name: PersonName,
    /// `administrator` (of the platform's own tenant only: everything), `reseller` (all that is its tenant's), `owner` (what
    /// is in its accounts) or `support` (looks at all, changes nothing, sees no customer's content).
    #[schema(value_type = schema::AccessRole)]
    pub role: AccessRole,
    /// What of its role it may do: `*` (all of it, if absent), `<noun>.*` or single actions. What reveals a secret or a
    /// customer's content is support's only if it is named here.
    #[serde(default = "everything")]
    #[schema(value_type = Vec<schema::ActionPattern>, min_items = 1, max_items = 200, example = json!(["*"]))]
    pub actions: Vec<ActionPattern>,
    /// The accounts that it is confined to, at most 100; an owner has at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::AccountId>, max_items = 100)]
    pub accounts: Vec<AccountId>,
    /// Its password: 12 to 128 characters. Without one it cannot sign in by a password until one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, min_length = 12, max_length = 128, example = "correct-horse-battery")]
    pub password: Option<Secret>,
    /// The identity provider that knows it, and how, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<UserIdentity>,
}

/// How an identity provider knows a user: by a subject that it never gives to anybody else, whatever their e-mail addresses are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserIdentity {
    /// The identity provider: of the user's tenant, or of one above it. Of one that was removed, it is what it was.
    #[schema(value_type = schema::IdentityProviderId)]
    pub identity_provider_id: IdentityProviderId,
    /// The subject (`sub`).
    #[schema(value_type = schema::Subject)]
    pub subject: Subject,
}

/// Every action of the role.
fn everything() -> Vec<ActionPattern> {
    vec![ActionPattern::everything()]
}

/// A change of a user. What is absent stays as it is. Nobody changes what they may do themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// What people call it: 1 to 100 characters.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::PersonName)]
    pub name: Option<PersonName>,
    /// Its role.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::AccessRole)]
    pub role: Option<AccessRole>,
    /// What of its role it may do.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::ActionPattern>, min_items = 1, max_items = 200, example = json!(["*"]))]
    pub actions: Option<Vec<ActionPattern>>,
    /// The accounts that it is confined to: exactly these; none: to none in particular.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::AccountId>, max_items = 100)]
    pub accounts: Option<Vec<AccountId>>,
    /// Whether it may sign in. If not, its sessions end.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub enabled: Option<bool>,
    /// The identity provider that knows it; `null`: none does.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UserIdentity>)]
    pub identity: Option<Option<UserIdentity>>,
}

/// A user. Its password is stored hashed by argon2id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    #[schema(value_type = schema::UserId)]
    pub id: UserId,
    /// The tenant that it acts for.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// What it signs in by.
    #[schema(value_type = schema::LoginName)]
    pub login: LoginName,
    /// What people call it.
    #[schema(example = "Ann Example")]
    pub name: String,
    /// Its role: `administrator`, `reseller`, `owner` or `support`.
    #[schema(value_type = schema::AccessRole)]
    pub role: AccessRole,
    /// What of its role it may do.
    #[schema(value_type = Vec<schema::ActionPattern>)]
    pub actions: Vec<ActionPattern>,
    /// The accounts that it is confined to; `null`: to none in particular.
    #[schema(value_type = Option<Vec<schema::AccountId>>)]
    pub accounts: Option<Vec<AccountId>>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// The identity provider that knows it; `null`: none does. What it may do then follows its groups there, at every sign-in.
    #[serde(default)]
    pub identity: Option<UserIdentity>,
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether it has a second factor: an authenticator.
    pub has_totp: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}

/// A new password of another user. Its sessions end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUserPassword {
    /// The password: 12 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128, example = "correct-horse-battery")]
    pub password: Secret,
}

/// A new password of one's own. One's other sessions end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password so far.
    #[schema(value_type = String, format = Password, max_length = 128, example = "correct-horse-battery")]
    pub current: Secret,
    /// The new one: 12 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128, example = "correct-horse-battery")]
    pub new: Secret,
}

/// Who one is, and what one may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// As the audit writes it: `user/<id>`, `api_key/<id>`, or `user/<id> as user/<id>`.
    #[schema(example = "user/01901111-0000-7000-8000-000000000000")]
    pub actor: String,
    /// The tenant that one acts for.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Whether that is the platform itself.
    pub platform: bool,
    /// The user; `null` for an API key.
    pub user: Option<User>,
    /// The accounts that one is confined to; `null`: to none in particular.
    #[schema(value_type = Option<Vec<schema::AccountId>>)]
    pub accounts: Option<Vec<AccountId>>,
    /// Every action that one may take.
    #[schema(example = json!(["account.list"]))]
    pub actions: Vec<String>,
    /// When the credential ends; `null`: never.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub expires_at: Option<Timestamp>,
}

/// A key for an authenticator. It counts once it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpOffer {
    /// The key, in base32. Shown this once.
    #[schema(value_type = String, format = Password, example = "JBSWY3DPEHPK3PXP")]
    pub key: Secret,
    /// The same as an address that authenticators read, as a QR code for instance.
    #[schema(value_type = String, format = Password, example = "otpauth://totp/npanel:ann@example.com?secret=JBSWY3DPEHPK3PXP")]
    pub uri: Secret,
}

/// That it is really the user who asks, and not somebody who got hold of a session: one of the two. Neither, from who signs in
/// elsewhere and has no password here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowAgain {
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, max_length = 128, example = "correct-horse-battery")]
    pub password: Option<Secret>,
    /// A code of the authenticator that counts, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, max_length = 64, example = "123456")]
    pub code: Option<Secret>,
}

/// That the authenticator has the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmTotp {
    /// The code that it shows: 6 digits.
    #[schema(value_type = String, format = Password, min_length = 6, max_length = 6, pattern = "^[0-9]{6}$", example = "123456")]
    pub code: Secret,
}

/// Codes that each stand once for the authenticator, if that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes. Shown this once.
    #[schema(value_type = Vec<String>, example = json!(["shown-once-1", "shown-once-2"]))]
    pub codes: Vec<Secret>,
}
