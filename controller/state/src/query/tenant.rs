//! Tenants and plans.

use npanel_model::{
    Allotment, AntiAffinity, Limit, Megabytes, NodeLabel, Overselling, PhpVersion, PlanId, PlanName,
    PoolName, Revision, Strategy, TenantId, TenantName, Timestamp,
};

use super::{
    Page, QueryError, Reader, Suspension,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
    suspension,
};
use crate::Purview;

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The tenant above it; `None` for the platform itself.
    pub parent_id: Option<TenantId>,
    /// Its name.
    pub name: TenantName,
    /// How many accounts it and those beneath it may have.
    pub account_limit: Limit,
    /// Whether it may promise more than it has.
    pub may_oversell: bool,
    /// What its accounts' plans, and those beneath it, may promise of disk space, in units of 2^20 bytes.
    pub disk_limit_mb: Limit,
    /// The same of bandwidth in a month.
    pub bandwidth_limit_mb_per_month: Limit,
    /// How many domains it and those beneath it may have.
    pub domain_limit: Limit,
    /// How many mailboxes.
    pub mailbox_limit: Limit,
    /// How many databases.
    pub database_limit: Limit,
    /// How many requests to the API its keys, and those of tenants beneath it, may make.
    pub api_requests_per_minute: Limit,
    /// What of that it has.
    pub usage: TenantUsage,
    /// Why nothing of it is served, if that was said of the tenant itself.
    pub suspension: Option<Suspension>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// What a tenant and those beneath it have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantUsage {
    /// Accounts, without those that are going.
    pub accounts: u64,
    /// What their plans promise of disk space.
    pub disk_mb: u64,
    /// What those of their plans promise of bandwidth that have a limit of it.
    pub bandwidth_mb_per_month: u64,
    /// Their domains.
    pub domains: u64,
    /// Their databases.
    pub databases: u64,
}

/// Filters of tenants.
#[derive(Debug, Clone, Default)]
pub struct TenantFilter {
    /// Only those directly beneath this one.
    pub parent_id: Option<TenantId>,
    /// Only with this name.
    pub name: Option<String>,
    /// Only what was suspended itself, or only what was not.
    pub suspended: Option<bool>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

const TENANTS: &str = "SELECT *,
    (SELECT accounts FROM tenant_accounts n WHERE n.tenant_id = tenants.id) AS accounts_used,
    (SELECT disk_mb FROM tenant_usage n WHERE n.tenant_id = tenants.id) AS disk_mb_used,
    (SELECT bandwidth_mb_per_month FROM tenant_usage n WHERE n.tenant_id = tenants.id) AS bandwidth_used,
    (SELECT domains FROM tenant_usage n WHERE n.tenant_id = tenants.id) AS domains_used,
    (SELECT databases FROM tenant_usage n WHERE n.tenant_id = tenants.id) AS databases_used
    FROM tenants";

impl FromRow for Tenant {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let parent: Option<&[u8]> = row::get(row, "parent_id")?;
        Ok(Self {
            id: row::id(row, "id", TenantId::from_bytes)?,
            parent_id: parent
                .map(TenantId::from_bytes)
                .transpose()
                .map_err(|error| row::corrupt("parent_id", error))?,
            name: row::text(row, "name")?,
            account_limit: row::optional_number(row, "account_limit")?.into(),
            may_oversell: row::get(row, "may_oversell")?,
            disk_limit_mb: limit(row, "disk_limit_mb")?,
            bandwidth_limit_mb_per_month: limit(row, "bandwidth_limit_mb_per_month")?,
            domain_limit: limit(row, "domain_limit")?,
            mailbox_limit: limit(row, "mailbox_limit")?,
            database_limit: limit(row, "database_limit")?,
            api_requests_per_minute: limit(row, "api_requests_per_minute")?,
            usage: TenantUsage {
                accounts: row::number(row, "accounts_used")?,
                disk_mb: row::number(row, "disk_mb_used")?,
                bandwidth_mb_per_month: row::number(row, "bandwidth_used")?,
                domains: row::number(row, "domains_used")?,
                databases: row::number(row, "databases_used")?,
            },
            suspension: suspension::of_row(row, &suspension::OWN)?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

fn limit(row: &impl AnyRow, column: &'static str) -> Result<Limit, QueryError> {
    Ok(row::optional_number(row, column)?.into())
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: PlanName,
    /// Disk space of an account.
    pub disk: Megabytes,
    /// Domains of an account.
    pub domains: Limit,
    /// Databases of an account.
    pub databases: Limit,
    /// Files and directories of an account.
    pub inodes: Limit,
    /// What an account's sites may send in a month, in units of 2^20 bytes.
    pub bandwidth_mb_per_month: Limit,
    /// Domains of an account beneath another of them.
    pub subdomains: Limit,
    /// Mailboxes of an account.
    pub mailboxes: Limit,
    /// FTP users of an account.
    pub ftp_users: Limit,
    /// Scheduled jobs of an account.
    pub cron_jobs: Limit,
    /// What an account's processes may take of their node.
    pub allotment: Allotment,
    /// The PHP versions that accounts may choose; none: all that their nodes have.
    pub php_versions: Vec<PhpVersion>,
    /// The PHP version that accounts start with.
    pub php_version: PhpVersion,
    /// The memory that an account is promised on its node.
    pub memory: Megabytes,
    /// How its accounts are placed.
    pub placement: PlanPlacement,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// How a plan's accounts are placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPlacement {
    /// Which of the nodes that fit is best; `None`: as the cluster says.
    pub strategy: Option<Strategy>,
    /// Whether a tenant's accounts keep apart.
    pub anti_affinity: AntiAffinity,
    /// Only nodes of this pool.
    pub pool: Option<PoolName>,
    /// Only nodes with these labels.
    pub labels: Vec<NodeLabel>,
}

/// Filters of plans.
#[derive(Debug, Clone, Default)]
pub struct PlanFilter {
    /// Only of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only with this name.
    pub name: Option<String>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
}

const PLANS: &str = "SELECT * FROM plans";

impl FromRow for Plan {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", PlanId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            name: row::text(row, "name")?,
            disk: Megabytes(row::number(row, "disk_mb")?),
            domains: row::optional_number(row, "domains")?.into(),
            databases: row::optional_number(row, "databases")?.into(),
            inodes: limit(row, "inodes")?,
            bandwidth_mb_per_month: limit(row, "bandwidth_mb_per_month")?,
            subdomains: limit(row, "subdomains")?,
            mailboxes: limit(row, "mailboxes")?,
            ftp_users: limit(row, "ftp_users")?,
            cron_jobs: limit(row, "cron_jobs")?,
            allotment: Allotment {
                cpu_percent: row::optional_number(row, "cpu_percent")?,
                memory_limit_mb: row::optional_number(row, "memory_limit_mb")?,
                processes: row::optional_number(row, "processes")?,
                io_mb_per_second: row::optional_number(row, "io_mb_per_second")?,
                io_operations_per_second: row::optional_number(row, "io_operations_per_second")?,
            },
            php_versions: row::list(row, "php_versions")?,
            php_version: row::text(row, "php_version")?,
            memory: Megabytes(row::number(row, "memory_mb")?),
            placement: PlanPlacement {
                strategy: optional_text(row, "placement_strategy")?,
                anti_affinity: row::text(row, "anti_affinity")?,
                pool: optional_text(row, "pool")?,
                labels: row::list(row, "labels")?,
            },
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

fn optional_text<T>(row: &impl AnyRow, column: &'static str) -> Result<Option<T>, QueryError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match row::get::<Option<&str>>(row, column)? {
        Some(_) => row::text(row, column).map(Some),
        None => Ok(None),
    }
}

impl Reader {
    /// Whether promises to the tenant may go beyond what is there: it and everyone above it may.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn overselling(&self, tenant: TenantId) -> Result<Overselling, QueryError> {
        let forbidden = sqlx::query(
            "SELECT 1 FROM tenant_tree up JOIN tenants t ON t.id = up.ancestor_id
             WHERE up.tenant_id = ?1 AND t.may_oversell = 0 LIMIT 1",
        )
        .bind(tenant.to_bytes())
        .fetch_optional(&self.pool())
        .await?;
        Ok(if forbidden.is_some() { Overselling::Forbidden } else { Overselling::Allowed })
    }

    /// The tenant, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn tenant(
        &self,
        scope: impl Into<Purview>,
        id: TenantId,
    ) -> Result<Option<Tenant>, QueryError> {
        self.one(TENANTS, Scope::Tenants(scope.into()), id.to_bytes()).await
    }

    /// Tenants that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn tenants(
        &self,
        scope: impl Into<Purview>,
        filter: TenantFilter,
        page: &Page,
    ) -> Result<Vec<Tenant>, QueryError> {
        let wheres = vec![
            Where::bytes("parent_id", filter.parent_id.map(TenantId::to_bytes)),
            Where::text("name", filter.name),
            Where::Holds("suspended_millis IS NOT NULL", filter.suspended),
            Where::Since(filter.created_since),
        ];
        self.list(TENANTS, Scope::Tenants(scope.into()), wheres, page).await
    }

