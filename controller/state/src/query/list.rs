//! Lists: one tenant's view of a table, filtered, in the order of ids or of names, a page at a time.

use npanel_model::{AccountId, NodeId, TenantId, Timestamp};
use rusqlite::Connection;

use super::{
    QueryError, Reader,
    asking::Asking,
    convergence::ObjectStatus,
    point::point,
    row::{self, FromRow},
};
use crate::{ObjectKind, Purview};

/// Which part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// After which row it begins: the sixteen bytes of its id, and in the order of names its name after them; from the start
    /// if absent.
    pub after: Option<Vec<u8>>,
    /// How many rows at most.
    pub limit: u32,
    /// In which order the list is.
    pub order: Order,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: By,
    /// Whether the last come first.
    pub descending: bool,
}

/// What a list can be in the order of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// Ids, which begin with the moment in which they were made.
    #[default]
    Made,
    /// Names; those of accounts are user names.
    Name,
}

/// The bytes of an id.
const ID_BYTES: usize = 16;

/// Filters of the nouns that nodes converge on.
#[derive(Debug, Clone, Default)]
pub struct Converging {
    /// Only of this tenant itself.
    pub tenant_id: Option<TenantId>,
    /// Only what this node holds, or is to hold.
    pub node_id: Option<NodeId>,
    /// Only what stands so.
    pub status: Option<ObjectStatus>,
    /// Only what was made then or later.
    pub created_since: Option<Timestamp>,
    /// Only what is being deleted, or only what is not.
    pub deleted: Option<bool>,
}

impl Converging {
    pub(super) fn wheres(&self, kind: ObjectKind) -> Vec<Where> {
        vec![
            Where::bytes("tenant_id", self.tenant_id.map(TenantId::to_bytes)),
            Where::OnNode(kind, self.node_id),
            Where::Status(kind, self.status),
            Where::Since(self.created_since),
            Where::Holds("deleted_millis IS NOT NULL", self.deleted),
        ]
    }
}

/// Filters of the nouns that belong to an account.
#[derive(Debug, Clone, Default)]
pub struct OwnedFilter {
    /// Only of this account.
    pub account_id: Option<AccountId>,
    /// Only with this name.
    pub name: Option<String>,
    /// Only what is suspended, by itself or with its account; or only what is not. Of domains.
    pub suspended: Option<bool>,
    /// And so.
    pub converging: Converging,
}

impl OwnedFilter {
    pub(super) fn wheres(&self, kind: ObjectKind) -> Vec<Where> {
        let mut wheres = self.converging.wheres(kind);
        wheres.push(Where::bytes("account_id", self.account_id.map(AccountId::to_bytes)));
        wheres.push(Where::text("name", self.name.clone()));
        wheres
    }
}

