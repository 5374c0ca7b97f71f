//! Zones and record sets.

use std::collections::HashMap;

use npanel_model::{
    AccountId, Fqdn, NodeId, RecordName, RecordSetId, RecordType, Revision, TenantId, Timestamp, Ttl, ZoneId,
    ZoneProvider,
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    OwnedFilter, Page, QueryError, Reader,
    convergence::{Convergence, Intent},
    list::{Scope, Where},
    row::{self, AnyRow, FromRow},
};
use crate::{ObjectKind, Purview};

/// A zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// Its name.
    pub name: Fqdn,
    /// Who answers for it.
    pub provider: ZoneProvider,
    /// The names of its name servers.
    pub name_servers: Vec<Fqdn>,
    /// The nodes that carry it.
    pub nodes: Vec<NodeId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far its nodes are.
    pub convergence: Convergence,
}

/// A record set of a zone.
#[derive(Debug, Clone)]
pub struct RecordSet {
    /// Its id.
    pub id: RecordSetId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// Its zone.
    pub zone_id: ZoneId,
    /// Its owner name, relative to the zone.
    pub name: RecordName,
    /// Its type.
    pub kind: RecordType,
    /// How long resolvers may keep it.
    pub ttl: Ttl,
    /// The canonical data of each record.
    pub records: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the log.
    pub revision: Revision,
}

/// Filters of record sets.
#[derive(Debug, Clone, Default)]
pub struct RecordSetFilter {
    /// Only with this owner name.
    pub name: Option<String>,
    /// Only of this type.
    pub kind: Option<RecordType>,
}

const ZONES: &str = "SELECT * FROM zones";
const RECORD_SETS: &str = "SELECT * FROM record_sets";

type Rest = (ZoneId, TenantId, AccountId, Fqdn, ZoneProvider, Timestamp);

struct ZoneRow(Intent, Rest);

impl FromRow for ZoneRow {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        let rest = (
            row::id(row, "id", ZoneId::from_bytes)?,
            row::id(row, "tenant_id", TenantId::from_bytes)?,
            row::id(row, "account_id", AccountId::from_bytes)?,
            row::text(row, "name")?,
            row::text(row, "provider")?,
            row::time(row, "created_millis")?,
        );
        Ok(Self(Intent::from_row(row)?, rest))
    }
}

impl FromRow for RecordSet {
    fn from_row(row: &impl AnyRow) -> Result<Self, QueryError> {
        Ok(Self {
            id: row::id(row, "id", RecordSetId::from_bytes)?,
            tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
            account_id: row::id(row, "account_id", AccountId::from_bytes)?,
            zone_id: row::id(row, "zone_id", ZoneId::from_bytes)?,
            name: row::text(row, "name")?,
            kind: row::text(row, "type")?,
            ttl: Ttl::try_from(row::number32(row, "ttl_seconds")?)
                .map_err(|error| row::corrupt("ttl_seconds", error))?,
            records: row::list(row, "records")?,
            created_at: row::time(row, "created_millis")?,
            revision: row::revision(row)?,
        })
    }
}

/// A node that answers for a zone, and the name it does so under.
pub(super) struct NameServer {
    pub(super) node: NodeId,
    pub(super) name: Fqdn,
}

impl Reader {
    /// The zone, if `scope` sees it; also while it is being deleted.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn zone(&self, scope: impl Into<Purview>, id: ZoneId) -> Result<Option<Zone>, QueryError> {
        let row: Option<ZoneRow> =
            self.one(ZONES, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(self.complete_zones(row.into_iter().collect()).await?.pop())
    }

    /// Zones that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn zones(
        &self,
        scope: impl Into<Purview>,
        filter: OwnedFilter,
        page: &Page,
    ) -> Result<Vec<Zone>, QueryError> {
        let rows = self
            .list(ZONES, Scope::Accounts(scope.into(), "account_id"), filter.wheres(ObjectKind::Zone), page)
            .await?;
        self.complete_zones(rows).await
    }

    async fn complete_zones(&self, rows: Vec<ZoneRow>) -> Result<Vec<Zone>, QueryError> {
        let servers = self.name_servers_of(rows.iter().map(|ZoneRow(_, rest)| rest.0)).await?;
        let rows = rows.into_iter().map(|ZoneRow(intent, rest)| (intent, rest)).collect();
        self.converge(ObjectKind::Zone, rows, |rest, convergence| {
            let (id, tenant_id, account_id, name, provider, created_at) = rest;
            let of_zone = servers.get(&id).map(Vec::as_slice).unwrap_or_default();
            Zone {
                id,
                tenant_id,
                account_id,
                name,
                provider,
                name_servers: of_zone.iter().map(|server| server.name.clone()).collect(),
                nodes: of_zone.iter().map(|server| server.node).collect(),
                created_at,
                convergence,
            }
        })
        .await
    }

    /// The name servers of zones: `<node>.<name server domain>`, in the order of the nodes' names.
    pub(super) async fn name_servers_of(
        &self,
        zones: impl Iterator<Item = ZoneId>,
    ) -> Result<HashMap<ZoneId, Vec<NameServer>>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT z.zone_id, z.node_id, n.name || '.' || c.name_server_domain AS host
             FROM zone_assignments z JOIN nodes n ON n.id = z.node_id CROSS JOIN cluster c
             WHERE z.state != 'incoming' AND z.zone_id IN (",
        );
        let mut ids = query.separated(", ");
        for zone in zones {
            ids.push_bind(zone.to_bytes());
        }
        query.push(") ORDER BY z.zone_id, n.name");
        let mut found: HashMap<ZoneId, Vec<NameServer>> = HashMap::new();
        for row in query.build().fetch_all(&self.pool()).await? {
            let server = NameServer {
                node: row::id(&row, "node_id", NodeId::from_bytes)?,
                name: row::text(&row, "host")?,
            };
            found.entry(row::id(&row, "zone_id", ZoneId::from_bytes)?).or_default().push(server);
        }
        Ok(found)
    }

    /// The record set, if it is in the zone and `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn record_set(
        &self,
        scope: impl Into<Purview>,
        zone: ZoneId,
        id: RecordSetId,
    ) -> Result<Option<RecordSet>, QueryError> {
        let found: Option<RecordSet> =
            self.one(RECORD_SETS, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(found.filter(|set| set.zone_id == zone))
    }

    /// The zone that the record set is in, if `scope` sees it.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn zone_of_record_set(
        &self,
        scope: impl Into<Purview>,
        id: RecordSetId,
    ) -> Result<Option<ZoneId>, QueryError> {
        let found: Option<RecordSet> =
            self.one(RECORD_SETS, Scope::Accounts(scope.into(), "account_id"), id.to_bytes()).await?;
        Ok(found.map(|set| set.zone_id))
    }

    /// Record sets of a zone that `scope` sees.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn record_sets(
        &self,
        scope: impl Into<Purview>,
        zone: ZoneId,
        filter: RecordSetFilter,
        page: &Page,
    ) -> Result<Vec<RecordSet>, QueryError> {
        let wheres = vec![
            Where::bytes("zone_id", Some(zone.to_bytes())),
            Where::text("name", filter.name),
            Where::text("type", filter.kind.map(|kind| kind.as_str().to_owned())),
        ];
        self.list(RECORD_SETS, Scope::Accounts(scope.into(), "account_id"), wheres, page).await
    }
}
