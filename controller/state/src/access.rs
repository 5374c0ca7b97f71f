//! What a credential opens: asked by the gate for every request, and by the rules for every command.

use std::{fmt, sync::Arc};

use npanel_model::{
    AccessRole, AccountId, Action, ActionPattern, Allowance, ApiKeyId, Network, SessionId, TenantId,
    Timestamp, UserId,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::context::{patterns, tenant_id, texts};

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    /// An API key.
    ApiKey(ApiKeyId),
    /// A user's session, or an API key's access token.
    Session(SessionId),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api_key/{id}"),
            Self::Session(id) => write!(f, "session/{id}"),
        }
    }
}

/// What a caller sees: the objects of a tenant and of those beneath it, or of some accounts there alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purview {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The accounts that it is confined to; `None`: to none in particular.
    pub accounts: Option<Arc<[AccountId]>>,
}

impl Purview {
    /// Whether an account's objects are in it, as far as accounts go.
    pub fn has_account(&self, account: AccountId) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
    }
}

impl From<TenantId> for Purview {
    fn from(tenant_id: TenantId) -> Self {
        Self { tenant_id, accounts: None }
    }
}

/// Who it is that shows a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A program with an API key.
    ApiKey(ApiKeyId),
    /// A user.
    User(UserId),
    /// A user who acts as another one.
    Impersonator {
        /// Who acts.
        by: UserId,
        /// As whom.
        user: UserId,
    },
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api_key/{id}"),
            Self::User(id) => write!(f, "user/{id}"),
            Self::Impersonator { by, user } => write!(f, "user/{by} as user/{user}"),
        }
    }
}

/// A secret's hash, and until when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretOnFile {
    /// SHA-256.
    pub hash: Vec<u8>,
    /// `None`: as long as the credential.
    pub until: Option<Timestamp>,
}

/// What a credential opens, as things are now.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who shows it.
    pub who: Who,
    /// Where they act.
    pub purview: Purview,
    /// What they may do there.
    pub allowance: Allowance,
    /// Where it may be shown from; none: anywhere.
    pub networks: Vec<Network>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The secrets of which one has to be shown with it.
    pub secrets: Vec<SecretOnFile>,
    /// How many requests its tenant, and each one above it, may make; of those that are limited, the tenant's own first. To the
    /// rules, which no request asks, none.
    pub request_limits: Vec<RequestLimit>,
}

/// How many requests to the API all that act for a tenant, and for those beneath it, may make together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimit {
    /// The tenant.
    pub tenant_id: TenantId,
    /// In a minute.
    pub per_minute: u64,
}

impl Access {
    /// Whether this is the hash of the secret that counts, and not of a former one.
    pub fn is_opened_by(&self, hash: &[u8]) -> bool {
        self.secrets.iter().any(|secret| secret.until.is_none() && secret.hash == hash)
    }

    /// Whether it has not ended at this time.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

/// Looks a credential up; `None` if there is none, or its user may not sign in.
pub(crate) fn find(db: &Connection, credential: Credential) -> rusqlite::Result<Option<Access>> {
    match credential {
        Credential::ApiKey(id) => api_key(db, id),
        Credential::Session(id) => session(db, id),
    }
}

fn api_key(db: &Connection, id: ApiKeyId) -> rusqlite::Result<Option<Access>> {
    let select =
        "SELECT k.tenant_id, k.role, k.actions, k.accounts, k.tenant_id = c.root_tenant_id, k.networks,
             k.expires_millis, k.secret_hash, k.former_secret_hash, k.former_until_millis
         FROM api_keys k CROSS JOIN cluster c WHERE k.id = ?1";
    let read = |row: &Row<'_>| {
        let (purview, allowance) = rights(row)?;
        let networks = texts(&row.get::<_, String>(5)?);
        let former: Vec<u8> = row.get(8)?;
        let until = Some(Timestamp::from_millis(row.get(9)?));
        let mut secrets = vec![SecretOnFile { hash: row.get(7)?, until: None }];
        secrets.extend((!former.is_empty()).then_some(SecretOnFile { hash: former, until }));
        Ok(Access {
            who: Who::ApiKey(id),
            purview,
            allowance,
            // What a later version may know as a network and this one does not is none that anyone is in.
            networks: networks.iter().map(|text| text.parse().unwrap_or(NOWHERE)).collect(),
            expires_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
            secrets,
            request_limits: Vec::new(),
        })
    };
    db.prepare_cached(select)?.query_row([id.to_bytes()], read).optional()
}

/// A network that holds nobody who asks: the unspecified address alone.
const NOWHERE: Network = Network::UNSPECIFIED;

