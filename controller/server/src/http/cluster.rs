//! `/v1/cluster`.

use axum::{Json, extract::State};
use npanel_model::ControllerId;
use npanel_sdk_types::{ClusterStatus, Controller, ControllerRole};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::App, problem::Failure};
use crate::agreement::AgreementStatus;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Show the controllers, the leader and the replication state, as the answering controller sees them.
#[utoipa::path(get, path = "/v1/cluster", operation_id = "cluster.status", tag = "cluster",
    responses((status = 200, description = "The status", body = ClusterStatus)))]
async fn status(State(app): State<App>) -> Result<Json<ClusterStatus>, Failure> {
    let cluster = app.find("cluster", || app.reader().cluster()).await?;
    let agreement = app.agreement.status();
    let controllers = app.reader().controllers().await?;
    Ok(Json(ClusterStatus {
        cluster_id: cluster.id,
        controller_id: ControllerId(agreement.controller_id),
        leader_id: agreement.leader_id,
        term: agreement.term,
        applied_index: agreement.applied_index,
        last_log_index: agreement.last_log_index,
        controllers: controllers.into_iter().map(|row| shown(row, &agreement)).collect(),
    }))
}

fn shown(row: npanel_state::Controller, agreement: &AgreementStatus) -> Controller {
    Controller {
        id: row.id,
        name: row.name.into(),
        fleet_address: row.fleet_address,
        role: role(row.id, agreement),
        replicated_index: agreement.replicated.get(&row.id).copied(),
    }
}

fn role(id: ControllerId, agreement: &AgreementStatus) -> ControllerRole {
    if agreement.leader_id == Some(id) {
        ControllerRole::Leader
    } else if agreement.voters.contains(&id) {
        ControllerRole::Voter
    } else if agreement.learners.contains(&id) {
        ControllerRole::Learner
    } else {
        ControllerRole::Enrolled
    }
}
