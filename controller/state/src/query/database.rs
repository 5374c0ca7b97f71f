//! Databases and their users.

use std::collections::HashMap;

use npanel_model::{
    AccountId, DatabaseId, DatabaseName, DatabaseUserId, DatabaseUserName, Privileges, TenantId, Timestamp,
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    OwnedFilter, Page, QueryError, Reader,
    convergence::{Convergence, Intent},
    list::Scope,
    row::{self, AnyRow, FromRow},
};
use crate::{ObjectKind, Purview};

/// A database of an account.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its id.
    pub id: DatabaseId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// Its full name.
    pub name: DatabaseName,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when its data is kept, if it is being deleted and that is known.
    pub retained_until: Option<Timestamp>,
    /// How far its node is.
    pub convergence: Convergence,
}

/// A database user of an account. Never with the password's hash.
#[derive(Debug, Clone)]
pub struct DatabaseUser {
    /// Its id.
    pub id: DatabaseUserId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// Its full name.
    pub name: DatabaseUserName,
    /// What it may do where.
    pub grants: Vec<Grant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far its node is.
    pub convergence: Convergence,
}

/// What a database user may do in a database.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The database.
    pub database_id: DatabaseId,
    /// Its name.
    pub database: DatabaseName,
    /// What is allowed.
    pub privileges: Privileges,
}

const DATABASES: &str = "SELECT * FROM databases";
const USERS: &str =
    "SELECT id, tenant_id, account_id, name, generation, operation_id, created_millis, deleted_millis,
                     revision
                     FROM database_users";

/// What databases and their users have in common.
struct Owned<Id, Name> {
    intent: Intent,
    rest: (Id, TenantId, AccountId, Name, Timestamp),
    /// Of databases alone: users leave no data.
    retained_until: Option<Timestamp>,
}

impl FromRow for Owned<DatabaseId, DatabaseName> {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let retained_until = row::optional_time(row, "retained_until_millis")?;
        Ok(Self { retained_until, ..owned(row, row::id(row, "id", DatabaseId::from_bytes)?)? })
    }
}

impl FromRow for Owned<DatabaseUserId, DatabaseUserName> {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        owned(row, row::id(row, "id", DatabaseUserId::from_bytes)?)
    }
}

fn owned<Id, Name>(row: &impl AnyRow, id: Id) -> Result<Owned<Id, Name>, QueryError>
where
    Name: std::str::FromStr,
    Name::Err: std::fmt::Display,
{
    let tenant_id = row::id(row, "tenant_id", TenantId::from_bytes)?;
    let account_id = row::id(row, "account_id", AccountId::from_bytes)?;
    let rest = (id, tenant_id, account_id, row::text(row, "name")?, row::time(row, "created_millis")?);
    Ok(Owned { intent: Intent::from_row(row)?, rest, retained_until: None })
}

impl Reader {
    /// The database, if `scope` sees it; also while it is being deleted.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn database(
        &self,
        scope: impl Into<Purview>,
        id: DatabaseId,
    ) -> Result<Option<Database>, QueryError> {
        let row = self.one(DATABASES, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(self.complete_databases(row.into_iter().collect()).await?.pop())
    }

    /// Databases that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn databases(
        &self,
        scope: impl Into<Purview>,
        filter: OwnedFilter,
        page: &Page,
    ) -> Result<Vec<Database>, QueryError> {
        let rows = self
            .list(
                DATABASES,
                Scope::Accounts(scope.into(), "account_id"),
                filter.wheres(ObjectKind::Database),
                page,
            )
            .await?;
        self.complete_databases(rows).await
    }

    async fn complete_databases(
        &self,
        rows: Vec<Owned<DatabaseId, DatabaseName>>,
    ) -> Result<Vec<Database>, QueryError> {
        let rows = rows.into_iter().map(|row| (row.intent, (row.rest, row.retained_until))).collect();
        self.converge(
            ObjectKind::Database,
            rows,
            |((id, tenant_id, account_id, name, created_at), retained_until), convergence| Database {
                id,
                tenant_id,
                account_id,
                name,
                created_at,
                retained_until,
                convergence,
            },
        )
        .await
    }

    /// The database user, if `scope` sees it; also while it is being deleted.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn database_user(
        &self,
        scope: impl Into<Purview>,
        id: DatabaseUserId,
    ) -> Result<Option<DatabaseUser>, QueryError> {
        let row = self.one(USERS, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(self.complete_users(row.into_iter().collect()).await?.pop())
    }

    /// Database users that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn database_users(
        &self,
        scope: impl Into<Purview>,
        filter: OwnedFilter,
        page: &Page,
    ) -> Result<Vec<DatabaseUser>, QueryError> {
        let rows = self
            .list(
                USERS,
                Scope::Accounts(scope.into(), "account_id"),
                filter.wheres(ObjectKind::DatabaseUser),
                page,
            )
            .await?;
        self.complete_users(rows).await
    }

    async fn complete_users(
        &self,
        rows: Vec<Owned<DatabaseUserId, DatabaseUserName>>,
    ) -> Result<Vec<DatabaseUser>, QueryError> {
        let grants = self.grants_of(rows.iter().map(|row| row.rest.0)).await?;
        let rows = rows.into_iter().map(|row| (row.intent, row.rest)).collect();
        self.converge(
            ObjectKind::DatabaseUser,
            rows,
            |(id, tenant_id, account_id, name, created_at), convergence| {
                let grants = grants.get(&id).cloned().unwrap_or_default();
                DatabaseUser { id, tenant_id, account_id, name, grants, created_at, convergence }
            },
        )
        .await
    }

    pub(super) async fn grants_of(
        &self,
        users: impl Iterator<Item = DatabaseUserId>,
    ) -> Result<HashMap<DatabaseUserId, Vec<Grant>>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT g.database_user_id, g.database_id, d.name, g.privileges
             FROM database_grants g JOIN databases d ON d.id = g.database_id WHERE g.database_user_id IN (",
        );
        let mut ids = query.separated(", ");
        for user in users {
            ids.push_bind(user.to_bytes());
        }
        query.push(") ORDER BY g.database_user_id, d.name");
        let mut found: HashMap<DatabaseUserId, Vec<Grant>> = HashMap::new();
        for row in query.build().fetch_all(&self.pool()).await? {
            let grant = Grant {
                database_id: row::id(&row, "database_id", DatabaseId::from_bytes)?,
                database: row::text(&row, "name")?,
                privileges: row::text(&row, "privileges")?,
            };
            found
                .entry(row::id(&row, "database_user_id", DatabaseUserId::from_bytes)?)
                .or_default()
                .push(grant);
        }
        Ok(found)
    }
}
