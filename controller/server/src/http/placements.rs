//! `/v1/placements`, and what of a placement is for whom to see.
//!
//! The platform sees every node and every reason. A tenant sees the nodes that carry its own accounts, by name, and
//! nothing of any other: neither how full a node is nor why it was passed over, which would tell of its neighbours.

use axum::{Json, extract::State};
use npanel_proto::{
    command::{self, Refused},
    controller::{Answer, Question, WouldPlace, answer, question},
};
use npanel_sdk_types::{ExplainPlacement, PlacementReport, PlacementWish, Verdict};
use npanel_state::RefusalCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::App, body::Body, problem::Failure};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Say which nodes an account would be placed on now, and why. Decides nothing.
#[utoipa::path(post, path = "/v1/placements/explain", operation_id = "explain.placement", tag = "nodes",
    request_body = ExplainPlacement,
    responses((status = 200, description = "Where it would go", body = PlacementReport)))]
async fn explain(
    State(app): State<App>,
    caller: Caller,
    Body { value, .. }: Body<ExplainPlacement>,
) -> Result<Json<PlacementReport>, Failure> {
    app.find("tenant", || app.reader().tenant(caller.tenant_id, value.tenant_id)).await?;
    app.find("plan", || app.reader().plan(caller.tenant_id, value.plan_id)).await?;
    let wish = value.placement;
    if let Some(field) = wish.as_ref().and_then(|wish| beyond(&caller, wish)) {
        let detail =
            "only the platform chooses nodes, pools and labels; an availability zone may be asked for";
        return Err(Failure::invalid(field, detail));
    }
    let question = question::Question::WouldPlace(WouldPlace {
        tenant_id: value.tenant_id.to_bytes(),
        plan_id: value.plan_id.to_bytes(),
        placement: wish.map(self::wish),
    });
    let report = match app.agreement.ask(Question { question: Some(question) }).await? {
        Answer { answer: Some(answer::Answer::PlacementReport(report)) } => report,
        Answer { answer: Some(answer::Answer::Refused(refused)) } => return Err(refused.into()),
        other => return Err(Failure::internal(&format!("the leader answered something else: {other:?}"))),
    };
    let report = serde_json::from_str(&report).map_err(|error| Failure::internal(&error))?;
    Ok(Json(visible(&caller, report)))
}

/// The field that the caller may not use.
fn beyond(caller: &Caller, wish: &PlacementWish) -> Option<&'static str> {
    let named = [
        ("placement.node_id", wish.node_id.is_some()),
        ("placement.pool", wish.pool.is_some()),
        ("placement.labels", !wish.labels.is_empty()),
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
            part.nodes.retain(|node| node.verdict == Verdict::Chosen);
            part.nodes.iter_mut().for_each(|node| "chosen by the platform".clone_into(&mut node.reason));
            part.others.clear();
        }
    }
    report
}

/// What the caller may know of why there is no node.
pub(super) fn refusal(caller: &Caller, mut refused: Refused) -> Refused {
    if !caller.is_platform && refused.code == RefusalCode::NoNode.as_str() {
        "no node can take it at the moment; the platform's operators see why"
            .clone_into(&mut refused.message);
    }
    refused
}
