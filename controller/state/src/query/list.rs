//! Lists: one tenant's view of a table, filtered, in the order of ids, a page at a time.

use npanel_model::{AccountId, TenantId};
use sqlx::{QueryBuilder, Sqlite};

use super::{QueryError, Reader, row::FromRow};

/// Which part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The id after which it begins, as its sixteen bytes; from the start if absent.
    pub after: Option<Vec<u8>>,
    /// How many rows at most.
    pub limit: u32,
}

/// Filters of the nouns that belong to an account.
#[derive(Debug, Clone, Default)]
pub struct OwnedFilter {
    /// Only of this account.
    pub account_id: Option<AccountId>,
    /// Only with this name.
    pub name: Option<String>,
}

impl OwnedFilter {
    pub(super) fn wheres(&self) -> Vec<Where> {
        vec![
            Where::bytes("account_id", self.account_id.map(AccountId::to_bytes)),
            Where::text("name", self.name.clone()),
        ]
    }
}

/// A condition `column = value`, if there is a value.
pub(super) enum Where {
    Bytes(&'static str, Option<Vec<u8>>),
    Text(&'static str, Option<String>),
}

impl Where {
    pub(super) fn bytes(column: &'static str, value: Option<Vec<u8>>) -> Self {
        Self::Bytes(column, value)
    }

    pub(super) fn text(column: &'static str, value: Option<String>) -> Self {
        Self::Text(column, value)
    }
}

/// Where a table is looked at from.
pub(super) enum Scope {
    /// What the tenant and those beneath it own.
    Tenant(TenantId),
    /// What the tenant, those beneath it and those above it own: what is handed down.
    Line(TenantId),
    /// The tenants themselves.
    Tenants(TenantId),
    /// Everything; for the platform's own nouns.
    Platform,
}

impl Reader {
    pub(super) async fn list<T: FromRow>(
        &self,
        select: &'static str,
        scope: Scope,
        wheres: Vec<Where>,
        page: &Page,
    ) -> Result<Vec<T>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new(select);
        push_scope(&mut query, &scope);
        for condition in wheres {
            push_where(&mut query, condition);
        }
        if let Some(after) = &page.after {
            query.push(" AND id > ").push_bind(after.clone());
        }
        query.push(" ORDER BY id LIMIT ").push_bind(i64::from(page.limit));
        let rows = query.build().fetch_all(&self.pool()).await?;
        rows.iter().map(T::from_row).collect()
    }

    pub(super) async fn one<T: FromRow>(
        &self,
        select: &'static str,
        scope: Scope,
        id: Vec<u8>,
    ) -> Result<Option<T>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new(select);
        push_scope(&mut query, &scope);
        query.push(" AND id = ").push_bind(id);
        query.build().fetch_optional(&self.pool()).await?.map(|row| T::from_row(&row)).transpose()
    }
}

fn push_scope(query: &mut QueryBuilder<Sqlite>, scope: &Scope) {
    let (column, tenant) = match scope {
        Scope::Platform => {
            query.push(" WHERE 1 = 1");
            return;
        }
        Scope::Line(tenant) => {
            query.push(" WHERE tenant_id IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ");
            query.push_bind(tenant.to_bytes());
            query.push(" UNION SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ");
            query.push_bind(tenant.to_bytes()).push(")");
            return;
        }
        Scope::Tenant(tenant) => ("tenant_id", tenant),
        Scope::Tenants(tenant) => ("id", tenant),
    };
    query.push(format!(" WHERE {column} IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = "));
    query.push_bind(tenant.to_bytes()).push(")");
}

fn push_where(query: &mut QueryBuilder<Sqlite>, condition: Where) {
    match condition {
        Where::Bytes(column, Some(value)) => {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        Where::Text(column, Some(value)) => {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        Where::Bytes(_, None) | Where::Text(_, None) => {}
    }
}