/// Reads where somebody acts and what they may do from the first five columns: tenant, role, actions, accounts, and whether the
/// tenant is the platform.
fn rights(row: &Row<'_>) -> rusqlite::Result<(Purview, Allowance)> {
    let role: String = row.get(1)?;
    let accounts: Option<String> = row.get(3)?;
    // Ids that cannot be read confine all the same.
    let accounts = accounts.map(|json| texts(&json).iter().filter_map(|id| id.parse().ok()).collect());
    let purview = Purview { tenant_id: tenant_id(row, 0)?, accounts };
    let actions = patterns(&row.get::<_, String>(2)?);
    let (role, actions) = match role.parse::<AccessRole>() {
        Ok(role) => (Some(role), actions),
        Err(_) if role.is_empty() => (None, actions),
        // A role of a later version allows nothing here.
        Err(_) => (None, Vec::new()),
    };
    let allowance = Allowance {
        role,
        actions,
        narrowed_to: None,
        is_platform: row.get(4)?,
        is_confined: purview.accounts.is_some(),
        only_looks: false,
    };
    Ok((purview, allowance))
}

/// A user's rights; `None` if there is no such user, or it may not sign in.
pub(crate) fn user(db: &Connection, id: UserId) -> rusqlite::Result<Option<(Purview, Allowance)>> {
    let select = "SELECT u.tenant_id, u.role, u.actions, u.accounts, u.tenant_id = c.root_tenant_id
         FROM users u CROSS JOIN cluster c WHERE u.id = ?1 AND u.disabled_millis IS NULL";
    db.prepare_cached(select)?.query_row([id.to_bytes()], rights).optional()
}

struct SessionRow {
    secret_hash: Vec<u8>,
    user: Option<Vec<u8>>,
    api_key: Option<Vec<u8>>,
    narrowed_to: Option<Vec<ActionPattern>>,
    impersonator: Option<Vec<u8>>,
    only_looks: bool,
    expires_at: Timestamp,
}

fn session(db: &Connection, id: SessionId) -> rusqlite::Result<Option<Access>> {
    let select =
        "SELECT secret_hash, user_id, api_key_id, actions, impersonator_id, only_looks, expires_millis
         FROM sessions WHERE id = ?1";
    let read = |row: &Row<'_>| {
        Ok(SessionRow {
            secret_hash: row.get(0)?,
            user: row.get(1)?,
            api_key: row.get(2)?,
            narrowed_to: row.get::<_, Option<String>>(3)?.map(|json| patterns(&json)),
            impersonator: row.get(4)?,
            only_looks: row.get(5)?,
            expires_at: Timestamp::from_millis(row.get(6)?),
        })
    };
    let Some(row) = db.prepare_cached(select)?.query_row([id.to_bytes()], read).optional()? else {
        return Ok(None);
    };
    let as_user = row.user.as_deref().and_then(|id| UserId::from_bytes(id).ok());
    let as_key = row.api_key.as_deref().and_then(|id| ApiKeyId::from_bytes(id).ok());
    let by = row.impersonator.as_deref().map(UserId::from_bytes);
    let basis = match (as_user, as_key, by) {
        (Some(id), _, None) => of_user(db, id, Who::User(id))?,
        (Some(id), _, Some(Ok(by))) => impersonated(db, id, by)?,
        (None, Some(id), None) => api_key(db, id)?,
        _ => None,
    };
    Ok(basis.map(|basis| Access {
        allowance: Allowance { narrowed_to: row.narrowed_to, only_looks: row.only_looks, ..basis.allowance },
        expires_at: Some(basis.expires_at.map_or(row.expires_at, |at| at.min(row.expires_at))),
        secrets: vec![SecretOnFile { hash: row.secret_hash, until: None }],
        ..basis
    }))
}

fn of_user(db: &Connection, id: UserId, who: Who) -> rusqlite::Result<Option<Access>> {
    let found = user(db, id)?;
    Ok(found.map(|(purview, allowance)| Access {
        who,
        purview,
        allowance,
        networks: Vec::new(),
        expires_at: None,
        secrets: Vec::new(),
        request_limits: Vec::new(),
    }))
}

/// Only while whoever acts could begin to do so now.
fn impersonated(db: &Connection, id: UserId, by: UserId) -> rusqlite::Result<Option<Access>> {
    let Some((above, own)) = user(db, by)? else { return Ok(None) };
    if !own.covers(Action::SessionImpersonate) {
        return Ok(None);
    }
    let found = of_user(db, id, Who::Impersonator { by, user: id })?;
    let Some(access) = found else { return Ok(None) };
    let select = "SELECT EXISTS (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 AND tenant_id = ?2)";
    let ids = (above.tenant_id.to_bytes(), access.purview.tenant_id.to_bytes());
    let is_above: bool = db.prepare_cached(select)?.query_row(ids, |row| row.get(0))?;
    Ok((is_above && own.exceeded_by(&access.allowance).is_none()).then_some(access))
}

/// The accounts of a JSON column.
pub(crate) fn accounts(json: &str) -> Vec<AccountId> {
    texts(json).iter().filter_map(|id| id.parse().ok()).collect()
}
