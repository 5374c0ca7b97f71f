//! `/v1/cluster`.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::{Path, State},
    response::Response,
};
use npanel_model::{ControllerId, Limit, Timestamp};
use npanel_pki::{Lifetimes, RecoveryPublicKey};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{ClusterStatus, Controller, ControllerRole, UpdateCluster};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{Tagged, deleted, id, updated},
    app::App,
    asked::Asked,
    body::Body,
    preview::Ended,
    problem::Failure,
};
use crate::agreement::AgreementStatus;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status, update)).routes(routes!(remove_controller))
}

/// Show the controllers, the leader and the replication state, as the answering controller sees them.
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

/// Take a controller out of the cluster for good; its identity is revoked. Refused if the others could not decide without
/// it.
#[utoipa::path(delete, path = "/v1/controllers/{id}", operation_id = "controller.remove", tag = "cluster",
    params(("id" = u64, Path, description = "The controller")),
    responses((status = 204, description = "Removed; the others go on without it within a second")))]
async fn remove_controller(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
) -> Result<Response, Ended> {
    let controller_id: u64 = id("controller", &text)?;
    let command = Command::RemoveController(command::RemoveController { controller_id });
    Ok(deleted(&app, &asked, &app.propose(&asked, &[], command).await?).await?)
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
    let others = rows.iter().filter(|row| row.id.0 != agreement.controller_id);
    let others = others.map(|row| (row.id, row.fleet_address.clone())).collect();
    let mut reached = app.agreement.reach(others).await;
    reached.insert(ControllerId(agreement.controller_id), Some(agreement.max_feature_level));
    let controllers = rows.into_iter().map(|row| shown(row, &agreement, &reached)).collect();
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
    status.warnings = warnings(&status, ca_expires, app.authorities.lifetimes(), Timestamp::now());
    status.warnings.extend(app.reader().revoked_nodes().await?.iter().map(of_revoked_node));
    status.warnings.extend(of_level(&status));
    status.warnings.extend(of_clock(agreement.clock_seconds_ahead));
    let (parts, zones) = app.reader().count_unplaced().await?;
    if parts + zones > 0 {
        status.warnings.push(format!(
            "{parts} parts of accounts and {zones} zones are on no node: the one that carried them is gone for good, and \
             none can take them yet (see: npanel account list --status failed)"
        ));
    }
    Ok(status)
}

/// An authority is to be rotated well before it ends.
const CA_NOTICE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an operator should look at. A certificate is renewed at two thirds of its life; one that has less than a
/// quarter left was not.
fn warnings(
    status: &ClusterStatus,
    ca_expires: Option<Timestamp>,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if status.recovery_key.is_empty() {
        warnings.push(
            "there is no recovery key, so no backup can be made: npanel-controller recovery-key".to_owned(),
        );
    }
    if status.leader_id.is_none() {
        warnings.push("no leader is known: nothing can be changed".to_owned());
    }
    let is_late = |expiry: Timestamp, life: Duration| expiry < now.plus(life / 4);
    for controller in &status.controllers {
        let name = &controller.name;
        if controller.reachable == Some(false) {
            warnings.push(format!("controller {name} cannot be reached"));
        }
        if let Some(expiry) = controller.certificate_expires_at
            && is_late(expiry, lifetimes.controller)
        {
            warnings
                .push(format!("the certificate of controller {name} ends at {expiry} and was not renewed"));
        }
    }
    if let Some(expiry) = status.node_certificates_expire_at
        && is_late(expiry, lifetimes.node)
    {
        warnings.push(format!(
            "a node's certificate ends at {expiry} and was not renewed (see: npanel node list)"
        ));
    }
    if status.ca_trusted > 1 {
        warnings.push("the certificate authority was rotated and the old one is still trusted".to_owned());
    }
    if let Some(expiry) = ca_expires
        && expiry < now.plus(CA_NOTICE)
    {
        warnings.push(format!("the certificate authority ends at {expiry}; rotate it: npanel ca rotate"));
    }
    warnings
}

/// Of the controller that answers: each compares its own.
fn of_clock(seconds_ahead: i64) -> Option<String> {
    let (seconds, word) = match seconds_ahead {
        0 => return None,
        ahead @ 1.. => (ahead, "ahead of"),
        behind => (-behind, "behind"),
    };
    Some(format!(
        "the clock of the controller that answers is {seconds} s {word} the others'; theirs counts, set this one"
    ))
}

/// Who keeps the cluster from a feature level that other controllers can go up to.
fn of_level(status: &ClusterStatus) -> Option<String> {
    let most = |controller: &Controller| controller.max_feature_level;
    let highest = status.controllers.iter().filter_map(most).max()?;
    let wanted = match status.feature_level_limit {
        Limit::AtMost(limit) => highest.min(u32::try_from(limit).unwrap_or(u32::MAX)),
        Limit::Unlimited => highest,
    };
    if wanted <= status.feature_level {
        return None;
    }
    let keeps = |controller: &&Controller| most(controller).is_none_or(|most| most < wanted);
    let names: Vec<&str> = status.controllers.iter().filter(keeps).map(|one| one.name.as_str()).collect();
    if names.is_empty() {
        // The leader is about to raise it.
        return None;
    }
    Some(format!(
        "the cluster is at feature level {}, and goes to {wanted} once these controllers do, or are removed: {}",
        status.feature_level,
        names.join(", ")
    ))
}

