//! Sessions, and the access tokens of API keys.

use npanel_model::{
    ActionPattern, ApiKeyId, IdentityProviderId, LoginName, Revision, Secret, SessionId, TenantId, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Signing in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The user's e-mail address.
    #[schema(value_type = schema::LoginName)]
    pub login: LoginName,
    /// The user's password.
    #[schema(value_type = String, format = Password, max_length = 128, example = "correct-horse-battery")]
    pub password: Secret,
    /// For a user with a second factor: the authenticator's code, or a recovery code. Each is good once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, max_length = 40, example = "123456")]
    pub code: Option<Secret>,
    /// How long the session lasts, in seconds: 60 to 86,400; 12 hours if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 86400)]
    pub expires_in_seconds: Option<u32>,
}

/// Acting as another user. It is on record with both names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonate {
    /// Why: 1 to 200 characters, for the record.
    #[schema(min_length = 1, max_length = 200, example = "ticket 4711: the site does not answer")]
    pub reason: String,
    /// Whether to write as the user, too; only to look if absent. Needs `session.impersonate_to_write`.
    #[serde(default)]
    pub may_write: bool,
    /// How long, in seconds: 60 to 3,600; 15 minutes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 3600)]
    pub expires_in_seconds: Option<u32>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    #[schema(value_type = schema::SessionId)]
    pub id: SessionId,
    /// The tenant of its user or API key.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// Its user; `null` if it is an access token.
    #[schema(value_type = Option<schema::UserId>)]
    pub user_id: Option<UserId>,
    /// Its API key, if it is an access token; `null` otherwise.
    #[schema(value_type = Option<schema::ApiKeyId>)]
    pub api_key_id: Option<ApiKeyId>,
    /// Who acts as its user; `null`: nobody else.
    #[schema(value_type = Option<schema::UserId>)]
    pub impersonator_id: Option<UserId>,
    /// The identity provider that has said who its user is; `null`: the user has shown a password, or it is no user's.
    #[serde(default)]
    #[schema(value_type = Option<schema::IdentityProviderId>)]
    pub identity_provider_id: Option<IdentityProviderId>,
    /// Whether it only looks.
    pub read_only: bool,
    /// Why somebody acts as its user; empty if nobody does.
    #[schema(example = "ticket 4711: the site does not answer")]
    pub reason: String,
    /// What of the rights it has; `null`: all.
    #[schema(value_type = Option<Vec<schema::ActionPattern>>)]
    pub actions: Option<Vec<ActionPattern>>,
    /// The address that it was begun from.
    #[schema(example = "192.0.2.7")]
    pub source_address: String,
    /// The program that it was begun by, as that calls itself.
    #[schema(example = "npanel/0.1.0")]
    pub user_agent: String,
    /// Shown as `Authorization: Bearer <token>`. Only in the answer to its creation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, example = "nps_0190a5d2-7c00-7000-8000-000000000017.shown-once")]
    pub token: Option<Secret>,
    /// When it began.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = schema::Timestamp)]
    pub expires_at: Timestamp,
    /// As a place in the fleet's log.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}

/// An access token (RFC 6749, 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    /// Shown as `Authorization: Bearer <access_token>`.
    #[schema(value_type = String, format = Password, example = "nps_0190a5d2-7c00-7000-8000-000000000017.shown-once")]
    pub access_token: Secret,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: String,
    /// How long it lasts, in seconds.
    #[schema(minimum = 1, maximum = 86400)]
    pub expires_in: u32,
    /// The actions that were asked for, separated by spaces; absent if it has all that its API key has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "account.list domain.list")]
    pub scope: Option<String>,
}

/// What a program is to show its user, and to ask by until they have confirmed it (RFC 8628, 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceAuthorization {
    /// What the program asks by, at `/v1/oauth/token`.
    #[schema(value_type = String, format = Password, example = "npd_0190a5d2-7c00-7000-8000-000000000019.shown-once")]
    pub device_code: Secret,
    /// What the user types.
    #[schema(example = "WDJB-MJHT")]
    pub user_code: String,
    /// Where.
    #[schema(example = "https://c1.example.net:8443/device")]
    pub verification_uri: String,
    /// The same, with the code in it.
    #[schema(example = "https://c1.example.net:8443/device?user_code=WDJB-MJHT")]
    pub verification_uri_complete: String,
    /// How long it waits, in seconds.
    #[schema(minimum = 1, maximum = 900)]
    pub expires_in: u32,
    /// How many seconds the program waits before it asks again.
    #[schema(minimum = 1, maximum = 60)]
    pub interval: u32,
}

/// Why there is no access token (RFC 6749, 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenError {
    /// `invalid_request`, `invalid_client`, `unsupported_grant_type` or `invalid_scope`; of a sign-in that somebody confirms elsewhere:
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token` or `invalid_grant` (RFC 8628, 3.5).
    #[schema(example = "invalid_client")]
    pub error: String,
    /// For people.
    #[schema(example = "the client is not known")]
    pub error_description: String,
}
