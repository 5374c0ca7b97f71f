//! `/v1/nodes`.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    response::Response,
};
use http::request::Parts;
use npanel_model::{
    AvailabilityZone, Megabytes, NodeConditionKind, NodeId, NodeLabel, NodeRole, OperationId, PoolName,
    Timestamp,
};
use npanel_proto::{
    command::{self, AccountSlots, NodeLabels, envelope::Command},
    controller::{Answer, Question, answer, question},
};
use npanel_sdk_types::{
    ConditionStatus, MissingCapability, Node, NodeCapacity, NodeCondition, NodeHealth, NodeLimits, NodeLoad,
    NodeReserved, NodeRevocation, NodeStatus, Operation, Page, RevokeNode, UnsettledObject, UpdateNode,
    schema,
};
use npanel_state::{NodeFilter, Revocation};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, deleted, id, updated},
    app::{App, NodePresence},
    asked::Asked,
    body::Body,
    list::{List, list_query},
    preview::Ended,
    problem::Failure,
    query::{DeleteNodeQuery, Query},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, update, delete))
        .routes(routes!(health))
        .routes(routes!(revoke))
}

list_query! {
    /// Which nodes.
    by(ByName) NodesQuery {
        /// Only with this name.
        #[param(value_type = Option<schema::NodeName>)]
        name: String,
        /// Only of this pool.
        #[param(value_type = Option<schema::PoolName>)]
        pool: PoolName,
        /// Only with this role.
        #[param(value_type = Option<schema::NodeRole>)]
        role: NodeRole,
        /// Only with this label, by an operator's word or its own.
        #[param(value_type = Option<schema::NodeLabel>)]
        label: NodeLabel,
        /// Only where this is, by an operator's word or its own.
        #[param(value_type = Option<schema::AvailabilityZone>)]
        availability_zone: AvailabilityZone,
        /// Only what may get something new, or only what is cordoned.
        schedulable: bool,
        /// Only what is trusted no longer, or only what is.
        revoked: bool,
        /// Only what was enrolled then or later.
        #[param(value_type = Option<schema::Timestamp>)]
        created_since: Timestamp,
    }
}

