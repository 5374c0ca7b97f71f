//! Scheduled jobs.

use npanel_model::{AccountId, CronJob, Timestamp};

use super::{
    OwnedFilter, Page, QueryError, Reader,
    convergence::{Convergence, Intent},
    list::Scope,
    row::{self, AnyRow, FromRow},
};
use crate::{ObjectKind, Purview};

/// The scheduled jobs of an account.
#[derive(Debug, Clone)]
pub struct CronTable {
    /// The account, whose id it has.
    pub id: AccountId,
    /// The jobs.
    pub jobs: Vec<CronJob>,
    /// When the first were set.
    pub created_at: Timestamp,
    /// How far its node is.
    pub convergence: Convergence,
}

const TABLES: &str = "SELECT * FROM cron_tables";

struct Found {
    intent: Intent,
    id: AccountId,
    jobs: Vec<CronJob>,
    created_at: Timestamp,
}

impl FromRow for Found {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            intent: Intent::from_row(row)?,
            id: row::id(row, "id", AccountId::from_bytes)?,
            jobs: serde_json::from_str(row::get(row, "jobs")?)
                .map_err(|error| row::corrupt("jobs", error))?,
            created_at: row::time(row, "created_millis")?,
        })
    }
}

impl Reader {
    /// The scheduled jobs of the account, if `scope` sees it and they were ever set.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn cron_table(
        &self,
        scope: impl Into<Purview>,
        id: AccountId,
    ) -> Result<Option<CronTable>, QueryError> {
        let row = self.one(TABLES, Scope::Accounts(scope.into(), "id"), id.to_bytes()).await?;
        Ok(self.complete_cron_tables(row.into_iter().collect()).await?.pop())
    }

    /// The scheduled jobs of accounts that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn cron_tables(
        &self,
        scope: impl Into<Purview>,
        filter: OwnedFilter,
        page: &Page,
    ) -> Result<Vec<CronTable>, QueryError> {
        let rows = self
            .list(TABLES, Scope::Accounts(scope.into(), "id"), filter.wheres(ObjectKind::CronTable), page)
            .await?;
        self.complete_cron_tables(rows).await
    }

    async fn complete_cron_tables(&self, rows: Vec<Found>) -> Result<Vec<CronTable>, QueryError> {
        let rows = rows.into_iter().map(|row| {
            let Found { intent, id, jobs, created_at } = row;
            (intent, (id, jobs, created_at))
        });
        self.converge(ObjectKind::CronTable, rows.collect(), |(id, jobs, created_at), convergence| {
            CronTable { id, jobs, created_at, convergence }
        })
        .await
    }
}
