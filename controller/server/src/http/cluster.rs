//! `/v1/cluster`.

use axum::{extract::State, response::Response};
use npanel_model::{ControllerId, Limit, Timestamp};
use npanel_pki::RecoveryPublicKey;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ClusterStatus, UpdateCluster};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, updated},
    app::App,
    asked::Asked,
    body::Body,
    controller_view::View,
    preview::Ended,
    problem::Failure,
    warnings,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status, update))
}

/// Show the controllers, the leader and the replication state. The answering controller asks all the others how they are, at once
/// and for a second at most. It needs no leader.
#[utoipa::path(get, path = "/v1/cluster", operation_id = "cluster.status", tag = "cluster",
    responses((status = 200, description = "The status", body = ClusterStatus)))]
async fn status(State(app): State<App>) -> Result<Tagged<ClusterStatus>, Failure> {
    read(&app).await.map(Tagged)
}

/// Change the cluster's settings.
#[utoipa::path(patch, path = "/v1/cluster", operation_id = "cluster.update", tag = "cluster",
    request_body = UpdateCluster,
    responses((status = 200, description = "The status", body = ClusterStatus)))]
async fn update(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<UpdateCluster>,
) -> Result<Response, Ended> {
    let command = command::UpdateCluster {
        placement_strategy: value.placement_strategy.map(|strategy| strategy.to_string()),
        operation_retention_seconds: value.operation_retention_seconds,
        deleted_data_retention_seconds: value.deleted_data_retention_seconds,
        feature_level_limit: value.feature_level_limit.map(feature_level_limit).transpose()?,
        recovery_key: value.recovery_key.as_deref().map(recovery_key).transpose()?,
    };
    let accepted = app.propose(&asked, &bytes, Command::UpdateCluster(command)).await?;
    Ok(updated(&app, &asked, &accepted, || read(&app)).await?)
}

fn recovery_key(text: &str) -> Result<Vec<u8>, Failure> {
    let key = text.parse::<RecoveryPublicKey>();
    key.map(RecoveryPublicKey::to_bytes).map_err(|error| Failure::invalid("recovery_key", error.to_string()))
}

fn feature_level_limit(limit: Limit) -> Result<command::FeatureLevelLimit, Failure> {
    let limit = match limit {
        Limit::Unlimited => None,
        Limit::AtMost(level) => Some(u32::try_from(level).map_err(|_| {
            let most = npanel_state::FEATURE_LEVEL;
            Failure::invalid("feature_level_limit", format!("this version goes up to {most} (got {level})"))
        })?),
    };
    Ok(command::FeatureLevelLimit { limit })
}

async fn read(app: &App) -> Result<ClusterStatus, Failure> {
    let cluster = app.find("cluster", || app.reader().cluster()).await?;
    let agreement = app.agreement.status();
    let rows = app.reader().controllers().await?;
    let all = rows.iter().map(|row| (row.id, row.fleet_address.clone())).collect();
    let view = View::new(&agreement, app.agreement.health(all).await);
    let controllers = rows.into_iter().map(|row| view.of(row)).collect();
    let authorities = app.reader().authorities().await?;
    let mut status = ClusterStatus {
        cluster_id: cluster.id,
        controller_id: ControllerId(agreement.controller_id),
        leader_id: agreement.leader_id,
        term: agreement.term,
        applied_index: agreement.applied_index,
        last_log_index: agreement.last_log_index,
        node_certificates_expire_at: app.reader().first_node_expiry().await?,
        ca_pin: app.authorities.pin().to_string(),
        ca_trusted: app.authorities.trusted().len() as u64,
        warnings: Vec::new(),
        placement_strategy: cluster.placement_strategy,
        operation_retention_seconds: cluster.operation_retention_seconds,
        deleted_data_retention_seconds: cluster.retention_seconds,
        feature_level: cluster.feature_level,
        feature_level_limit: cluster.feature_level_limit.map(u64::from).into(),
        recovery_key: RecoveryPublicKey::from_bytes(&cluster.recovery_key)
            .map(|key| key.to_string())
            .unwrap_or_default(),
        revision: cluster.revision,
        controllers,
    };
    let ca_expires =
        authorities.iter().find(|authority| authority.issuing).map(|authority| authority.not_after);
    status.warnings = warnings::of(&status, ca_expires, app.authorities.lifetimes(), Timestamp::now());
    status.warnings.extend(app.reader().revoked_nodes().await?.iter().map(warnings::of_revoked_node));
    let (waiting, now) = (app.reader().replacing_tokens().await?, Timestamp::now());
    let of_waiting = |token| warnings::of_waiting(&status.controllers, token, now);
    status.warnings.extend(waiting.iter().filter_map(of_waiting));
    status.warnings.extend(warnings::of_level(&status));
    status.warnings.extend(warnings::of_clock(agreement.clock_seconds_ahead));
    let (parts, zones) = app.reader().count_unplaced().await?;
    if parts + zones > 0 {
        status.warnings.push(format!(
            "{parts} parts of accounts and {zones} zones are on no node: the one that carried them is gone for good, and \
             none can take them yet (see: npanel account list --status failed)"
        ));
    }
    Ok(status)
}
