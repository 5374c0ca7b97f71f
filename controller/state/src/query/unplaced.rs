//! What no node carries, for the leader that places it anew.

use npanel_model::{AccountId, AccountWish, NodeId, Part, PhpVersion, PlanId, TenantId, ZoneId};

use super::{
    QueryError, Reader,
    row::{self, AnyRow},
};

/// An account of which a part is on no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnplacedAccount {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its plan.
    pub plan_id: PlanId,
    /// The PHP version that its web part needs.
    pub php_version: PhpVersion,
    /// The parts that are on no node.
    pub parts: Vec<Part>,
    /// A node that carries another part of it.
    pub near: Option<NodeId>,
    /// Where it was wished when it was made.
    pub wish: AccountWish,
}

macro_rules! accounts {
    ($of:literal) => {
        concat!(
            "SELECT a.id, a.tenant_id, a.plan_id, a.php_version, a.wished_pool, a.wished_labels,
                 a.wished_availability_zone, group_concat(u.part) AS parts,
                 (SELECT x.node_id FROM assignments x WHERE x.account_id = a.id ORDER BY x.part LIMIT 1) AS near
             FROM unplaced u JOIN accounts a ON a.id = u.owner_id WHERE u.part != 'dns' AND ",
            $of
        )
    };
}

const SOME: &str = accounts!("a.id > ?1 GROUP BY a.id ORDER BY a.id LIMIT ?2");
const ONE: &str = accounts!("a.id = ?1 GROUP BY a.id");

impl Reader {
    /// Accounts of which a part is on no node, in the order of their ids.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn unplaced_accounts(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<UnplacedAccount>, QueryError> {
        let rows = sqlx::query(SOME)
            .bind(after.map(AccountId::to_bytes).unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.pool())
            .await?;
        rows.iter().map(account).collect()
    }

    /// The account, if a part of it is on no node.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn unplaced_account(&self, id: AccountId) -> Result<Option<UnplacedAccount>, QueryError> {
        let row = sqlx::query(ONE).bind(id.to_bytes()).fetch_optional(&self.pool()).await?;
        row.as_ref().map(account).transpose()
    }

    /// Zones that no node answers for.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn unplaced_zones(&self, limit: u32) -> Result<Vec<ZoneId>, QueryError> {
        let rows = sqlx::query("SELECT owner_id FROM unplaced WHERE part = 'dns' ORDER BY owner_id LIMIT ?1")
            .bind(limit)
            .fetch_all(&self.pool())
            .await?;
        rows.iter().map(|row| row::id(row, "owner_id", ZoneId::from_bytes)).collect()
    }

    /// Nodes that are gone for good and whose things are not settled yet.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn written_off_nodes(&self) -> Result<Vec<NodeId>, QueryError> {
        let rows = sqlx::query("SELECT id FROM nodes WHERE written_off_by IS NOT NULL ORDER BY id")
            .fetch_all(&self.pool())
            .await?;
        rows.iter().map(|row| row::id(row, "id", NodeId::from_bytes)).collect()
    }

    /// How many parts of accounts, and how many zones, are on no node.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn count_unplaced(&self) -> Result<(u64, u64), QueryError> {
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE part != 'dns') AS parts, count(*) FILTER (WHERE part = 'dns') AS zones
             FROM unplaced",
        )
        .fetch_one(&self.pool())
        .await?;
        Ok((row::number(&row, "parts")?, row::number(&row, "zones")?))
    }
}

fn account(row: &impl AnyRow) -> Result<UnplacedAccount, QueryError> {
    let parts: &str = row::get(row, "parts")?;
    let mut parts: Vec<Part> = parts
        .split(',')
        .map(|part| part.parse().map_err(|error| row::corrupt("part", error)))
        .collect::<Result<_, _>>()?;
    parts.sort_unstable();
    Ok(UnplacedAccount {
        id: row::id(row, "id", AccountId::from_bytes)?,
        tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
        plan_id: row::id(row, "plan_id", PlanId::from_bytes)?,
        php_version: row::text(row, "php_version")?,
        parts,
        near: row::get::<Option<&[u8]>>(row, "near")?
            .map(|id| NodeId::from_bytes(id).map_err(|error| row::corrupt("near", error)))
            .transpose()?,
        wish: AccountWish {
            pool: row::optional_text(row, "wished_pool")?,
            labels: row::list(row, "wished_labels")?,
            availability_zone: row::optional_text(row, "wished_availability_zone")?,
        },
    })
}