    /// Whether `tenant` is `root` or beneath it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn is_within(&self, tenant: TenantId, root: TenantId) -> Result<bool, QueryError> {
        Ok(self.tenant(root, tenant).await?.is_some())
    }

    /// The plan, if `scope` may use it or sees it: its own, those handed down to it, those beneath it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn plan(&self, scope: impl Into<Purview>, id: PlanId) -> Result<Option<Plan>, QueryError> {
        self.one(PLANS, Scope::Line(scope.into()), id.to_bytes()).await
    }

    /// The plans that accounts follow to another PHP version at the moment, or could by now after having been left
    /// behind.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn followed_plans(&self) -> Result<Vec<PlanId>, QueryError> {
        let rows = sqlx::query(
            "SELECT id FROM plans WHERE following_operation_id IS NOT NULL UNION SELECT plan_id FROM catching_up
             ORDER BY 1",
        )
        .fetch_all(&self.pool())
        .await?;
        rows.iter().map(|row| row::id(row, "id", PlanId::from_bytes)).collect()
    }

    /// The tenants whose accounts follow their suspension, or its end, at the moment.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn followed_tenants(&self) -> Result<Vec<TenantId>, QueryError> {
        let select = "SELECT id FROM tenants WHERE followed_by_operation_id IS NOT NULL ORDER BY id";
        let rows = sqlx::query(select).fetch_all(&self.pool()).await?;
        rows.iter().map(|row| row::id(row, "id", TenantId::from_bytes)).collect()
    }

    /// Plans that `scope` may use or sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn plans(
        &self,
        scope: impl Into<Purview>,
        filter: PlanFilter,
        page: &Page,
    ) -> Result<Vec<Plan>, QueryError> {
        let wheres = vec![
            Where::bytes("tenant_id", filter.tenant_id.map(TenantId::to_bytes)),
            Where::text("name", filter.name),
            Where::Since(filter.created_since),
        ];
        self.list(PLANS, Scope::Line(scope.into()), wheres, page).await
    }
}
