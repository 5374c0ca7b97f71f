//! `/v1/explain/placement`, and what of a placement is for whom to see.
//!
//! The platform sees every node and every reason. A tenant sees the ids of the nodes that carry its own accounts, and
//! nothing else of any: neither its name, nor how full it is, nor why it was passed over, which would tell of its
//! neighbours.

#![expect(unused_qualifications, reason = "what utoipa makes of the query names its type by a path")]

use axum::{Json, extract::State};
use npanel_model::{AvailabilityZone, NodeId, NodeLabel, NodeLabelError, PlanId, PoolName, TenantId};
use npanel_proto::{
    command::{self, Refused},
    controller::{Answer, Question, WouldPlace, answer, question},
};
use npanel_sdk_types::{PlacementReport, PlacementWish, schema};
use npanel_state::{PLACING_IS_THE_PLATFORMS, RefusalCode};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::App, problem::Failure, query::Query};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// An account that is not asked for yet.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExplainQuery {
    /// The tenant that it would belong to.
    #[param(value_type = schema::TenantId)]
    tenant_id: TenantId,
    /// What it would get.
    #[param(value_type = schema::PlanId)]
    plan_id: PlanId,
    /// Only this node; for the platform.
    #[param(value_type = Option<schema::NodeId>)]
    node_id: Option<NodeId>,
    /// Only nodes of this pool; for the platform.
    #[param(value_type = Option<schema::PoolName>)]
    pool: Option<PoolName>,
    /// Only nodes of this availability zone.
    #[param(value_type = Option<schema::AvailabilityZone>)]
    availability_zone: Option<AvailabilityZone>,
    /// Only nodes with all of these labels, with commas between them; for the platform.
    #[param(value_type = Option<String>, max_length = 4000, example = "disk=nvme,gpu=none")]
    labels: Option<String>,
}

/// Say which nodes an account would be placed on now, and why. Decides nothing.
#[utoipa::path(get, path = "/v1/explain/placement", operation_id = "explain.placement", tag = "nodes",
    params(ExplainQuery),
    responses((status = 200, description = "Where it would go", body = PlacementReport)))]
async fn explain(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<PlacementReport>, Failure> {
    app.find("tenant", || app.reader().tenant(caller.purview(), query.tenant_id)).await?;
    app.find("plan", || app.reader().plan(caller.purview(), query.plan_id)).await?;
    let wish = PlacementWish {
        node_id: query.node_id,
        pool: query.pool,
        availability_zone: query.availability_zone,
        labels: labels(query.labels.as_deref().unwrap_or_default())?,
    };
    if let Some(field) = beyond(&caller, &wish) {
        return Err(Failure::invalid(field, PLACING_IS_THE_PLATFORMS));
    }
    let question = question::Question::WouldPlace(WouldPlace {
        tenant_id: query.tenant_id.to_bytes(),
        plan_id: query.plan_id.to_bytes(),
        placement: Some(self::wish(wish)),
    });
    let report = match app.agreement.ask(Question { question: Some(question) }).await? {
        Answer { answer: Some(answer::Answer::PlacementReport(report)) } => report,
        Answer { answer: Some(answer::Answer::Refused(refused)) } => return Err(refused.into()),
        other => return Err(Failure::internal(&format!("the leader answered something else: {other:?}"))),
    };
    let report = serde_json::from_str(&report).map_err(|error| Failure::internal(&error))?;
    Ok(Json(visible(&caller, report)))
}

fn labels(text: &str) -> Result<Vec<NodeLabel>, Failure> {
    let texts = text.split(',').filter(|label| !label.is_empty());
    texts
        .map(|label| label.parse())
        .collect::<Result<_, NodeLabelError>>()
        .map_err(|error| Failure::invalid("labels", error.to_string()))
}

/// The field that the caller may not use.
fn beyond(caller: &Caller, wish: &PlacementWish) -> Option<&'static str> {
    let named = [
        ("node_id", wish.node_id.is_some()),
        ("pool", wish.pool.is_some()),
        ("labels", !wish.labels.is_empty()),
    ];
    named.into_iter().find(|(_, is_named)| *is_named && !caller.is_platform).map(|(field, _)| field)
}

/// The wish as a command has it.
pub(super) fn wish(wish: PlacementWish) -> command::PlacementWish {
    command::PlacementWish {
        node_id: wish.node_id.map(|node| node.to_bytes()).unwrap_or_default(),
        pool: wish.pool.map(String::from).unwrap_or_default(),
        availability_zone: wish.availability_zone.map(String::from).unwrap_or_default(),
        labels: wish.labels.into_iter().map(String::from).collect(),
    }
}

/// What the caller may see of a report.
pub(super) fn visible(caller: &Caller, mut report: PlacementReport) -> PlacementReport {
    if !caller.is_platform {
        for part in &mut report.parts {
            part.nodes.clear();
            part.others.clear();
        }
        if let Some(zone) = &mut report.zone {
            zone.nodes.clear();
            zone.others.clear();
        }
    }
    report
}

/// What the caller may know of why there is no node, or why one that carries their account does not do: neither which it
/// is, nor how full.
pub(super) fn refusal(caller: &Caller, mut refused: Refused) -> Refused {
    let code = RefusalCode::from_text(&refused.code);
    let told = match code.filter(|_| !caller.is_platform) {
        Some(RefusalCode::NoNode) if refused.field == "/php_version" => {
            Some("the node of an account that it is for does not have this PHP version")
        }
        Some(RefusalCode::NoNode) => {
            Some("no node can take it at the moment; the platform's operators see why")
        }
        Some(RefusalCode::NodeFull) => Some("the account's node has no room for it to grow"),
        Some(RefusalCode::PlacementUnmet) => {
            Some("the account's node is not one for this plan, and accounts cannot be moved yet")
        }
        _ => None,
    };
    if let Some(told) = told {
        told.clone_into(&mut refused.message);
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a caller reads of a refusal that names a node and what is on it.
    fn read(code: RefusalCode, field: &str, is_platform: bool) -> String {
        let caller = Caller::for_tests(is_platform);
        let message = "the node n7 has 3 of 4 MB promised".to_owned();
        let refused = Refused { code: code.as_str().to_owned(), message, field: field.to_owned() };
        refusal(&caller, refused).message
    }

    #[test]
    fn a_tenant_reads_nothing_of_a_node_that_is_full() {
        for (code, field) in [
            (RefusalCode::NodeFull, ""),
            (RefusalCode::NoNode, ""),
            (RefusalCode::NoNode, "/php_version"),
            (RefusalCode::PlacementUnmet, ""),
        ] {
            assert!(!read(code, field, false).contains("n7"), "{code:?} {field}");
            assert!(read(code, field, true).contains("n7"), "{code:?} {field}");
        }
    }
}
