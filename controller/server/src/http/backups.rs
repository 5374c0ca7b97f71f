//! `/v1/cluster/backup`: the fleet's state, for who keeps it elsewhere. Any controller makes one, also without a leader.

use axum::{
    body::Body as AnswerBody,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
};
use npanel_pki::RecoveryPublicKey;
use npanel_sdk_types::{BackupMade, BackupTo, ChangePreview, MakeBackup};
use npanel_state::RefusalCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    app::App,
    asked::Asked,
    body::Body,
    preview::Ended,
    problem::{Failure, Kind},
};
use crate::backup::{Archive, Unmade};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make))
}

/// Make a backup of the fleet's state, as the answering controller has it: a tar archive with a manifest, the cluster's secrets
/// (sealed to the recovery key) and the state, signed by the CA. It is the answer, or is written to the controllers' bucket.
#[utoipa::path(post, path = "/v1/cluster/backup", operation_id = "cluster.backup", tag = "cluster",
    request_body = MakeBackup,
    responses((status = 200, description = "The archive", content_type = "application/x-tar"),
        (status = 201, description = "It is in the bucket", body = BackupMade)))]
async fn make(
    State(app): State<App>,
    asked: Asked,
    Body { value, .. }: Body<MakeBackup>,
) -> Result<Response, Ended> {
    let key = recovery_key(&app).await?;
    let bucket = match value.to {
        BackupTo::Answer => None,
        BackupTo::Bucket => Some(app.backups.clone().ok_or_else(|| {
            unavailable("no bucket for backups is configured on this controller ([backup])").at("to")
        })?),
    };
    if asked.dry_run {
        let warnings = vec!["a backup changes nothing: none was made".to_owned()];
        return Err(Ended::Previewed(Box::new(ChangePreview { warnings, ..ChangePreview::default() })));
    }
    let place = app.backup_place().try_acquire_owned();
    let place =
        place.map_err(|_| Failure::new(Kind::Busy, "this controller makes another backup just now"))?;
    let archive = Archive::make(&app, key, place).await.map_err(unmade)?;
    let manifest = archive.manifest();
    tracing::info!(
        caller = %asked.caller.who(),
        index = manifest.index,
        bytes = archive.length(),
        to_bucket = bucket.is_some(),
        "a backup of the state is made"
    );
    let Some(bucket) = bucket else { return Ok(answer(archive)) };
    let mut made = BackupMade {
        object: archive.name(),
        bytes: archive.length(),
        cluster_id: manifest.cluster_id.clone(),
        index: manifest.index,
        made_at: manifest.made_at,
        state_sha256: manifest.state_sha256.clone(),
    };
    made.object = bucket.put(archive).await.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a backup could not be written to the bucket"
        );
        Failure::new(Kind::Bucket, error.to_string())
    })?;
    Ok((http::StatusCode::CREATED, axum::Json(made)).into_response())
}

fn unmade(error: Unmade) -> Failure {
    match error {
        Unmade::NoKey { .. } => Failure::new(
            Kind::KeyMissing,
            format!(
                "{error}: a backup of it could not be opened. It takes the key over from the others by itself; ask another \
                     controller for the backup, or this one again"
            ),
        ),
        other => Failure::internal(&other),
    }
}

async fn recovery_key(app: &App) -> Result<RecoveryPublicKey, Failure> {
    let cluster = app.find_for_write("cluster", || app.reader().cluster()).await?;
    RecoveryPublicKey::from_bytes(&cluster.recovery_key).map_err(|_| {
        unavailable(
            "the cluster has no recovery key, to which the secrets in a backup are sealed: make one with \
             `npanel-controller recovery-key` and set it with `npanel cluster update --recovery-key`",
        )
    })
}

fn unavailable(detail: &str) -> Failure {
    Failure::new(Kind::Refused(RefusalCode::Unavailable), detail)
}

fn answer(archive: Archive) -> Response {
    let disposition = format!("attachment; filename=\"{}\"", archive.name());
    let length = archive.length();
    let mut response = Response::new(AnswerBody::from_stream(archive.stream()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}
