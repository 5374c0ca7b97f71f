//! API keys and bootstrap tokens. Never with a secret; the hash of a key's only for checking it.

use std::sync::Arc;

use npanel_model::{
    AccessRole, AccountId, ActionPattern, ApiKeyId, ControllerId, EnrolRole, Network, NodeName, PoolName,
    Revision, TenantId, Timestamp, TokenId,
};
use rusqlite::Connection;

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::{
    access::{self, Access, Credential, Purview, RequestLimit},
    context::typed,
};

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The tenant in whose subtree it acts.
    pub tenant_id: TenantId,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub actions: Vec<ActionPattern>,
    /// The role that it is confined to.
    pub role: Option<AccessRole>,
    /// The accounts that it is confined to.
    pub accounts: Option<Vec<AccountId>>,
    /// Where it may be used from; none: anywhere.
    pub networks: Vec<Network>,
    /// Until when the secret before the last rotation counts; `None`: there is none that does.
    pub former_secret_until: Option<Timestamp>,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// Filters of API keys.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyFilter {
    /// Only of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only with this name.
    pub name: Option<String>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

/// A bootstrap token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What a machine that shows it becomes.
    pub role: EnrolRole,
    /// How often it could be used.
    pub uses_allowed: u32,
    /// How often it can still be used.
    pub uses_left: u32,
    /// The pool that its nodes go into.
    pub pool: PoolName,
    /// The only name that may be taken with it.
    pub name: Option<NodeName>,
    /// Where a machine may come from; none: anywhere.
    pub networks: Vec<Network>,
    /// The controller whose place the one takes that uses it.
    pub replaces: Option<ControllerId>,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// Filters of bootstrap tokens.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Only for this role.
    pub role: Option<EnrolRole>,
    /// Only for nodes of this pool.
    pub pool: Option<PoolName>,
    /// Only those bound to this name.
    pub name: Option<NodeName>,
    /// Only those with uses left, or only those with none.
    pub unused: Option<bool>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

const API_KEYS: &str = "SELECT id, tenant_id, name, actions, nullif(role, '') AS role, accounts, networks,
         nullif(former_until_millis, 0) AS former_until_millis, expires_millis, created_millis, revision
     FROM api_keys";
const TOKENS: &str =
    "SELECT id, role, uses_allowed, uses_left, pool, nullif(name, '') AS name, networks, expires_millis, created_millis,
         revision, nullif(replaces_controller_id, 0) AS replaces
     FROM tokens";

impl FromRow for ApiKey {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", ApiKeyId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            name: row::get(row, "name")?,
            actions: row::list(row, "actions")?,
            role: row::optional_text(row, "role")?,
            accounts: row::optional_list(row, "accounts")?,
            networks: row::list(row, "networks")?,
            former_secret_until: row::optional_time(row, "former_until_millis")?,
            expires_at: row::optional_time(row, "expires_millis")?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl FromRow for Token {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", TokenId::from_bytes)?,
            role: row::text(row, "role")?,
            uses_allowed: row::number32(row, "uses_allowed")?,
            uses_left: row::number32(row, "uses_left")?,
            pool: row::text(row, "pool")?,
            name: row::optional_text(row, "name")?,
            networks: row::list(row, "networks")?,
            replaces: row::optional_number(row, "replaces")?.map(ControllerId),
            expires_at: row::time(row, "expires_millis")?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

/// What a credential opens, with what limits requests by it.
fn access_with_limits(db: &Connection, credential: Credential) -> Result<Option<Access>, QueryError> {
    let Some(access) = access::find(db, credential)? else { return Ok(None) };
    // How deep a tenant is is how many are at or above it.
    let mut select = db.prepare_cached(
        "SELECT t.id, t.api_requests_per_minute FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id
         WHERE up.tenant_id = ?1 AND t.api_requests_per_minute IS NOT NULL
         ORDER BY (SELECT count(*) FROM tenant_tree n WHERE n.tenant_id = t.id) DESC",
    )?;
    let limit = |row: &rusqlite::Row<'_>| {
        Ok(RequestLimit { tenant_id: typed(row, 0, TenantId::from_bytes)?, per_minute: row.get(1)? })
    };
    let limits = select.query_map([access.purview.tenant_id.to_bytes()], limit)?;
    let request_limits = limits.collect::<Result<Vec<_>, rusqlite::Error>>()?;
    Ok(Some(Access { request_limits, ..access }))
}

impl Reader {
    /// What a credential opens: every request shows one, so it is kept until any of it changes.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn access(&self, credential: Credential) -> Result<Option<Arc<Access>>, QueryError> {
        let epoch = self.logins.epoch();
        if let Some(known) = self.logins.get(credential, epoch) {
            return Ok(Some(known));
        }
        let found = self.at_once(|db| access_with_limits(db, credential))?.map(Arc::new);
        if let Some(access) = &found {
            self.logins.keep(epoch, credential, access);
        }
        Ok(found)
    }

    /// The API key, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn api_key(
        &self,
        scope: impl Into<Purview>,
        id: ApiKeyId,
    ) -> Result<Option<ApiKey>, QueryError> {
        self.one(API_KEYS, Scope::Tenant(scope.into()), id.to_bytes()).await
    }

    /// The tokens by which a controller may join in the place of another.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn replacing_tokens(&self) -> Result<Vec<Token>, QueryError> {
        let replaces = Where::Holds("replaces_controller_id > 0", Some(true));
        let is_good = Where::Holds("uses_left > 0", Some(true));
        self.list(
            TOKENS,
            Scope::Platform,
            vec![replaces, is_good],
            &Page { limit: u32::MAX, ..Page::default() },
        )
        .await
    }

    /// API keys that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn api_keys(
        &self,
        scope: impl Into<Purview>,
        filter: ApiKeyFilter,
        page: &Page,
    ) -> Result<Vec<ApiKey>, QueryError> {
        let wheres = vec![
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::text("name", filter.name),
            Where::Since(filter.created_since),
        ];
        self.list(API_KEYS, Scope::Tenant(scope.into()), wheres, page).await
    }

    /// The bootstrap token.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn token(&self, id: TokenId) -> Result<Option<Token>, QueryError> {
        self.one(TOKENS, Scope::Platform, id.to_bytes()).await
    }

    /// Bootstrap tokens.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn tokens(&self, filter: TokenFilter, page: &Page) -> Result<Vec<Token>, QueryError> {
        let wheres = vec![
            Where::text("role", filter.role.map(|role| role.as_str().to_owned())),
            Where::text("pool", filter.pool.map(String::from)),
            Where::text("name", filter.name.map(String::from)),
            Where::Holds("uses_left > 0", filter.unused),
            Where::Since(filter.created_since),
        ];
        self.list(TOKENS, Scope::Platform, wheres, page).await
    }
}
