//! Accounts and where their parts are.

use std::collections::HashMap;

use npanel_model::{
    AccountId, AssignmentId, EmailAddress, NodeId, Part, PhpVersion, PlanId, TenantId, Timestamp, Uid,
    Username,
};
use rusqlite::Connection;

use super::{
    Converging, Page, QueryError, Reader, Suspension,
    convergence::{Convergence, Intent, conditions},
    list::{Scope, Where, one_row, rows},
    point::{of_ids, point, together},
    row::{self, AnyRow, Found, FromRow},
    suspension,
};
use crate::{ObjectKind, Purview};

/// A hosting account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its plan.
    pub plan_id: PlanId,
    /// Its Unix user name.
    pub username: Username,
    /// Its Unix user id, the same on every node for ever.
    pub uid: Uid,
    /// The owner's address.
    pub contact: Option<EmailAddress>,
    /// Its PHP version.
    pub php_version: PhpVersion,
    /// Whether that was chosen for the account; otherwise it is the plan's.
    pub php_chosen: bool,
    /// Why it is not served, if that was said of the account itself.
    pub suspension: Option<Suspension>,
    /// Why it is not served, if that was said of its tenant, or of one above.
    pub tenant_suspension: Option<Suspension>,
    /// Which nodes carry its parts.
    pub assignments: Vec<Assignment>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// Until when its data is kept, if it was deleted and that is known.
    pub retained_until: Option<Timestamp>,
    /// How far its nodes are.
    pub convergence: Convergence,
}

/// A part of an account on a node.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Which part.
    pub part: Part,
    /// Which node.
    pub node_id: NodeId,
    /// "incoming", "active" or "outgoing".
    pub state: String,
    /// Raised with each move.
    pub epoch: u64,
}

/// Something of its plan's placement that a node of an account does not fulfil: because the plan or the node changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetTerm {
    /// The node.
    pub node_id: NodeId,
    /// "pool", "label" or "keep_apart".
    pub term: String,
    /// The pool or label that the plan wants, or how many of the tenant's accounts a node may have.
    pub wanted: String,
    /// What the node is or has instead; may be empty.
    pub has: String,
}

/// An account with what is shown of it alone.
#[derive(Debug, Clone)]
pub struct WholeAccount {
    /// The account.
    pub account: Account,
    /// Why it is where it is: JSON, every node's verdict when it was placed; `None` if nothing was kept.
    pub placement_report: Option<String>,
    /// What its nodes do not fulfil of its plan's placement.
    pub unmet: Vec<UnmetTerm>,
}

/// Filters of accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Only with this plan.
    pub plan_id: Option<PlanId>,
    /// Only with this user name.
    pub username: Option<String>,
    /// Only what is suspended, or only what is not.
    pub suspended: Option<bool>,
    /// Only where the nodes are what the plan asks for, or only where they are not.
    pub placement_met: Option<bool>,
    /// Only what has no more of anything than its plan allows, or only what has.
    pub within_plan: Option<bool>,
    /// And so.
    pub converging: Converging,
}

/// Of several suspended tenants above it, the first that was.
const ACCOUNTS: &str = "SELECT *,
    iif(tenant_suspended, (SELECT s.suspended_millis FROM suspended_tenants s WHERE s.tenant_id = accounts.tenant_id
        ORDER BY s.suspended_millis LIMIT 1), NULL) AS tenant_suspended_millis,
    iif(tenant_suspended, (SELECT s.suspended_reason FROM suspended_tenants s WHERE s.tenant_id = accounts.tenant_id
        ORDER BY s.suspended_millis LIMIT 1), '') AS tenant_suspended_reason,
    iif(tenant_suspended, (SELECT s.suspended_kind FROM suspended_tenants s WHERE s.tenant_id = accounts.tenant_id
        ORDER BY s.suspended_millis LIMIT 1), '') AS tenant_suspended_kind,
    iif(tenant_suspended, (SELECT s.suspended_by FROM suspended_tenants s WHERE s.tenant_id = accounts.tenant_id
        ORDER BY s.suspended_millis LIMIT 1), '') AS tenant_suspended_by
    FROM accounts";

struct AccountRow {
    intent: Intent,
    account: PartialAccount,
}

