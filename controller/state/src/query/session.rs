//! Sessions. Never with a secret.

use npanel_model::{
    ActionPattern, ApiKeyId, IdentityProviderId, Revision, SessionId, TenantId, Timestamp, UserId,
};

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::Purview;

/// A session, or an API key's access token.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The tenant of its user or key.
    pub tenant_id: TenantId,
    /// Its user.
    pub user_id: Option<UserId>,
    /// Its API key, if it is an access token.
    pub api_key_id: Option<ApiKeyId>,
    /// What it is narrowed to.
    pub actions: Option<Vec<ActionPattern>>,
    /// Who acts as the user.
    pub impersonator_id: Option<UserId>,
    /// The identity provider that has said who its user is; `None`: the user has shown a password.
    pub identity_provider_id: Option<IdentityProviderId>,
    /// Whether it only looks.
    pub only_looks: bool,
    /// Why somebody acts as the user.
    pub reason: String,
    /// The address that it was begun from.
    pub source_address: String,
    /// The program that it was begun by, as that calls itself.
    pub user_agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// As a place in the log.
    pub revision: Revision,
}

/// Filters of sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only those that this user has, or acts as another one in.
    pub of: Option<UserId>,
    /// Only of this user.
    pub user_id: Option<UserId>,
    /// Only of this API key.
    pub api_key_id: Option<ApiKeyId>,
    /// Only those that end then or later.
    pub expires_since: Option<Timestamp>,
}

const SESSIONS: &str =
    "SELECT id, tenant_id, user_id, api_key_id, actions, impersonator_id, only_looks, reason, source_address,
         user_agent, created_millis, expires_millis, revision, identity_provider_id
     FROM sessions";

impl FromRow for Session {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", SessionId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            user_id: row::optional_id(row, "user_id", UserId::from_bytes)?,
            api_key_id: row::optional_id(row, "api_key_id", ApiKeyId::from_bytes)?,
            actions: row::optional_list(row, "actions")?,
            impersonator_id: row::optional_id(row, "impersonator_id", UserId::from_bytes)?,
            identity_provider_id: row::optional_id(
                row,
                "identity_provider_id",
                IdentityProviderId::from_bytes,
            )?,
            only_looks: row::get(row, "only_looks")?,
            reason: row::get(row, "reason")?,
            source_address: row::get(row, "source_address")?,
            user_agent: row::get(row, "user_agent")?,
            created_at: row::time(row, "created_millis")?,
            expires_at: row::time(row, "expires_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl Reader {
    /// The session, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn session(
        &self,
        scope: impl Into<Purview>,
        id: SessionId,
    ) -> Result<Option<Session>, QueryError> {
        self.one(SESSIONS, Scope::Tenant(scope.into()), id.to_bytes()).await
    }

    /// The session, whoever asks: for a user's own.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn own_session(&self, id: SessionId) -> Result<Option<Session>, QueryError> {
        self.one(SESSIONS, Scope::Platform, id.to_bytes()).await
    }

    /// Sessions that `scope` sees; `None`: whoever's.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn sessions(
        &self,
        scope: Option<Purview>,
        filter: SessionFilter,
        page: &Page,
    ) -> Result<Vec<Session>, QueryError> {
        let scope = scope.map_or(Scope::Platform, Scope::Tenant);
        let wheres = vec![
            Where::Either("user_id", "impersonator_id", filter.of.map(UserId::to_bytes)),
            Where::bytes("user_id", filter.user_id.map(UserId::to_bytes)),
            Where::bytes("api_key_id", filter.api_key_id.map(ApiKeyId::to_bytes)),
            Where::EndsSince(filter.expires_since),
        ];
        self.list(SESSIONS, scope, wheres, page).await
    }

    /// Whether the user began a session from this address before.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn was_signed_in_from(&self, user: UserId, address: &str) -> Result<bool, QueryError> {
        let select = "SELECT EXISTS (SELECT 1 FROM sessions
             WHERE user_id = ?1 AND source_address = ?2 AND impersonator_id IS NULL) AS was";
        let found = self.point(select, (user.to_bytes(), address), |row| row::get(row, "was"))?;
        Ok(found.unwrap_or(false))
    }
}
