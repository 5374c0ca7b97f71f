//! The cluster, its controllers and the nodes.

use npanel_model::{
    Amounts, AvailabilityZone, ControllerId, Fqdn, Megabytes, NodeId, NodeLabel, NodeLimits, NodeName,
    NodeRole, Overcommit, PhpVersion, PoolName, Revision, Strategy, TenantId, Timestamp,
};

use sqlx::sqlite::SqliteRow;

use crate::ObjectKind;

use super::{
    Page, QueryError, Reader,
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
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
    /// Which of the nodes that fit is best, unless a plan says otherwise.
    pub placement_strategy: Strategy,
    /// How long operations are kept after their end.
    pub operation_retention_seconds: u64,
    /// The feature level that it is at.
    pub feature_level: u32,
    /// Up to where that is raised; `None`: as far as every controller can.
    pub feature_level_limit: Option<u32>,
    /// The public half of the key that the secrets in backups are sealed to; empty if there is none.
    pub recovery_key: Vec<u8>,
    /// When that was last changed, as a place in the log.
    pub revision: Revision,
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
    /// The controller whose place it takes, as long as that one is there.
    pub replaces: Option<ControllerId>,
    /// When its newest certificate expires.
    pub certificate_expires_at: Option<Timestamp>,
    /// When it was enrolled.
    pub created_at: Timestamp,
}

/// Where the fleet's machines are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetAddresses {
    /// Addresses of nodes.
    pub nodes: Vec<String>,
    /// `HOST:PORT` of controllers.
    pub controllers: Vec<String>,
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
    /// Where it stands, by an operator's word or its own.
    pub availability_zone: Option<AvailabilityZone>,
    /// Whether that is an operator's word.
    pub availability_zone_is_set: bool,
    /// Its own word; empty if it says nothing.
    pub own_availability_zone: String,
    /// What an operator says of it, in labels.
    pub labels: Vec<NodeLabel>,
    /// What it says itself, in labels.
    pub own_labels: Vec<NodeLabel>,
    /// Both: an operator's word takes the place of its own about the same thing.
    pub all_labels: Vec<NodeLabel>,
    /// The roles that its system cannot fill, and what is missing.
    pub missing: Vec<(NodeRole, String)>,
    /// Whether it may get anything new.
    pub schedulable: bool,
    /// Whether it is trusted no longer.
    pub revocation: Option<Revocation>,
    /// What it can be promised to hold.
    pub limits: NodeLimits,
    /// What it has been promised to.
    pub reserved: Amounts,
    /// What is placed on it.
    pub load: NodeLoad,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// That a node is trusted no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// By the operator's word; may be empty.
    pub reason: String,
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

/// Filters of nodes.
#[derive(Debug, Clone, Default)]
pub struct NodeFilter {
    /// Only with this name.
    pub name: Option<String>,
    /// Only of this pool.
    pub pool: Option<PoolName>,
    /// Only with this role.
    pub role: Option<NodeRole>,
    /// Only with this label, whoever says so.
    pub label: Option<NodeLabel>,
    /// Only where this is, whoever says so.
    pub availability_zone: Option<AvailabilityZone>,
    /// Only what may get something new, or only what may not.
    pub schedulable: Option<bool>,
    /// Only what is trusted no longer, or only what is.
    pub revoked: Option<bool>,
    /// Only what was enrolled then or later.
    pub created_since: Option<Timestamp>,
}

/// A node that placement follows: as it is now, or gone.
#[derive(Debug, Clone)]
pub struct FollowedNode {
    /// Its id.
    pub id: NodeId,
    /// The log index of its last change.
    pub changed_index: u64,
    /// As it is; `None`: it is no longer in the fleet.
    pub node: Option<Node>,
}