struct PartialAccount {
    id: AccountId,
    tenant_id: TenantId,
    plan_id: PlanId,
    username: Username,
    uid: Uid,
    contact: Option<EmailAddress>,
    php_version: PhpVersion,
    php_chosen: bool,
    suspension: Option<Suspension>,
    tenant_suspension: Option<Suspension>,
    created_at: Timestamp,
    deleted_at: Option<Timestamp>,
    retained_until: Option<Timestamp>,
}

impl FromRow for AccountRow {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let contact: &str = row::get(row, "contact")?;
        let account = PartialAccount {
            id: row::id(row, "id", AccountId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            plan_id: row::id(row, "plan_id", PlanId::from_bytes)?,
            username: row::text(row, "username")?,
            uid: Uid::new(row::number32(row, "uid")?).map_err(|error| row::corrupt("uid", error))?,
            contact: (!contact.is_empty()).then(|| row::text(row, "contact")).transpose()?,
            php_version: row::text(row, "php_version")?,
            php_chosen: row::get(row, "php_chosen")?,
            suspension: suspension::of_row(row, &suspension::OWN)?,
            tenant_suspension: suspension::of_row(row, &suspension::OF_TENANT)?,
            created_at: row::time(row, "created_millis")?,
            deleted_at: row::optional_time(row, "deleted_millis")?,
            retained_until: row::optional_time(row, "retained_until_millis")?,
        };
        Ok(Self { intent: Intent::from_row(row)?, account })
    }
}

impl Reader {
    /// The account, if `scope` sees it; also while it is being deleted.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn account(
        &self,
        scope: impl Into<Purview>,
        id: AccountId,
    ) -> Result<Option<Account>, QueryError> {
        let scope = scope.into();
        self.at_once(|db| together(db, |db| account(db, &scope, id)))
    }

    /// The account with what is shown of it alone; what is unmet only for who asks for that.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn whole_account(
        &self,
        scope: impl Into<Purview>,
        id: AccountId,
        with_unmet: bool,
    ) -> Result<Option<WholeAccount>, QueryError> {
        let scope = scope.into();
        let whole = |db: &Connection| {
            let Some(account) = account(db, &scope, id)? else { return Ok(None) };
            let select = "SELECT report FROM placement_reports WHERE account_id = ?1";
            let placement_report = point(db, select, [id.to_bytes()], |row| row::get(row, "report"))?;
            let unmet = if with_unmet { unmet(db, &[id.to_bytes()])?.remove(&id) } else { None };
            Ok(Some(WholeAccount { account, placement_report, unmet: unmet.unwrap_or_default() }))
        };
        self.at_once(|db| together(db, whole))
    }

    /// Accounts that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn accounts(
        &self,
        scope: impl Into<Purview>,
        filter: AccountFilter,
        page: &Page,
    ) -> Result<Vec<Account>, QueryError> {
        Ok(self.accounts_and_unmet(scope, filter, page, false).await?.0)
    }

    /// The same with what their nodes do not fulfil of their plans' placement, for who asks for that; nothing of those whose nodes
    /// do.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn accounts_and_unmet(
        &self,
        scope: impl Into<Purview>,
        filter: AccountFilter,
        page: &Page,
        with_unmet: bool,
    ) -> Result<(Vec<Account>, HashMap<AccountId, Vec<UnmetTerm>>), QueryError> {
        let mut wheres = filter.converging.wheres(ObjectKind::Account);
        wheres.extend([
            Where::bytes("plan_id", filter.plan_id.map(PlanId::to_bytes)),
            Where::text("username", filter.username),
            Where::Holds("is_suspended", filter.suspended),
            Where::Holds(
                "NOT EXISTS (SELECT 1 FROM exceeding WHERE account_id = accounts.id)",
                filter.within_plan,
            ),
            Where::Holds(
                "NOT EXISTS (SELECT 1 FROM unmet WHERE account_id = accounts.id)",
                filter.placement_met,
            ),
        ]);
        let (scope, page) = (Scope::Accounts(scope.into(), "id"), page.clone());
        let read = move |db: &Connection| {
            let accounts = complete(db, rows(db, ACCOUNTS, "username", &scope, wheres, &page)?)?;
            let ids: Vec<_> = accounts.iter().map(|account| account.id.to_bytes()).collect();
            let unmet = if with_unmet { unmet(db, &ids)? } else { HashMap::new() };
            Ok((accounts, unmet))
        };
        self.at_length(|db| together(db, read)).await
    }

    /// Why the account is where it is: JSON, every node's verdict when it was placed; `None` if nothing was kept.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn placement_report(&self, id: AccountId) -> Result<Option<String>, QueryError> {
        let select = "SELECT report FROM placement_reports WHERE account_id = ?1";
        self.point(select, [id.to_bytes()], |row| row::get(row, "report"))
    }
}