/// A condition, if there is a value.
pub(super) enum Where {
    Bytes(&'static str, Option<Vec<u8>>),
    /// In one of two columns.
    Either(&'static str, &'static str, Option<Vec<u8>>),
    /// Ending then or later.
    EndsSince(Option<Timestamp>),
    Text(&'static str, Option<String>),
    /// Within a JSON array of texts.
    Holding(&'static str, Option<String>),
    /// Made then or later.
    Since(Option<Timestamp>),
    /// Held by a node.
    OnNode(ObjectKind, Option<NodeId>),
    /// Standing so.
    Status(ObjectKind, Option<ObjectStatus>),
    /// Whether an expression of SQL holds.
    Holds(&'static str, Option<bool>),
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
    /// What the tenant and those beneath it own. Nothing, to who is confined to accounts.
    Tenant(Purview),
    /// What accounts of the tenant and those beneath it have; which account's it is, is in this column.
    Accounts(Purview, &'static str),
    /// What the tenant, those beneath it and those above it own: what is handed down. Nothing, to who is confined.
    Line(Purview),
    /// The tenants themselves. Nothing, to who is confined.
    Tenants(Purview),
    /// Everything; for the platform's own nouns.
    Platform,
}

impl Scope {
    fn purview(&self) -> Option<&Purview> {
        match self {
            Self::Platform => None,
            Self::Tenant(purview)
            | Self::Accounts(purview, _)
            | Self::Line(purview)
            | Self::Tenants(purview) => Some(purview),
        }
    }

    /// The condition by which who is confined to accounts sees those alone. Ids are written out: they are no text from outside.
    fn confinement(&self) -> String {
        let Some(accounts) = self.purview().and_then(|purview| purview.accounts.as_ref()) else {
            return String::new();
        };
        let Self::Accounts(_, column) = self else { return " AND 0".to_owned() };
        let ids: Vec<String> = accounts.iter().map(literal).collect();
        format!(" AND {column} IN ({})", ids.join(", "))
    }
}

/// An id as SQL writes it.
fn literal(id: &AccountId) -> String {
    format!("x'{}'", id.to_string().replace('-', ""))
}

/// How much of a table a tenant sees, for that decides how it is read: in the order of ids, until the page is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All of it: row after row.
    All,
    /// Its own rows only: by the index of tenants.
    Own,
    /// Its own and those of some others. All of them are looked at and put in order: they are a reseller's.
    Some,
}

impl Sight {
    fn of(db: &Connection, tenant: TenantId) -> Result<Self, QueryError> {
        let select = "SELECT EXISTS (SELECT 1 FROM cluster WHERE root_tenant_id = ?1) AS sees_all,
                (SELECT count(*) FROM (SELECT 1 FROM tenant_tree WHERE ancestor_id = ?1 LIMIT 2)) AS tenants";
        let found = point(db, select, [tenant.to_bytes()], |row| {
            Ok(match (row::get(row, "sees_all")?, row::number(row, "tenants")?) {
                (true, _) => Self::All,
                (false, 1) => Self::Own,
                (false, _) => Self::Some,
            })
        })?;
        Ok(found.unwrap_or(Self::Some))
    }
}

/// A page of a table, whose rows have their names in this column.
pub(super) fn rows<T: FromRow>(
    db: &Connection,
    select: &'static str,
    name: &'static str,
    scope: &Scope,
    wheres: Vec<Where>,
    page: &Page,
) -> Result<Vec<T>, QueryError> {
    let sight = match scope {
        Scope::Tenant(purview) | Scope::Accounts(purview, _) => Sight::of(db, purview.tenant_id)?,
        _ => Sight::Some,
    };
    list_query(select, name, scope, sight, wheres, page).all(db, |row| T::from_row(row))
}

/// A row of a table. Whether it is to be seen is looked up by its tenant, not among all tenants that there are.
pub(super) fn one_row<T: FromRow>(
    db: &Connection,
    select: &'static str,
    scope: &Scope,
    id: Vec<u8>,
) -> Result<Option<T>, QueryError> {
    let tenant = scope.purview().map(|purview| purview.tenant_id.to_bytes());
    point(db, &one_query(select, scope), (id, tenant), |row| T::from_row(row))
}

fn one_query(select: &str, scope: &Scope) -> String {
    let within = match scope {
        Scope::Platform => "?2 IS NULL",
        Scope::Tenant(_) | Scope::Accounts(..) => {
            "(?2, tenant_id) IN (SELECT ancestor_id, tenant_id FROM tenant_tree)"
        }
        Scope::Tenants(_) => "(?2, id) IN (SELECT ancestor_id, tenant_id FROM tenant_tree)",
        Scope::Line(_) => {
            "((?2, tenant_id) IN (SELECT ancestor_id, tenant_id FROM tenant_tree)
                 OR (tenant_id, ?2) IN (SELECT ancestor_id, tenant_id FROM tenant_tree))"
        }
    };
    format!("{select} WHERE id = ?1 AND {within}{}", scope.confinement())
}

impl Reader {
    pub(super) async fn list<T: FromRow + 'static>(
        &self,
        select: &'static str,
        scope: Scope,
        wheres: Vec<Where>,
        page: &Page,
    ) -> Result<Vec<T>, QueryError> {
        self.list_named(select, "name", scope, wheres, page).await
    }

    /// [`Self::list`] of a table whose rows have their names in this column.
    pub(super) async fn list_named<T: FromRow + 'static>(
        &self,
        select: &'static str,
        name: &'static str,
        scope: Scope,
        wheres: Vec<Where>,
        page: &Page,
    ) -> Result<Vec<T>, QueryError> {
        let page = page.clone();
        self.at_length(move |db| rows(db, select, name, &scope, wheres, &page)).await
    }

    pub(super) async fn one<T: FromRow>(
        &self,
        select: &'static str,
        scope: Scope,
        id: Vec<u8>,
    ) -> Result<Option<T>, QueryError> {
        self.at_once(|db| one_row(db, select, &scope, id))
    }
}

fn list_query(
    select: &str,
    name: &str,
    scope: &Scope,
    sight: Sight,
    wheres: Vec<Where>,
    page: &Page,
) -> Asking {
    let mut query = Asking::new(select);
    push_scope(&mut query, scope, sight);
    query.push(scope.confinement());
    for condition in wheres {
        push_where(&mut query, condition);
    }
    push_order(&mut query, name, page);
    query.push(" LIMIT ").push_bind(i64::from(page.limit));
    query
}

/// Where the page begins, and the order. Ids tell rows of one name from each other.
fn push_order(query: &mut Asking, name: &str, page: &Page) {
    let (beyond, direction) = if page.order.descending { ("<", " DESC") } else { (">", "") };
    match (page.order.by, &page.after) {
        (By::Made, Some(id)) => {
            query.push(format!(" AND id {beyond} ")).push_bind(id.clone());
        }
        (By::Name, Some(after)) => {
            let (id, after) = after.split_at(after.len().min(ID_BYTES));
            query.push(format!(" AND ({name}, id) {beyond} ("));
            query
                .push_bind(String::from_utf8_lossy(after).into_owned())
                .push(", ")
                .push_bind(id.to_vec())
                .push(")");
        }
        (_, None) => {}
    }
    let by_name = match page.order.by {
        By::Name => format!("{name}{direction}, "),
        By::Made => String::new(),
    };
    query.push(format!(" ORDER BY {by_name}id{direction}"));
}

fn push_scope(query: &mut Asking, scope: &Scope, sight: Sight) {
    let (column, purview) = match scope {
        Scope::Platform => {
            query.push(" WHERE 1 = 1");
            return;
        }
        Scope::Line(purview) => {
            query.push(" WHERE tenant_id IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ");
            query.push_bind(purview.tenant_id.to_bytes());
            query.push(" UNION SELECT ancestor_id FROM tenant_tree WHERE tenant_id = ");
            query.push_bind(purview.tenant_id.to_bytes()).push(")");
            return;
        }
        Scope::Tenant(purview) | Scope::Accounts(purview, _) if sight == Sight::Own => {
            query.push(" WHERE tenant_id = ").push_bind(purview.tenant_id.to_bytes());
            return;
        }
        // The sign keeps the planner from the index of tenants, by which it would look at all rows and put them in order. Each
        // row's tenant is looked up: to gather all tenants first would take longer than the page.
        Scope::Tenant(purview) | Scope::Accounts(purview, _) if sight == Sight::All => {
            query.push(" WHERE (").push_bind(purview.tenant_id.to_bytes());
            query.push(", +tenant_id) IN (SELECT ancestor_id, tenant_id FROM tenant_tree)");
            return;
        }
        Scope::Tenant(purview) | Scope::Accounts(purview, _) => ("tenant_id", purview),
        Scope::Tenants(purview) => ("id", purview),
    };
    let tenant = purview.tenant_id;
    query.push(format!(" WHERE {column} IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = "));
    query.push_bind(tenant.to_bytes()).push(")");
}

fn push_where(query: &mut Asking, condition: Where) {
    match condition {
        Where::Bytes(column, Some(value)) => {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        Where::Either(one, other, Some(value)) => {
            query.push(format!(" AND ({one} = ")).push_bind(value.clone());
            query.push(format!(" OR {other} = ")).push_bind(value).push(")");
        }
        Where::EndsSince(Some(time)) => {
            query.push(" AND expires_millis >= ").push_bind(time.as_millis());
        }
        Where::Text(column, Some(value)) => {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        Where::Holding(column, Some(value)) => {
            query.push(format!(" AND EXISTS (SELECT 1 FROM json_each({column}) WHERE value = "));
            query.push_bind(value).push(")");
        }
        Where::Since(Some(time)) => {
            query.push(" AND created_millis >= ").push_bind(time.as_millis());
        }
        Where::OnNode(kind, Some(node)) => {
            query
                .push(format!(" AND {} AND o.node_id = ", on_nodes(kind)))
                .push_bind(node.to_bytes())
                .push(")");
        }
        Where::Status(kind, Some(status)) => {
            query.push(format!(" AND {}", standing(kind, status)));
        }
        Where::Holds(expression, Some(holds)) => {
            query.push(format!(" AND ({expression}) = {}", u8::from(holds)));
        }
        Where::Bytes(_, None)
        | Where::Either(_, _, None)
        | Where::EndsSince(None)
        | Where::Text(_, None)
        | Where::Holding(_, None)
        | Where::Since(None)
        | Where::OnNode(_, None)
        | Where::Status(_, None)
        | Where::Holds(_, None) => {}
    }
}

/// The beginning of a look at the nodes of a row: to be gone on with, and closed.
fn on_nodes(kind: ObjectKind) -> String {
    let (table, kind) = (kind.table(), kind.as_str());
    format!("EXISTS (SELECT 1 FROM node_objects o WHERE o.object_id = {table}.id AND o.kind = '{kind}'")
}

/// Which parts, if they are unplaced, leave an object of this kind on no node. An account itself is all of its parts.
pub(super) fn parts_shown(kind: ObjectKind) -> String {
    match kind {
        ObjectKind::Account => "'web', 'database'".to_owned(),
        _ => format!("'{}'", kind.role()),
    }
}

/// What an object's status is made of, as a query; see `convergence::status`.
fn standing(kind: ObjectKind, status: ObjectStatus) -> String {
    let (table, on_nodes) = (kind.table(), on_nodes(kind));
    let (owner, parts) = (kind.placed_by(), parts_shown(kind));
    let behind = match kind {
        ObjectKind::Account => " OR EXISTS (SELECT 1 FROM left_behind l WHERE l.account_id = accounts.id)",
        _ => "",
    };
    let failed = format!(
        "({on_nodes} AND o.observed_state = 'failed' AND o.observed_generation >= {table}.generation)
          OR EXISTS (SELECT 1 FROM unplaced u WHERE u.owner_id = {table}.{owner} AND u.part IN ({parts})){behind})"
    );
    let open = format!("{on_nodes} AND o.settled = 0)");
    let lives = format!("{table}.deleted_millis IS NULL");
    match status {
        ObjectStatus::Deleting => format!("{table}.deleted_millis IS NOT NULL"),
        ObjectStatus::Failed => format!("{lives} AND {failed}"),
        ObjectStatus::Converging => format!("{lives} AND NOT {failed} AND {open}"),
        ObjectStatus::Ready => format!("{lives} AND NOT {failed} AND NOT {open}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{open, points::Points};

    /// How SQLite would read a page in the middle of a table.
    fn plan(points: &Points, table: &str, sight: Sight, order: Order) -> String {
        let scope = Scope::Tenant(TenantId::generate().into());
        let page = Page { after: Some(vec![b'a'; 20]), limit: 100, order };
        let explain = format!("EXPLAIN QUERY PLAN SELECT * FROM {table}");
        let name = if table == "accounts" { "username" } else { "name" };
        let query = list_query(&explain, name, &scope, sight, Vec::new(), &page);
        let lines = points.with(|db| query.all(db, |row| row::get::<String>(row, "detail")));
        lines.expect("a plan").join("\n")
    }

    #[tokio::test]
    async fn a_page_ends_when_it_is_full_for_who_sees_all_and_for_who_sees_only_their_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        open::migrate(&path).await.expect("migrated");
        let points = Points::new(path);
        let tables =
            ["accounts", "domains", "databases", "database_users", "zones", "record_sets", "operations"];
        for table in tables {
            for sight in [Sight::All, Sight::Own] {
                let plan = plan(&points, table, sight, Order::default());
                assert!(!plan.contains("TEMP B-TREE"), "{sight:?} of {table} is put in order:\n{plan}");
            }
            let own = plan(&points, table, Sight::Own, Order::default());
            assert!(own.contains(&format!("INDEX {table}_by_tenant (tenant_id=? AND id>?)")), "{own}");
            let all = plan(&points, table, Sight::All, Order::default());
            assert!(!all.contains("LIST SUBQUERY"), "all tenants are gathered for a page:\n{all}");
        }
        for table in ["accounts", "domains", "databases"] {
            for (by, descending) in [(By::Made, true), (By::Name, false), (By::Name, true)] {
                for sight in [Sight::All, Sight::Own] {
                    let plan = plan(&points, table, sight, Order { by, descending });
                    let is_in_order = !plan.contains("TEMP B-TREE") && !plan.contains("SCAN");
                    assert!(is_in_order, "{sight:?} of {table} by {by:?} is looked through:\n{plan}");
                }
            }
        }
    }

    #[tokio::test]
    async fn who_sees_an_object_is_looked_up_and_not_gathered() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.db");
        open::migrate(&path).await.expect("migrated");
        let points = Points::new(path);
        let of = TenantId::generate();
        for scope in [Scope::Tenant(of.into()), Scope::Tenants(of.into()), Scope::Line(of.into())] {
            let explain = one_query("EXPLAIN QUERY PLAN SELECT * FROM plans", &scope);
            let steps = points.with(|db| {
                let mut explain = db.prepare(&explain)?;
                let steps = explain.query_map((vec![1_u8; 16], of.to_bytes()), |row| row.get("detail"))?;
                Ok(steps.collect::<rusqlite::Result<Vec<String>>>()?)
            });
            let steps = steps.expect("a plan").join("\n");
            assert!(!steps.contains("LIST SUBQUERY"), "{steps}");
        }
    }
}