/// What a node carries is beside it, in sums that are kept: a list of nodes counts nothing.
const NODES: &str = "SELECT * FROM (SELECT nodes.*, c.web, c.database, c.zones, c.accounts AS reserved_accounts,
    c.disk_mb AS reserved_disk_mb, c.memory_mb AS reserved_memory_mb,
    (SELECT not_after_millis FROM identities i
     WHERE i.subject = 'node/' || lower(substr(hex(nodes.id), 1, 8) || '-' || substr(hex(nodes.id), 9, 4) || '-'
         || substr(hex(nodes.id), 13, 4) || '-' || substr(hex(nodes.id), 17, 4) || '-' || substr(hex(nodes.id), 21))
       AND i.revoked_millis IS NULL ORDER BY issued_index DESC LIMIT 1) AS not_after_millis
    FROM nodes JOIN node_capacity c ON c.node_id = nodes.id)";

const UNSETTLED: &str = "SELECT *, CASE kind
        WHEN 'account' THEN (SELECT username FROM accounts WHERE id = object_id)
        WHEN 'site' THEN (SELECT name FROM domains WHERE id = object_id)
        WHEN 'database' THEN (SELECT name FROM databases WHERE id = object_id)
        WHEN 'database_user' THEN (SELECT name FROM database_users WHERE id = object_id)
        WHEN 'cron_table' THEN (SELECT username FROM accounts WHERE id = object_id)
        ELSE (SELECT name FROM zones WHERE id = object_id) END AS name
    FROM node_objects INDEXED BY node_objects_unsettled WHERE node_id = ?1 AND settled = 0
    ORDER BY observed_state != 'failed', since_millis LIMIT 50";

/// What is not on a node as it should be.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// How many objects it has not done yet.
    pub pending: u64,
    /// How many it tried and failed to do.
    pub failed: u64,
    /// Some of them, the failed first, then the oldest; 50 at most.
    pub objects: Vec<UnsettledObject>,
}

