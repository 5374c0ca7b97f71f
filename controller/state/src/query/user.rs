//! Users. Never with a password; its hash only for signing in.

use npanel_model::{
    AccessRole, AccountId, ActionPattern, IdentityProviderId, LoginName, Revision, Subject, TenantId,
    Timestamp, UserId,
};

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::{Purview, StoredDataKey, hex::hex};

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The tenant in whose subtree it acts.
    pub tenant_id: TenantId,
    /// What it signs in by.
    pub login: LoginName,
    /// What people call it.
    pub name: String,
    /// Its role.
    pub role: AccessRole,
    /// What of its role it may do.
    pub actions: Vec<ActionPattern>,
    /// The accounts that it is confined to.
    pub accounts: Option<Vec<AccountId>>,
    /// Whether it may sign in.
    pub is_enabled: bool,
    /// The identity provider that knows it, and the subject by which it does.
    pub identity: Option<(IdentityProviderId, Subject)>,
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether it has a second factor.
    pub has_totp: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// Filters of users.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only who signs in by this.
    pub login: Option<LoginName>,
    /// Only of this role.
    pub role: Option<AccessRole>,
    /// Only who has this account.
    pub account_id: Option<AccountId>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

/// What is needed to see that somebody is a user.
#[derive(Clone)]
pub struct UserLogin {
    /// The user.
    pub id: UserId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Whether it may sign in.
    pub is_enabled: bool,
    /// In the PHC string format; empty: it has none.
    pub password_hash: String,
    /// The key of its authenticator, sealed, and the data key that it is sealed by.
    pub sealed_totp: Option<(Vec<u8>, StoredDataKey)>,
    /// Whether the authenticator counts; if not, it was only offered.
    pub has_totp: bool,
    recovery_hashes: String,
}

impl UserLogin {
    /// Whether a recovery code with this hash is left.
    pub fn has_recovery_code(&self, hash: &[u8]) -> bool {
        crate::context::texts(&self.recovery_hashes).contains(&hex(hash))
    }
}

impl std::fmt::Debug for UserLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserLogin").field("id", &self.id).finish_non_exhaustive()
    }
}

const USERS: &str =
    "SELECT id, tenant_id, login, name, role, actions, accounts, disabled_millis IS NULL AS is_enabled,
         password_hash <> '' AS has_password, identity_provider_id, subject, totp_millis IS NOT NULL AS has_totp,
         json_array_length(recovery_hashes) AS recovery_codes, created_millis, revision
     FROM users";

impl FromRow for User {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", UserId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            login: row::text(row, "login")?,
            name: row::get(row, "name")?,
            role: row::text(row, "role")?,
            actions: row::list(row, "actions")?,
            accounts: row::optional_list(row, "accounts")?,
            is_enabled: row::get(row, "is_enabled")?,
            identity: row::optional_id(row, "identity_provider_id", IdentityProviderId::from_bytes)?
                .zip(row::optional_text(row, "subject")?),
            has_password: row::get(row, "has_password")?,
            has_totp: row::get(row, "has_totp")?,
            recovery_codes: row::number(row, "recovery_codes")?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl Reader {
    /// The user, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn user(&self, scope: impl Into<Purview>, id: UserId) -> Result<Option<User>, QueryError> {
        self.one(USERS, Scope::Tenant(scope.into()), id.to_bytes()).await
    }

    /// The user, whoever asks: for a user's own.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn own_user(&self, id: UserId) -> Result<Option<User>, QueryError> {
        self.one(USERS, Scope::Platform, id.to_bytes()).await
    }

    /// Users that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn users(
        &self,
        scope: impl Into<Purview>,
        filter: UserFilter,
        page: &Page,
    ) -> Result<Vec<User>, QueryError> {
        let wheres = vec![
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::text("login", filter.login.map(String::from)),
            Where::text("role", filter.role.map(|role| role.as_str().to_owned())),
            Where::Holding("ifnull(accounts, '[]')", filter.account_id.map(|id| id.to_string())),
            Where::Since(filter.created_since),
        ];
        self.list(USERS, Scope::Tenant(scope.into()), wheres, page).await
    }

    /// The user who signs in by this name.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn user_login(&self, login: &LoginName) -> Result<Option<UserLogin>, QueryError> {
        self.login_where("u.login = ?1", login.as_str().to_owned().into())
    }

    /// The same, of a user that is known.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn user_login_of(&self, id: UserId) -> Result<Option<UserLogin>, QueryError> {
        self.login_where("u.id = ?1", id.to_bytes().into())
    }

    fn login_where(
        &self,
        condition: &str,
        value: rusqlite::types::Value,
    ) -> Result<Option<UserLogin>, QueryError> {
        let select = format!(
            "SELECT u.id, u.tenant_id, u.disabled_millis IS NULL AS is_enabled, u.password_hash, u.sealed_totp,
                 u.totp_millis IS NOT NULL AS has_totp, u.recovery_hashes, u.sealer,
                 iif(u.sealer = t.data_key_name, t.wrapped_data_key, (
                     SELECT f.wrapped_data_key FROM former_data_keys f
                     WHERE f.tenant_id = u.tenant_id AND f.name = u.sealer)) AS wrapped
             FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE {condition}"
        );
        self.point(&select, [value], |row| {
            let sealed: Option<Vec<u8>> = row::get(row, "sealed_totp")?;
            let sealed_totp = match sealed {
                None => None,
                Some(sealed) => {
                    let key =
                        StoredDataKey { name: row::get(row, "sealer")?, wrapped: row::get(row, "wrapped")? };
                    Some((sealed, key))
                }
            };
            Ok(UserLogin {
                id: row::id(row, "id", UserId::from_bytes)?,
                tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
                is_enabled: row::get(row, "is_enabled")?,
                password_hash: row::get(row, "password_hash")?,
                sealed_totp,
                has_totp: row::get(row, "has_totp")?,
                recovery_hashes: row::get(row, "recovery_hashes")?,
            })
        })
    }
}
