//! `/v1/nodes`.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use npanel_model::NodeId;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ConditionStatus, Node, NodeCondition, NodeLoad, NodeStatus, Page};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, deleted, id},
    app::{App, NodePresence},
    asked::Asked,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, delete))
}

list_query! {
    /// Which nodes.
    NodesQuery {
        /// Only with this name.
        name: String,
    }
}

/// A node's status: what this controller sees, and where it saw nothing, what the node once reported.
pub(crate) fn status(presence: NodePresence, has_reported: bool) -> NodeStatus {
    match presence {
        // Ready is what the leader can place things on, so it must have said what it is.
        NodePresence::Connected { .. } if has_reported => NodeStatus::Ready,
        NodePresence::Lost { .. } => NodeStatus::Unreachable,
        NodePresence::NeverSeen if has_reported => NodeStatus::Unreachable,
        NodePresence::Connected { .. } | NodePresence::NeverSeen => NodeStatus::NeverSeen,
    }
}

/// What is wrong with a node; while it is not reached, what it last said.
fn condition(presence: NodePresence, row: npanel_model::NodeCondition) -> NodeCondition {
    let connected = matches!(presence, NodePresence::Connected { .. });
    NodeCondition {
        kind: row.kind,
        status: if connected { ConditionStatus::True } else { ConditionStatus::Unknown },
        subject: row.subject,
        reason: row.reason,
        message: row.message,
        since: row.since,
    }
}

fn shown(app: &App, row: npanel_state::Node, conditions: Vec<npanel_model::NodeCondition>) -> Node {
    let presence = app.presence.of(row.id);
    Node {
        conditions: conditions.into_iter().map(|one| condition(presence, one)).collect(),
        id: row.id,
        name: row.name,
        status: status(presence, !row.address.is_empty()),
        status_since: match presence {
            NodePresence::Connected { since } | NodePresence::Lost { since } => Some(since),
            NodePresence::NeverSeen => None,
        },
        pool: row.pool,
        roles: row.roles,
        address: row.address.parse().ok(),
        os_profile: row.os_profile,
        php_versions: row.php_versions,
        version: row.version,
        load: NodeLoad { web: row.load.web, database: row.load.database, zones: row.load.zones },
        certificate_expires_at: row.certificate_expires_at,
        created_at: row.created_at,
        revision: row.revision,
    }
}

/// List nodes.
#[utoipa::path(get, path = "/v1/nodes", operation_id = "node.list", tag = "nodes",
    params(NodesQuery), responses((status = 200, description = "Some of them", body = Page<Node>)))]
async fn list(
    State(app): State<App>,
    List { query, paging }: List<NodesQuery>,
) -> Result<Json<Page<Node>>, Failure> {
    let rows = app.reader().nodes(query.name, &paging.rows(&app).await).await?;
    let mut conditions = app.reader().node_conditions(None).await?;
    let show = |row: npanel_state::Node| {
        let conditions = conditions.remove(&row.id).unwrap_or_default();
        shown(&app, row, conditions)
    };
    Ok(paging.page(rows, |row| row.id.to_bytes(), show))
}

/// Show a node.
#[utoipa::path(get, path = "/v1/nodes/{id}", operation_id = "node.get", tag = "nodes",
    params(("id" = String, Path, format = "uuid", description = "The node")),
    responses((status = 200, description = "The node", body = Node)))]
async fn get(State(app): State<App>, Path(text): Path<String>) -> Result<Tagged<Node>, Failure> {
    let id = id("node", &text)?;
    let row = app.find("node", || app.reader().node(id)).await?;
    let conditions = app.reader().node_conditions(Some(id)).await?.remove(&id).unwrap_or_default();
    Ok(Tagged(shown(&app, row, conditions)))
}

/// Take an empty node out of the fleet for good; its identity is revoked.
#[utoipa::path(delete, path = "/v1/nodes/{id}", operation_id = "node.delete", tag = "nodes",
    params(("id" = String, Path, format = "uuid", description = "The node")),
    responses((status = 204, description = "Removed")))]
async fn delete(State(app): State<App>, asked: Asked, Path(text): Path<String>) -> Result<Response, Ended> {
    let node_id = id::<NodeId>("node", &text)?.to_bytes();
    let command = Command::DeleteNode(command::DeleteNode { node_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
}

#[cfg(test)]
mod tests {
    use npanel_model::Timestamp;

    use super::*;

    #[test]
    fn a_node_that_never_reported_is_not_called_unreachable() {
        let since = Timestamp::now();
        assert_eq!(status(NodePresence::Connected { since }, true), NodeStatus::Ready);
        assert_eq!(status(NodePresence::Connected { since }, false), NodeStatus::NeverSeen);
        assert_eq!(status(NodePresence::Lost { since }, true), NodeStatus::Unreachable);
        assert_eq!(status(NodePresence::NeverSeen, true), NodeStatus::Unreachable);
        assert_eq!(status(NodePresence::NeverSeen, false), NodeStatus::NeverSeen);
    }
}