/// An object that is not on a node as it should be.
#[derive(Debug, Clone)]
pub struct UnsettledObject {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id, sixteen bytes.
    pub id: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Whether it is to be removed.
    pub is_removal: bool,
    /// What the node last said: "pending", "converged", ...
    pub state: String,
    /// A stable word; may be empty.
    pub reason: String,
    /// For people; may be empty.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

fn unsettled(row: &impl AnyRow) -> Result<UnsettledObject, QueryError> {
    let kind: &str = row::get(row, "kind")?;
    Ok(UnsettledObject {
        kind: ObjectKind::from_text(kind).ok_or_else(|| row::corrupt("kind", kind))?,
        id: row::get(row, "object_id")?,
        name: row::get::<Option<String>>(row, "name")?.unwrap_or_default(),
        is_removal: row::get::<Option<i64>>(row, "tombstone_seconds")?.is_some(),
        state: row::get(row, "observed_state")?,
        reason: row::get(row, "reason")?,
        message: row::get(row, "message")?,
        since: row::time(row, "since_millis")?,
    })
}

/// Placement has no use for certificates.
const FOLLOWED: &str = "SELECT nodes.*, c.node_id, c.changed_index, c.web, c.database, c.zones,
    c.accounts AS reserved_accounts, c.disk_mb AS reserved_disk_mb, c.memory_mb AS reserved_memory_mb,
    NULL AS not_after_millis
    FROM node_capacity c LEFT JOIN nodes ON nodes.id = c.node_id WHERE c.changed_index > ?1";

impl FromRow for Node {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let (set, own): (&str, &str) =
            (row::get(row, "availability_zone")?, row::get(row, "own_availability_zone")?);
        let zone = if set.is_empty() { "own_availability_zone" } else { "availability_zone" };
        let has_zone = !(set.is_empty() && own.is_empty());
        let missing: Vec<(NodeRole, String)> = serde_json::from_str(row::get(row, "missing")?)
            .map_err(|error| row::corrupt("missing", error))?;
        Ok(Self {
            availability_zone: has_zone.then(|| row::text(row, zone)).transpose()?,
            availability_zone_is_set: !set.is_empty(),
            own_availability_zone: own.to_owned(),
            labels: row::list(row, "labels")?,
            own_labels: row::list(row, "own_labels")?,
            all_labels: row::list(row, "all_labels")?,
            missing,
            schedulable: row::get(row, "schedulable")?,
            revocation: row::optional_time(row, "revoked_millis")?
                .map(|at| Ok::<_, QueryError>(Revocation { at, reason: row::get(row, "revoked_reason")? }))
                .transpose()?,
            limits: NodeLimits {
                accounts: row::optional_number(row, "account_slots")?.into(),
                disk: Megabytes(row::number(row, "disk_mb")?),
                disk_overcommit: overcommit(row, "disk_overcommit_percent")?,
                memory: Megabytes(row::number(row, "memory_mb")?),
                memory_overcommit: overcommit(row, "memory_overcommit_percent")?,
            },
            reserved: Amounts {
                accounts: row::number(row, "reserved_accounts")?,
                disk: Megabytes(row::number(row, "reserved_disk_mb")?),
                memory: Megabytes(row::number(row, "reserved_memory_mb")?),
            },
            id: row::id(row, "id", NodeId::from_bytes)?,
            name: row::text(row, "name")?,
            pool: row::text(row, "pool")?,
            roles: row::list(row, "roles")?,
            address: row::get(row, "address")?,
            os_profile: row::get(row, "os_profile")?,
            php_versions: row::list(row, "php_versions")?,
            version: row::get(row, "version")?,
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

fn overcommit(row: &impl AnyRow, column: &'static str) -> Result<Overcommit, QueryError> {
    Overcommit::try_from(row::number(row, column)?).map_err(|error| row::corrupt(column, error))
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
                id: row::get(&row, "cluster_id")?,
                root_tenant_id: row::id(&row, "root_tenant_id", TenantId::from_bytes)?,
                epoch: row::number(&row, "epoch")?,
                name_server_domain: row::text(&row, "name_server_domain")?,
                retention_seconds: row::number(&row, "retention_seconds")?,
                placement_strategy: row::text(&row, "placement_strategy")?,
                operation_retention_seconds: row::number(&row, "operation_retention_seconds")?,
                feature_level: crate::level::agreed(row::number32(&row, "feature_level")?),
                feature_level_limit: row::optional_number32(&row, "feature_level_limit")?,
                recovery_key: row::get(&row, "recovery_key")?,
                revision: row::revision(&row)?,
            })
        })
        .transpose()
    }

    /// Where the fleet's machines are reached: nodes by address, controllers by `HOST:PORT`. For whoever must not connect to them.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn fleet_addresses(&self) -> Result<FleetAddresses, QueryError> {
        self.at_length(|db| {
            let texts = |select: &str| {
                let mut select = db.prepare_cached(select)?;
                let texts = select.query_map([], |row| row.get(0))?;
                texts.collect::<rusqlite::Result<Vec<String>>>()
            };
            Ok(FleetAddresses {
                nodes: texts("SELECT address FROM nodes WHERE address <> ''")?,
                controllers: texts("SELECT fleet_address FROM controllers")?,
            })
        })
        .await
    }

    /// Every controller.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn controllers(&self) -> Result<Vec<Controller>, QueryError> {
        let rows = sqlx::query(
            "SELECT *, nullif(replaces_controller_id, 0) AS replaces,
                       (SELECT not_after_millis FROM identities i
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
                fleet_address: row::get(row, "fleet_address")?,
                replaces: row::optional_number(row, "replaces")?.map(ControllerId),
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
            "SELECT max(
                 coalesce((SELECT controllers_from FROM cluster), 0),
                 coalesce((SELECT max(CAST(substr(subject, 12) AS INTEGER)) FROM identities
                           WHERE subject LIKE 'controller/%'), 0)
             ) + 1 AS next",
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
    pub async fn nodes(&self, filter: NodeFilter, page: &Page) -> Result<Vec<Node>, QueryError> {
        let zone = "CASE availability_zone WHEN '' THEN own_availability_zone ELSE availability_zone END";
        let wheres = vec![
            Where::text("name", filter.name),
            Where::text("pool", filter.pool.map(String::from)),
            Where::Holding("roles", filter.role.map(|role| role.as_str().to_owned())),
            Where::Holding("all_labels", filter.label.map(String::from)),
            Where::text(zone, filter.availability_zone.map(String::from)),
            Where::Holds("schedulable = 1", filter.schedulable),
            Where::Holds("revoked_millis IS NOT NULL", filter.revoked),
            Where::Since(filter.created_since),
        ];
        self.list(NODES, Scope::Platform, wheres, page).await
    }

    /// The nodes that are trusted no longer.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn revoked_nodes(&self) -> Result<Vec<Node>, QueryError> {
        let is_revoked = Where::Holds("revoked_index IS NOT NULL", Some(true));
        self.list(NODES, Scope::Platform, vec![is_revoked], &Page { limit: u32::MAX, ..Page::default() })
            .await
    }

    /// The revoked node of this name, if there is one.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn revoked_node(&self, name: &NodeName) -> Result<Option<NodeId>, QueryError> {
        let row = sqlx::query("SELECT id FROM nodes WHERE name = ?1 AND revoked_index IS NOT NULL")
            .bind(name.as_str())
            .fetch_optional(&self.pool())
            .await?;
        row.map(|row| row::id(&row, "id", NodeId::from_bytes)).transpose()
    }

    /// Every node.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn all_nodes(&self) -> Result<Vec<Node>, QueryError> {
        self.nodes(NodeFilter::default(), &Page { limit: u32::MAX, ..Page::default() }).await
    }

    /// The nodes of which something changed after a log index, oldest change first: for placement, which follows.
    /// `None`: all.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn nodes_since(&self, index: Option<u64>) -> Result<Vec<FollowedNode>, QueryError> {
        let after = index.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX));
        let rows = sqlx::query(FOLLOWED).bind(after).fetch_all(&self.pool()).await?;
        let followed = |row: &SqliteRow| {
            let is_there = row::get::<Option<&[u8]>>(row, "id")?.is_some();
            Ok(FollowedNode {
                id: row::id(row, "node_id", NodeId::from_bytes)?,
                changed_index: row::number(row, "changed_index")?,
                node: is_there.then(|| Node::from_row(row)).transpose()?,
            })
        };
        rows.iter().map(followed).collect()
    }

    /// What is not on the node as it should be.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn unsettled_on(&self, node: NodeId) -> Result<Unsettled, QueryError> {
        let counts = sqlx::query(
            "SELECT count(*) FILTER (WHERE observed_state != 'failed') AS pending,
                    count(*) FILTER (WHERE observed_state = 'failed') AS failed
             FROM node_objects INDEXED BY node_objects_unsettled WHERE node_id = ?1 AND settled = 0",
        )
        .bind(node.to_bytes())
        .fetch_one(&self.pool())
        .await?;
        let rows = sqlx::query(UNSETTLED).bind(node.to_bytes()).fetch_all(&self.pool()).await?;
        Ok(Unsettled {
            pending: row::number(&counts, "pending")?,
            failed: row::number(&counts, "failed")?,
            objects: rows.iter().map(unsettled).collect::<Result<_, _>>()?,
        })
    }

    /// On which nodes a tenant's accounts are, and how many on each.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn tenant_on_nodes(&self, tenant: TenantId) -> Result<Vec<(NodeId, u64)>, QueryError> {
        let rows = sqlx::query("SELECT node_id, accounts FROM node_tenants WHERE tenant_id = ?1")
            .bind(tenant.to_bytes())
            .fetch_all(&self.pool())
            .await?;
        rows.iter()
            .map(|row| Ok((row::id(row, "node_id", NodeId::from_bytes)?, row::number(row, "accounts")?)))
            .collect()
    }
}