fn account(db: &Connection, scope: &Purview, id: AccountId) -> Result<Option<Account>, QueryError> {
    let row = one_row(db, ACCOUNTS, &Scope::Accounts(scope.clone(), "id"), id.to_bytes())?;
    Ok(complete(db, row.into_iter().collect())?.pop())
}

/// Accounts with what is not in their own rows.
fn complete(db: &Connection, rows: Vec<AccountRow>) -> Result<Vec<Account>, QueryError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = rows.iter().map(|row| row.account.id.to_bytes()).collect();
    let mut assignments = assignments(db, &ids)?;
    let mut conditions = conditions(db, ObjectKind::Account, &ids)?;
    let complete = |AccountRow { intent, account }| Account {
        assignments: assignments.remove(&account.id).unwrap_or_default(),
        id: account.id,
        tenant_id: account.tenant_id,
        plan_id: account.plan_id,
        username: account.username,
        uid: account.uid,
        contact: account.contact,
        php_version: account.php_version,
        php_chosen: account.php_chosen,
        suspension: account.suspension,
        tenant_suspension: account.tenant_suspension,
        created_at: account.created_at,
        deleted_at: account.deleted_at,
        retained_until: account.retained_until,
        convergence: {
            let of_account = conditions.remove(&intent.id).unwrap_or_default();
            intent.with(of_account)
        },
    };
    Ok(rows.into_iter().map(complete).collect())
}

fn unmet(db: &Connection, accounts: &[Vec<u8>]) -> Result<HashMap<AccountId, Vec<UnmetTerm>>, QueryError> {
    // Most plans want nothing of the kind; of those that do, node by node is compared.
    let placed = "SELECT a.id FROM accounts a JOIN plans p ON p.id = a.plan_id
         WHERE (p.pool IS NOT NULL OR p.labels <> '[]' OR p.anti_affinity = 'required') AND a.id";
    let accounts = of_ids(db, placed, accounts, "", |row| row::get::<Vec<u8>>(row, "id"))?;
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    let read = |row: &Found<'_>| {
        let term = UnmetTerm {
            node_id: row::id(row, "node_id", NodeId::from_bytes)?,
            term: row::get(row, "term")?,
            wanted: row::get(row, "wanted")?,
            has: row::get(row, "has")?,
        };
        Ok((row::id(row, "account_id", AccountId::from_bytes)?, term))
    };
    let order = "ORDER BY account_id, node_id, term, wanted";
    Ok(by_account(of_ids(db, "SELECT * FROM unmet WHERE account_id", &accounts, order, read)?))
}

fn assignments(
    db: &Connection,
    accounts: &[Vec<u8>],
) -> Result<HashMap<AccountId, Vec<Assignment>>, QueryError> {
    let read = |row: &Found<'_>| {
        let assignment = Assignment {
            id: row::id(row, "id", AssignmentId::from_bytes)?,
            part: row::text(row, "part")?,
            node_id: row::id(row, "node_id", NodeId::from_bytes)?,
            state: row::get(row, "state")?,
            epoch: row::number(row, "epoch")?,
        };
        Ok((row::id(row, "account_id", AccountId::from_bytes)?, assignment))
    };
    let order = "ORDER BY account_id, part, id";
    Ok(by_account(of_ids(db, "SELECT * FROM assignments WHERE account_id", accounts, order, read)?))
}

fn by_account<T>(rows: Vec<(AccountId, T)>) -> HashMap<AccountId, Vec<T>> {
    let mut found: HashMap<AccountId, Vec<T>> = HashMap::new();
    for (account, row) in rows {
        found.entry(account).or_default().push(row);
    }
    found
}
