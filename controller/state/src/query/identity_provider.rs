//! Identity providers. Never with a secret.

use npanel_model::{
    AccessRole, AccountId, ActionPattern, ClaimName, ClientId, GroupName, IdentityProviderId,
    IdentityProviderName, IssuerUrl, Revision, Scope as AskedScope, TenantId, Timestamp,
};

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, AnyRow, Found, FromRow},
};
use crate::{Purview, rules};

/// An identity provider.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// Its id.
    pub id: IdentityProviderId,
    /// The tenant in which, and beneath which, it says who somebody is.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: IdentityProviderName,
    /// Who it is.
    pub issuer: IssuerUrl,
    /// How it knows nPanel.
    pub client_id: ClientId,
    /// When the client's secret was set.
    pub secret_set_at: Timestamp,
    /// What is asked of it, beyond `openid`.
    pub scopes: Vec<AskedScope>,
    /// What it says of somebody: by what they sign in.
    pub login_claim: ClaimName,
    /// What people call them.
    pub name_claim: ClaimName,
    /// Of which groups they are.
    pub groups_claim: ClaimName,
    /// What groups may do: the first that fits counts.
    pub mappings: Vec<GroupMapping>,
    /// Whether who is not a user yet becomes one.
    pub creates_users: bool,
    /// Whether people sign in by it.
    pub is_enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// What a group may do, and where.
#[derive(Debug, Clone)]
pub struct GroupMapping {
    /// The group; `*`: whoever the provider knows.
    pub group: GroupName,
    /// The tenant that its people act for.
    pub tenant_id: TenantId,
    /// Their role.
    pub role: AccessRole,
    /// What of that, by pattern.
    pub actions: Vec<ActionPattern>,
    /// The accounts that they are confined to; none: to none in particular.
    pub accounts: Vec<AccountId>,
}

/// Filters of identity providers.
#[derive(Debug, Clone, Default)]
pub struct IdentityProviderFilter {
    /// Only of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only of this name.
    pub name: Option<IdentityProviderName>,
    /// Only those that people sign in by, or only those that nobody does.
    pub enabled: Option<bool>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

const PROVIDERS: &str = "SELECT id, tenant_id, name, issuer, client_id, secret_millis, scopes, login_claim, name_claim,
         groups_claim, mappings, creates_users, disabled_millis IS NULL AS is_enabled, created_millis, revision
     FROM identity_providers";

impl FromRow for IdentityProvider {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let mappings: String = row::get(row, "mappings")?;
        let mapping = |one: rules::GroupMapping| GroupMapping {
            group: one.group,
            tenant_id: one.tenant,
            role: one.role,
            actions: one.actions,
            accounts: one.accounts,
        };
        Ok(Self {
            id: row::id(row, "id", IdentityProviderId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            name: row::text(row, "name")?,
            issuer: row::text(row, "issuer")?,
            client_id: row::text(row, "client_id")?,
            secret_set_at: row::time(row, "secret_millis")?,
            scopes: row::list(row, "scopes")?,
            login_claim: row::text(row, "login_claim")?,
            name_claim: row::text(row, "name_claim")?,
            groups_claim: row::text(row, "groups_claim")?,
            mappings: rules::group_mappings(&mappings).into_iter().map(mapping).collect(),
            creates_users: row::get(row, "creates_users")?,
            is_enabled: row::get(row, "is_enabled")?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl Reader {
    /// The identity provider, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn identity_provider(
        &self,
        scope: impl Into<Purview>,
        id: IdentityProviderId,
    ) -> Result<Option<IdentityProvider>, QueryError> {
        self.one(PROVIDERS, Scope::Tenant(scope.into()), id.to_bytes()).await
    }

    /// The identity provider, whoever asks: for who signs in.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn identity_provider_for_anybody(
        &self,
        id: IdentityProviderId,
    ) -> Result<Option<IdentityProvider>, QueryError> {
        self.one(PROVIDERS, Scope::Platform, id.to_bytes()).await
    }

    /// Identity providers that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn identity_providers(
        &self,
        scope: impl Into<Purview>,
        filter: IdentityProviderFilter,
        page: &Page,
    ) -> Result<Vec<IdentityProvider>, QueryError> {
        let wheres = vec![
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::text("name", filter.name.map(String::from)),
            Where::Holds("disabled_millis IS NULL", filter.enabled),
            Where::Since(filter.created_since),
        ];
        self.list(PROVIDERS, Scope::Tenant(scope.into()), wheres, page).await
    }

    /// The platform's own identity providers that people sign in by: what a stranger may know of.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn platforms_identity_providers(
        &self,
    ) -> Result<Vec<(IdentityProviderId, IdentityProviderName)>, QueryError> {
        self.at_once(|db| {
            let mut select = db.prepare_cached(
                "SELECT p.id, p.name FROM cluster c CROSS JOIN identity_providers p ON p.tenant_id = c.root_tenant_id
                 WHERE p.disabled_millis IS NULL ORDER BY p.name",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let row = &Found::new(row);
                found.push((row::id(row, "id", IdentityProviderId::from_bytes)?, row::text(row, "name")?));
            }
            Ok(found)
        })
    }
}