/// A node's status: whether it is trusted, what this controller sees, and where it saw nothing, what the node once
/// reported.
pub(crate) fn status(presence: NodePresence, has_reported: bool, is_revoked: bool) -> NodeStatus {
    match presence {
        _ if is_revoked => NodeStatus::Revoked,
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

/// That it is revoked, as one more thing that is wrong with it.
fn of_revocation(revocation: &Revocation, load: npanel_state::NodeLoad) -> NodeCondition {
    let carried = format!(
        "an operator trusts it no longer; it carries {} web and {} database parts of accounts and {} zones",
        load.web, load.database, load.zones
    );
    let why = if revocation.reason.is_empty() { String::new() } else { format!(" ({})", revocation.reason) };
    NodeCondition {
        kind: NodeConditionKind::Revoked,
        status: ConditionStatus::True,
        subject: String::new(),
        reason: "Revoked".to_owned(),
        message: carried + &why,
        since: revocation.at,
    }
}

fn shown(app: &App, row: npanel_state::Node, conditions: Vec<npanel_model::NodeCondition>) -> Node {
    let presence = app.presence.of(row.id);
    let revoked = row.revocation.iter().map(|revocation| of_revocation(revocation, row.load));
    let said = conditions.into_iter().map(|one| condition(presence, one));
    Node {
        conditions: revoked.chain(said).collect(),
        id: row.id,
        name: row.name,
        status: status(presence, !row.address.is_empty(), row.revocation.is_some()),
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
        availability_zone: row.availability_zone,
        labels: row.labels,
        own_labels: row.own_labels,
        schedulable: row.schedulable,
        revocation: row.revocation.map(|Revocation { at, reason }| NodeRevocation { at, reason }),
        missing_capabilities: row
            .missing
            .into_iter()
            .map(|(role, reason)| MissingCapability { role, reason })
            .collect(),
        limits: NodeLimits {
            account_slots: row.limits.accounts,
            disk_mb: row.limits.disk,
            disk_overcommit_percent: row.limits.disk_overcommit,
            memory_mb: row.limits.memory,
            memory_overcommit_percent: row.limits.memory_overcommit,
        },
        reserved: NodeReserved {
            accounts: row.reserved.accounts,
            disk_mb: row.reserved.disk,
            memory_mb: row.reserved.memory,
        },
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
    let filter = NodeFilter {
        name: query.name,
        pool: query.pool,
        role: query.role,
        label: query.label,
        availability_zone: query.availability_zone,
        schedulable: query.schedulable,
        revoked: query.revoked,
        created_since: query.created_since,
    };
    let rows = app.reader().nodes(filter, &paging.rows()).await?;
    let mut conditions = app.reader().node_conditions(None).await?;
    let show = |row: npanel_state::Node| {
        let conditions = conditions.remove(&row.id).unwrap_or_default();
        shown(&app, row, conditions)
    };
    Ok(paging.page(rows, |row| paging.place(row.id.to_bytes(), row.name.as_str()), show))
}

/// Show a node.
#[utoipa::path(get, path = "/v1/nodes/{id}", operation_id = "node.get", tag = "nodes",
    params(("id" = schema::NodeId, Path, description = "The node")),
    responses((status = 200, description = "The node", body = Node)))]
async fn get(State(app): State<App>, Path(text): Path<String>) -> Result<Tagged<Node>, Failure> {
    read(&app, id("node", &text)?).await.map(Tagged)
}

/// Change what an operator says of a node. `{"schedulable": false}` cordons it.
#[utoipa::path(patch, path = "/v1/nodes/{id}", operation_id = "node.update", tag = "nodes",
    params(("id" = schema::NodeId, Path, description = "The node")), request_body = UpdateNode,
    responses((status = 200, description = "The node as it is now", body = Node)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<UpdateNode>,
) -> Result<Response, Ended> {
    let id = id::<NodeId>("node", &text)?;
    let command = command::UpdateNode {
        node_id: id.to_bytes(),
        pool: value.pool.map(String::from),
        labels: value
            .labels
            .map(|labels| NodeLabels { labels: labels.into_iter().map(String::from).collect() }),
        availability_zone: value.availability_zone.map(|zone| zone.map(String::from).unwrap_or_default()),
        account_slots: value.account_slots.map(|slots| AccountSlots { limit: slots.into() }),
        disk_overcommit_percent: value.disk_overcommit_percent.map(u64::from),
        memory_overcommit_percent: value.memory_overcommit_percent.map(u64::from),
        schedulable: value.schedulable,
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateNode(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, id)).await?)
}

/// Trust a node no longer: its connections end, its certificates are refused, and it gets nothing new. What it carries
/// stays its own.
#[utoipa::path(post, path = "/v1/nodes/{id}/revoke", operation_id = "node.revoke", tag = "nodes",
    params(("id" = schema::NodeId, Path, description = "The node")), request_body = RevokeNode,
    responses((status = 200, description = "The node as it is now", body = Node)))]
async fn revoke(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<RevokeNode>,
) -> Result<Response, Ended> {
    let id = id::<NodeId>("node", &text)?;
    let command = command::RevokeNode { node_id: id.to_bytes(), reason: value.reason };
    let accepted = app.propose(&asked, &bytes, Command::RevokeNode(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app, id)).await?)
}

async fn read(app: &App, id: NodeId) -> Result<Node, Failure> {
    let row = app.find("node", || app.reader().node(id)).await?;
    let conditions = app.reader().node_conditions(Some(id)).await?.remove(&id).unwrap_or_default();
    Ok(shown(app, row, conditions))
}

/// Show how a node is: its connection, its capacity, what is pending or failed on it.
#[utoipa::path(get, path = "/v1/nodes/{id}/status", operation_id = "node.status", tag = "nodes",
    params(("id" = schema::NodeId, Path, description = "The node")),
    responses((status = 200, description = "How it is", body = NodeHealth)))]
