//! What happened on nodes by itself, newest first; and what is wrong with nodes.

use std::collections::HashMap;

use npanel_model::{AccountId, EventId, NodeCondition, NodeId, TenantId, Timestamp};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    QueryError, Reader,
    row::{self, AnyRow},
};

/// Something that happened on a node by itself.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place in the order in which events were written down.
    pub position: u64,
    /// Its id.
    pub id: EventId,
    /// The object's tenant; the platform's for the node's own.
    pub tenant_id: TenantId,
    /// The node.
    pub node_id: NodeId,
    /// The API's noun of the object; "node" for the node's own.
    pub object_kind: String,
    /// The object.
    pub object_id: Vec<u8>,
    /// The account that the object belongs to.
    pub account_id: Option<AccountId>,
    /// When, by the node's clock.
    pub time: Timestamp,
    /// A stable word in CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// How things were not as they should be.
    pub differences: Vec<EventDifference>,
}

/// How something was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDifference {
    /// What: a path, a unit, a database.
    pub what: String,
    /// What should be.
    pub expected: String,
    /// What was.
    pub found: String,
}

/// Filters of events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only of this node.
    pub node_id: Option<NodeId>,
    /// Only of this account and what it has.
    pub account_id: Option<AccountId>,
    /// Only about objects of this noun.
    pub object_kind: Option<String>,
    /// Only about this object.
    pub object_id: Option<Vec<u8>>,
    /// Only with this reason.
    pub reason: Option<String>,
    /// Only of this time or later.
    pub since: Option<Timestamp>,
}

/// Which part of the events.
#[derive(Debug, Clone, Copy)]
pub struct EventPage {
    /// Only those written down before this position.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

impl Reader {
    /// Events that `scope` sees, newest first.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn events(
        &self,
        scope: TenantId,
        filter: &EventFilter,
        page: EventPage,
    ) -> Result<Vec<Event>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT * FROM events WHERE tenant_id IN (SELECT tenant_id FROM tenant_tree WHERE ancestor_id = ",
        );
        query.push_bind(scope.to_bytes()).push(")");
        let bytes = [
            ("node_id", filter.node_id.map(NodeId::to_bytes)),
            ("account_id", filter.account_id.map(AccountId::to_bytes)),
            ("object_id", filter.object_id.clone()),
        ];
        for (column, value) in bytes.into_iter().filter_map(|(column, value)| Some((column, value?))) {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        let texts = [("object_kind", &filter.object_kind), ("reason", &filter.reason)];
        for (column, value) in texts.into_iter().filter_map(|(column, value)| Some((column, value.clone()?)))
        {
            query.push(format!(" AND {column} = ")).push_bind(value);
        }
        if let Some(since) = filter.since {
            query.push(" AND time_millis >= ").push_bind(since.as_millis());
        }
        if let Some(before) = page.before {
            query.push(" AND position < ").push_bind(i64::try_from(before).unwrap_or(i64::MAX));
        }
        query.push(" ORDER BY position DESC LIMIT ").push_bind(i64::from(page.limit));
        query.build().fetch_all(&self.pool()).await?.iter().map(event).collect()
    }

    /// The ids of the newest events of a node.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn newest_events_of(&self, node: NodeId, limit: u32) -> Result<Vec<EventId>, QueryError> {
        let rows = sqlx::query("SELECT id FROM events WHERE node_id = ?1 ORDER BY position DESC LIMIT ?2")
            .bind(node.to_bytes())
            .bind(limit)
            .fetch_all(&self.pool())
            .await?;
        rows.iter().map(|row| row::id(row, "id", EventId::from_bytes)).collect()
    }

    /// What is wrong with nodes, as they last said; of one node, or of all. A node with which all is well has no
    /// entry.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn node_conditions(
        &self,
        only: Option<NodeId>,
    ) -> Result<HashMap<NodeId, Vec<NodeCondition>>, QueryError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM node_conditions");
        if let Some(node) = only {
            query.push(" WHERE node_id = ").push_bind(node.to_bytes());
        }
        query.push(" ORDER BY node_id, kind, subject");
        let mut found: HashMap<NodeId, Vec<NodeCondition>> = HashMap::new();
        for row in query.build().fetch_all(&self.pool()).await? {
            let node = row::id(&row, "node_id", NodeId::from_bytes)?;
            found.entry(node).or_default().push(NodeCondition {
                kind: row::text(&row, "kind")?,
                subject: row::get(&row, "subject")?,
                reason: row::get(&row, "reason")?,
                message: row::get(&row, "message")?,
                since: row::time(&row, "since_millis")?,
            });
        }
        Ok(found)
    }
}

fn event(row: &impl AnyRow) -> Result<Event, QueryError> {
    let account: Option<Vec<u8>> = row::get(row, "account_id")?;
    let differences: Vec<(String, String, String)> = serde_json::from_str(row::get(row, "differences")?)
        .map_err(|error| row::corrupt("differences", error))?;
    Ok(Event {
        position: row::number(row, "position")?,
        id: row::id(row, "id", EventId::from_bytes)?,
        tenant_id: row::id(row, "tenant_id", TenantId::from_bytes)?,
        node_id: row::id(row, "node_id", NodeId::from_bytes)?,
        object_kind: row::get(row, "object_kind")?,
        object_id: row::get(row, "object_id")?,
        account_id: account.and_then(|id| AccountId::from_bytes(&id).ok()),
        time: row::time(row, "time_millis")?,
        reason: row::get(row, "reason")?,
        message: row::get(row, "message")?,
        differences: differences
            .into_iter()
            .map(|(what, expected, found)| EventDifference { what, expected, found })
            .collect(),
    })
}