fn of_revoked_node(node: &npanel_state::Node) -> String {
    let (name, load) = (&node.name, node.load);
    format!(
        "node {name} is revoked and carries {} web and {} database parts of accounts and {} zones",
        load.web, load.database, load.zones
    )
}

fn shown(
    row: npanel_state::Controller,
    agreement: &AgreementStatus,
    reached: &BTreeMap<ControllerId, Option<u32>>,
) -> Controller {
    Controller {
        id: row.id,
        name: row.name.into(),
        fleet_address: row.fleet_address,
        role: role(row.id, agreement),
        reachable: reached.get(&row.id).map(Option::is_some),
        max_feature_level: reached.get(&row.id).copied().flatten(),
        certificate_expires_at: row.certificate_expires_at,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn before(now: Timestamp, by: Duration) -> Timestamp {
        Timestamp::from_millis(now.as_millis() - i64::try_from(by.as_millis()).expect("a short time"))
    }

    /// A healthy cluster whose certificates are quite new.
    fn status(now: Timestamp) -> ClusterStatus {
        let lifetimes = Lifetimes::default();
        let controller = json!({"id": 1, "name": "c1", "fleet_address": "192.0.2.1:8444", "role": "leader",
            "reachable": true, "certificate_expires_at": now.plus(lifetimes.controller)});
        let status = json!({"cluster_id": "x", "controller_id": 1, "leader_id": 1, "term": 1, "applied_index": 9,
            "last_log_index": 9, "node_certificates_expire_at": now.plus(lifetimes.node), "ca_trusted": 1,
            "placement_strategy": "spread", "operation_retention_seconds": 1, "revision": 1,
            "recovery_key": "x",
            "controllers": [controller]});
        serde_json::from_value(status).expect("a status")
    }

    fn told(change: impl FnOnce(&mut ClusterStatus), ca_life: Duration) -> Vec<String> {
        let now = Timestamp::now();
        let mut status = status(now);
        change(&mut status);
        warnings(&status, Some(now.plus(ca_life)), Lifetimes::default(), now)
    }

    #[test]
    fn a_healthy_cluster_warns_of_nothing() {
        assert_eq!(told(|_| {}, 9 * 365 * DAY), [""; 0]);
    }

    #[test]
    fn each_thing_that_an_operator_should_see_is_said_by_itself() {
        let now = Timestamp::now();
        let lifetimes = Lifetimes::default();
        let long = 9 * 365 * DAY;
        let one = |warnings: Vec<String>, expected: &str| {
            assert!(warnings.len() == 1 && warnings[0].contains(expected), "{expected}: {warnings:?}");
        };
        one(told(|status| status.leader_id = None, long), "no leader is known");
        one(told(|status| status.recovery_key.clear(), long), "no backup can be made");
        one(told(|status| status.controllers[0].reachable = Some(false), long), "c1 cannot be reached");
        let late = now.plus(lifetimes.controller / 5);
        one(
            told(|status| status.controllers[0].certificate_expires_at = Some(late), long),
            "of controller c1 ends at",
        );
        let late = now.plus(lifetimes.node / 5);
        one(
            told(|status| status.node_certificates_expire_at = Some(late), long),
            "a node's certificate ends at",
        );
        let over = before(now, DAY);
        one(
            told(|status| status.node_certificates_expire_at = Some(over), long),
            "a node's certificate ends at",
        );
        one(told(|status| status.ca_trusted = 2, long), "the old one is still trusted");
        one(told(|_| {}, 300 * DAY), "rotate it: npanel ca rotate");
    }

    #[test]
    fn a_certificate_that_is_only_due_is_none_to_worry_about() {
        let now = Timestamp::now();
        let due = now.plus(Lifetimes::default().node / 3);
        assert_eq!(told(|status| status.node_certificates_expire_at = Some(due), 9 * 365 * DAY), [""; 0]);
    }

    #[test]
    fn who_keeps_the_cluster_from_a_feature_level_is_named() {
        let now = Timestamp::now();
        let mut status = status(now);
        status.feature_level = 3;
        status.controllers.push(Controller { name: "c2".into(), ..status.controllers[0].clone() });
        let levels = |status: &mut ClusterStatus, of: [Option<u32>; 2]| {
            for (controller, level) in status.controllers.iter_mut().zip(of) {
                controller.max_feature_level = level;
            }
            of_level(status)
        };
        assert_eq!(levels(&mut status, [Some(3), Some(3)]), None);
        assert_eq!(levels(&mut status, [Some(4), Some(4)]), None, "it is about to be raised");
        for keeps in [Some(3), None] {
            let warning = levels(&mut status, [Some(4), keeps]).expect("c2 keeps it from that");
            assert!(warning.contains("goes to 4") && warning.ends_with(": c2"), "{warning}");
        }
        status.feature_level_limit = Limit::AtMost(3);
        assert_eq!(levels(&mut status, [Some(4), Some(3)]), None, "it is held");
    }

    #[test]
    fn a_clock_that_is_off_is_said_with_its_direction() {
        assert_eq!(of_clock(0), None);
        assert!(of_clock(90).is_some_and(|text| text.contains("90 s ahead of")));
        assert!(of_clock(-90).is_some_and(|text| text.contains("90 s behind")));
    }
}