async fn health(State(app): State<App>, Path(text): Path<String>) -> Result<Json<NodeHealth>, Failure> {
    let id = id::<NodeId>("node", &text)?;
    let node = read(&app, id).await?;
    let unsettled = app.reader().unsettled_on(id).await?;
    let question = question::Question::HeardOf(id.to_bytes());
    // Without a leader, what the state knows is what there is to say.
    let heard = match app.agreement.ask(Question { question: Some(question) }).await {
        Ok(Answer { answer: Some(answer::Answer::Heard(heard)) }) => Some(heard),
        Ok(_) | Err(_) => None,
    };
    let seen = heard.as_ref().filter(|heard| heard.at_millis > 0);
    Ok(Json(NodeHealth {
        node,
        online: heard.as_ref().map(|heard| heard.online),
        last_heard_at: seen.map(|heard| Timestamp::from_millis(heard.at_millis)),
        capacity: seen.and_then(|heard| heard.capacity).map(|capacity| NodeCapacity {
            disk_mb: Megabytes(capacity.disk_total_mb),
            disk_free_mb: Megabytes(capacity.disk_free_mb),
            memory_mb: Megabytes(capacity.memory_total_mb),
            memory_free_mb: Megabytes(capacity.memory_free_mb),
        }),
        failed_services: seen.map(|heard| heard.failed_services.clone()).unwrap_or_default(),
        pending: unsettled.pending,
        failed: unsettled.failed,
        unsettled: unsettled.objects.into_iter().map(unsettled_object).collect(),
    }))
}

fn unsettled_object(row: npanel_state::UnsettledObject) -> UnsettledObject {
    UnsettledObject {
        object_kind: row.kind.noun().to_owned(),
        object_id: uuid::Uuid::from_slice(&row.id).map(|id| id.to_string()).unwrap_or_default(),
        name: row.name,
        is_removal: row.is_removal,
        state: if row.state == "failed" { "failed" } else { "pending" }.to_owned(),
        reason: row.reason,
        message: row.message,
        since: row.since,
    }
}

/// Who asks for a node's deletion, and how much goes with it.
struct Deletion {
    asked: Asked,
    query: DeleteNodeQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for Deletion {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(query) = Query::<DeleteNodeQuery>::from_request_parts(parts, state).await?;
        Ok(Self { asked: Asked::by(parts, state, query.write()).await?, query })
    }
}

/// Take a node out of the fleet for good; its identity is revoked. One that carries something goes by force only, once it
/// is revoked: what it carried is placed anew, empty.
#[utoipa::path(delete, path = "/v1/nodes/{id}", operation_id = "node.delete", tag = "nodes",
    params(("id" = schema::NodeId, Path, description = "The node"),
        ("force" = Option<bool>, Query, description = "`true`: also if it carries something. It must be revoked."),
        ("accept_data_loss" = Option<bool>, Query,
            description = "`true`: also if accounts' data is on it, which is lost then.")),
    responses((status = 204, description = "Removed"),
        (status = 200, description = "Removed, and what others have to do for it was waited for", body = Operation),
        (status = 202, description = "Removed; others have something to do for it", body = Operation)))]
async fn delete(
    State(app): State<App>,
    Deletion { asked, query }: Deletion,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let command = command::DeleteNode {
        node_id: id::<NodeId>("node", &text)?.to_bytes(),
        force: query.force(),
        accept_data_loss: query.accept_data_loss(),
        operation_id: OperationId::generate().to_bytes(),
    };
    // As of a body: asked for with other words, it is another request.
    let words = format!("{}/{}", command.force, command.accept_data_loss);
    let accepted = app.propose(&asked, words.as_bytes(), Command::DeleteNode(command)).await?;
    Ok(deleted(&app, &asked, &accepted).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_never_reported_is_not_called_unreachable() {
        let since = Timestamp::now();
        let trusted = |presence, has_reported| status(presence, has_reported, false);
        assert_eq!(trusted(NodePresence::Connected { since }, true), NodeStatus::Ready);
        assert_eq!(trusted(NodePresence::Connected { since }, false), NodeStatus::NeverSeen);
        assert_eq!(trusted(NodePresence::Lost { since }, true), NodeStatus::Unreachable);
        assert_eq!(trusted(NodePresence::NeverSeen, true), NodeStatus::Unreachable);
        assert_eq!(trusted(NodePresence::NeverSeen, false), NodeStatus::NeverSeen);
    }

    #[test]
    fn a_revoked_node_is_called_so_even_while_its_connection_ends() {
        let since = Timestamp::now();
        assert_eq!(status(NodePresence::Connected { since }, true, true), NodeStatus::Revoked);
    }
}
