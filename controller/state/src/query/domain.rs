//! Domains.

use npanel_model::{AccountId, DocumentRoot, DomainId, Fqdn, TenantId, Timestamp, ZoneId};

use super::{
    OwnedFilter, Page, QueryError, Reader, Suspension,
    convergence::{Convergence, Intent},
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
    suspension,
};
use crate::{ObjectKind, Purview};

/// A domain of an account.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account it is on.
    pub account_id: AccountId,
    /// Its name.
    pub name: Fqdn,
    /// Where it is served from, relative to the account's home.
    pub document_root: DocumentRoot,
    /// The zone that has its address record, if the fleet publishes it.
    pub zone_id: Option<ZoneId>,
    /// Why it is not served, if that was said of the domain itself.
    pub suspension: Option<Suspension>,
    /// Why it is not served, if that was said of its account.
    pub account_suspension: Option<Suspension>,
    /// Why it is not served, if that was said of its tenant, or of one above.
    pub tenant_suspension: Option<Suspension>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far its node is.
    pub convergence: Convergence,
}

const DOMAINS: &str = "SELECT *,
    (SELECT zone_id FROM record_sets r WHERE r.domain_id = domains.id LIMIT 1) AS zone_id,
    (SELECT suspended_millis FROM accounts a WHERE a.id = domains.account_id) AS account_suspended_millis,
    (SELECT suspended_reason FROM accounts a WHERE a.id = domains.account_id) AS account_suspended_reason,
    (SELECT suspended_kind FROM accounts a WHERE a.id = domains.account_id) AS account_suspended_kind,
    (SELECT suspended_by FROM accounts a WHERE a.id = domains.account_id) AS account_suspended_by,
    (SELECT s.suspended_millis FROM accounts a JOIN suspended_tenants s ON s.tenant_id = a.tenant_id
        WHERE a.id = domains.account_id AND a.tenant_suspended ORDER BY s.suspended_millis LIMIT 1)
        AS tenant_suspended_millis,
    (SELECT s.suspended_reason FROM accounts a JOIN suspended_tenants s ON s.tenant_id = a.tenant_id
        WHERE a.id = domains.account_id AND a.tenant_suspended ORDER BY s.suspended_millis LIMIT 1)
        AS tenant_suspended_reason,
    (SELECT s.suspended_kind FROM accounts a JOIN suspended_tenants s ON s.tenant_id = a.tenant_id
        WHERE a.id = domains.account_id AND a.tenant_suspended ORDER BY s.suspended_millis LIMIT 1)
        AS tenant_suspended_kind,
    (SELECT s.suspended_by FROM accounts a JOIN suspended_tenants s ON s.tenant_id = a.tenant_id
        WHERE a.id = domains.account_id AND a.tenant_suspended ORDER BY s.suspended_millis LIMIT 1)
        AS tenant_suspended_by
    FROM domains";

const IS_SUSPENDED: &str = "suspended_millis IS NOT NULL OR (SELECT a.is_suspended FROM accounts a
    WHERE a.id = domains.account_id)";

const OF_ACCOUNT: suspension::Columns = suspension::Columns {
    since: "account_suspended_millis",
    reason: "account_suspended_reason",
    kind: "account_suspended_kind",
    by: "account_suspended_by",
};

struct Rest {
    id: DomainId,
    tenant_id: TenantId,
    account_id: AccountId,
    name: Fqdn,
    document_root: DocumentRoot,
    zone_id: Option<ZoneId>,
    suspension: Option<Suspension>,
    account_suspension: Option<Suspension>,
    tenant_suspension: Option<Suspension>,
    created_at: Timestamp,
}

struct DomainRow(Intent, Rest);

impl FromRow for DomainRow {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let zone: Option<&[u8]> = row::get(row, "zone_id")?;
        let zone =
            zone.map(ZoneId::from_bytes).transpose().map_err(|error| row::corrupt("zone_id", error))?;
        let rest = Rest {
            id: row::id(row, "id", DomainId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            account_id: row::id(row, "account_id", AccountId::from_bytes)?,
            name: row::text(row, "name")?,
            document_root: row::text(row, "document_root")?,
            zone_id: zone,
            suspension: suspension::of_row(row, &suspension::OWN)?,
            account_suspension: suspension::of_row(row, &OF_ACCOUNT)?,
            tenant_suspension: suspension::of_row(row, &suspension::OF_TENANT)?,
            created_at: row::time(row, "created_millis")?,
        };
        Ok(Self(Intent::from_row(row)?, rest))
    }
}

impl Reader {
    /// The domain, if `scope` sees it; also while it is being deleted.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn domain(
        &self,
        scope: impl Into<Purview>,
        id: DomainId,
    ) -> Result<Option<Domain>, QueryError> {
        let row: Option<DomainRow> =
            self.one(DOMAINS, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(self.complete_domains(row.into_iter().collect()).await?.pop())
    }

    /// Domains that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn domains(
        &self,
        scope: impl Into<Purview>,
        filter: OwnedFilter,
        page: &Page,
    ) -> Result<Vec<Domain>, QueryError> {
        let mut wheres = filter.wheres(ObjectKind::Site);
        wheres.push(Where::Holds(IS_SUSPENDED, filter.suspended));
        let rows = self.list(DOMAINS, Scope::Accounts(scope.into(), "account_id"), wheres, page).await?;
        self.complete_domains(rows).await
    }

    async fn complete_domains(&self, rows: Vec<DomainRow>) -> Result<Vec<Domain>, QueryError> {
        let rows = rows.into_iter().map(|DomainRow(intent, rest)| (intent, rest)).collect();
        self.converge(ObjectKind::Site, rows, |rest, convergence| {
            let Rest { id, tenant_id, account_id, name, document_root, zone_id, .. } = rest;
            let Rest { suspension, account_suspension, tenant_suspension, created_at, .. } = rest;
            Domain {
                id,
                tenant_id,
                account_id,
                name,
                document_root,
                zone_id,
                suspension,
                account_suspension,
                tenant_suspension,
                created_at,
                convergence,
            }
        })
        .await
    }
}
