//! The cluster, its controllers and the nodes.

use npanel_model::{
    ControllerId, Fqdn, NodeId, NodeName, NodeRole, PhpVersion, PoolName, Revision, TenantId, Timestamp,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, FromRow},
};

/// The cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its id, also the trust domain of identities.
    pub id: String,
    /// The platform's own tenant.
    pub root_tenant_id: TenantId,
    /// Raised when the state is restored from a backup.
    pub epoch: u64,
    /// Name servers are `<node>.<this>`.
    pub name_server_domain: Fqdn,
    /// How long nodes keep the data of what is deleted, unless a deletion says otherwise.
    pub retention_seconds: u64,
}

/// A controller.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Its Raft id.
    pub id: ControllerId,
    /// Its name.
    pub name: NodeName,
    /// Where the others reach it: `HOST:PORT`.
    pub fleet_address: String,
    /// When its newest certificate expires.
    pub certificate_expires_at: Option<Timestamp>,
    /// When it was enrolled.
    pub created_at: Timestamp,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The pool it is in.
    pub pool: PoolName,
    /// What it is for; empty until it first connected.
    pub roles: Vec<NodeRole>,
    /// Where its services are reached; empty until it first connected.
    pub address: String,
    /// Its operating system; empty until it first connected.
    pub os_profile: String,
    /// The PHP versions it has.
    pub php_versions: Vec<PhpVersion>,
    /// The daemon's version; empty until it first connected.
    pub version: String,
    /// When its newest certificate expires.
    pub certificate_expires_at: Option<Timestamp>,
    /// What is placed on it.
    pub load: NodeLoad,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// What is placed on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeLoad {
    /// Web parts of accounts.
    pub web: u64,
    /// Database parts of accounts.
    pub database: u64,
    /// Zones.
    pub zones: u64,
}

const NODES: &str = "SELECT *,
    (SELECT not_after_millis FROM identities i
     WHERE i.subject = 'node/' || lower(substr(hex(nodes.id), 1, 8) || '-' || substr(hex(nodes.id), 9, 4) || '-'
         || substr(hex(nodes.id), 13, 4) || '-' || substr(hex(nodes.id), 17, 4) || '-' || substr(hex(nodes.id), 21))
       AND i.revoked_millis IS NULL ORDER BY issued_index DESC LIMIT 1) AS not_after_millis,
    (SELECT count(*) FROM assignments a WHERE a.node_id = nodes.id AND a.part = 'web') AS web,
    (SELECT count(*) FROM assignments a WHERE a.node_id = nodes.id AND a.part = 'database') AS database,
    (SELECT count(*) FROM zone_assignments z WHERE z.node_id = nodes.id) AS zones
    FROM nodes";

impl FromRow for Node {
    fn from_row(row: &SqliteRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", NodeId::from_bytes)?,
            name: row::text(row, "name")?,
            pool: row::text(row, "pool")?,
            roles: row::list(row, "roles")?,
            address: row.try_get("address")?,
            os_profile: row.try_get("os_profile")?,
            php_versions: row::list(row, "php_versions")?,
            version: row.try_get("version")?,
            certificate_expires_at: row::optional_time(row, "not_after_millis")?,
            load: NodeLoad {
                web: row::number(row, "web")?,
                database: row::number(row, "database")?,
                zones: row::number(row, "zones")?,
            },
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

impl Reader {
    /// The cluster; `None` before it is made.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn cluster(&self) -> Result<Option<Cluster>, QueryError> {
        let row = sqlx::query("SELECT * FROM cluster").fetch_optional(&self.pool()).await?;
        row.map(|row| {
            Ok(Cluster {
                id: row.try_get("cluster_id")?,
                root_tenant_id: row::id(&row, "root_tenant_id", TenantId::from_bytes)?,
                epoch: row::number(&row, "epoch")?,
                name_server_domain: row::text(&row, "name_server_domain")?,
                retention_seconds: row::number(&row, "retention_seconds")?,
            })
        })
        .transpose()
    }

    /// Every controller.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn controllers(&self) -> Result<Vec<Controller>, QueryError> {
        let rows = sqlx::query(
            "SELECT *, (SELECT not_after_millis FROM identities i
                        WHERE i.subject = 'controller/' || controllers.id AND i.revoked_millis IS NULL
                        ORDER BY issued_index DESC LIMIT 1) AS not_after_millis
             FROM controllers ORDER BY id",
        )
        .fetch_all(&self.pool())
        .await?;
        let controller = |row: &SqliteRow| {
            Ok(Controller {
                id: ControllerId(row::number(row, "id")?),
                name: row::text(row, "name")?,
                fleet_address: row.try_get("fleet_address")?,
                certificate_expires_at: row::optional_time(row, "not_after_millis")?,
                created_at: row::time(row, "created_millis")?,
            })
        };
        rows.iter().map(controller).collect()
    }

    /// The controller, if it is one of the cluster's.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn controller(&self, id: ControllerId) -> Result<Option<Controller>, QueryError> {
        Ok(self.controllers().await?.into_iter().find(|controller| controller.id == id))
    }

    /// An id that no controller ever had.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn next_controller_id(&self) -> Result<ControllerId, QueryError> {
        let row = sqlx::query(
            "SELECT coalesce(max(CAST(substr(subject, 12) AS INTEGER)), 0) + 1 AS next
             FROM identities WHERE subject LIKE 'controller/%'",
        )
        .fetch_one(&self.pool())
        .await?;
        Ok(ControllerId(row::number(&row, "next")?))
    }

    /// When the first of the nodes' newest certificates expires.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn first_node_expiry(&self) -> Result<Option<Timestamp>, QueryError> {
        let row = sqlx::query(
            "SELECT min(not_after_millis) AS first FROM identities i
             WHERE i.subject LIKE 'node/%' AND i.revoked_millis IS NULL AND NOT EXISTS (
                 SELECT 1 FROM identities newer
                 WHERE newer.subject = i.subject AND newer.issued_index > i.issued_index)",
        )
        .fetch_one(&self.pool())
        .await?;
        row::optional_time(&row, "first")
    }

    /// The node.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn node(&self, id: NodeId) -> Result<Option<Node>, QueryError> {
        self.one(NODES, Scope::Platform, id.to_bytes()).await
    }

    /// Nodes, a page at a time.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn nodes(&self, name: Option<String>, page: &Page) -> Result<Vec<Node>, QueryError> {
        self.list(NODES, Scope::Platform, vec![Where::text("name", name)], page).await
    }

    /// Every node: for placement.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn all_nodes(&self) -> Result<Vec<Node>, QueryError> {
        self.nodes(None, &Page { after: None, limit: u32::MAX }).await
    }
}
