//! `/v1/secrets`: the keys that secrets are sealed by, and their rotation.

use axum::{Json, extract::State, response::Response};
use npanel_model::{OperationId, TenantId};
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{
    ClusterKey, ClusterKeyState, DataKeys, Operation, RotateSecrets, SecretsRotation, SecretsStatus,
};
use npanel_state::{ClusterKeyRow, ClusterKeyState as Stored, Controller};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{answer::deleted, app::App, asked::Asked, body::Body, preview::Ended, problem::Failure};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(rotate))
}

/// Show the keys that secrets are sealed by: their versions and ages, and how far their rotation is. Never a key.
#[utoipa::path(get, path = "/v1/secrets", operation_id = "secrets.status", tag = "secrets",
    responses((status = 200, description = "The keys", body = SecretsStatus)))]
async fn status(State(app): State<App>) -> Result<Json<SecretsStatus>, Failure> {
    let (keys, controllers) = (app.reader().cluster_keys().await?, app.reader().controllers().await?);
    let data_keys = app.reader().data_keys().await?;
    let cluster_keys: Vec<ClusterKey> = keys.iter().map(|key| shown(key, &controllers)).collect();
    let rotation = app.reader().secrets_rotation().await?.map(|rotation| {
        let mut shown = SecretsRotation {
            operation_id: rotation.operation_id,
            cluster_key: rotation.cluster_key,
            data_keys: rotation.data_keys,
            tenant_id: rotation.tenant_id,
            done: rotation.done,
            total: rotation.total,
            waits_for: Vec::new(),
            begun_at: rotation.begun_at,
            finished_at: rotation.finished_at,
        };
        if shown.finished_at.is_none() {
            shown.waits_for = waits_for(&cluster_keys, data_keys.sealed_by_former);
        }
        shown
    });
    let data_keys = DataKeys {
        tenants: data_keys.tenants,
        former: data_keys.former,
        sealed_by_former: data_keys.sealed_by_former,
        oldest_at: data_keys.oldest_at,
    };
    Ok(Json(SecretsStatus { cluster_keys, data_keys, rotation }))
}

fn shown(key: &ClusterKeyRow, controllers: &[Controller]) -> ClusterKey {
    let is_kept_track_of = !key.name.is_empty() && matches!(key.state, Stored::Offered | Stored::Current);
    let missing = controllers.iter().filter(|one| is_kept_track_of && !key.holders.contains(&one.id));
    ClusterKey {
        version: key.version,
        name: key.name.iter().map(|byte| format!("{byte:02x}")).collect(),
        state: match key.state {
            Stored::Offered => ClusterKeyState::Offered,
            Stored::Current => ClusterKeyState::Current,
            Stored::Former => ClusterKeyState::Former,
            Stored::Destroyed => ClusterKeyState::Destroyed,
        },
        missing_on: missing.map(|one| one.name.to_string()).collect(),
        created_at: key.created_at,
        destroyed_at: key.ended_at,
    }
}

fn waits_for(keys: &[ClusterKey], sealed_by_former: u64) -> Vec<String> {
    let missing = keys.iter().find(|key| !key.missing_on.is_empty()).map(|key| {
        let names = key.missing_on.join(", ");
        format!(
            "the new cluster key is not on {names} yet: start what is down, or remove what will not come back"
        )
    });
    let sealed =
        (sealed_by_former > 0).then(|| format!("{sealed_by_former} secrets are sealed by former data keys"));
    missing.into_iter().chain(sealed).collect()
}

/// Change the keys that secrets are sealed by, and seal all secrets anew. Everything goes on meanwhile.
#[utoipa::path(post, path = "/v1/secrets/rotate", operation_id = "secrets.rotate", tag = "secrets",
    request_body = RotateSecrets,
    responses((status = 202, description = "It is under way", body = Operation),
        (status = 200, description = "It was waited for and is done", body = Operation)))]
async fn rotate(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<RotateSecrets>,
) -> Result<Response, Ended> {
    let says_neither = !value.cluster_key && !value.data_keys;
    let command = command::RotateSecrets {
        cluster_key: value.cluster_key || (says_neither && value.tenant_id.is_none()),
        data_keys: value.data_keys || says_neither,
        tenant_id: value.tenant_id.map(TenantId::to_bytes).unwrap_or_default(),
        operation_id: OperationId::generate().to_bytes(),
    };
    let written = app.propose(&asked, &bytes, Command::RotateSecrets(command)).await?;
    Ok(deleted(&app, &asked, &written).await?)
}
