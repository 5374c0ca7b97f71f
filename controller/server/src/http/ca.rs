//! `/v1/ca`: the certificate authorities, and their rotation.

use axum::{Json, extract::State, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::Timestamp;
use npanel_pki::KeyFingerprint;
use npanel_proto::command::{RetireAuthority, RotateAuthority, envelope::Command};
use npanel_sdk_types::{Authority, Ca, RetireCa, RotateCa};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{answer::indexed, app::App, asked::Asked, body::Body, preview::Ended, problem::Failure};
use crate::authorities::authority_command;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(rotate)).routes(routes!(retire))
}

/// Show the certificate authorities, with the bundle that clients of the API are to trust.
#[utoipa::path(get, path = "/v1/ca", operation_id = "ca.status", tag = "ca",
    responses((status = 200, description = "The authorities", body = Ca)))]
async fn status(State(app): State<App>) -> Result<Json<Ca>, Failure> {
    shown(&app).await.map(Json)
}

async fn shown(app: &App) -> Result<Ca, Failure> {
    let rows = app.reader().authorities().await?;
    let mut authorities = Vec::new();
    for row in &rows {
        let pin =
            KeyFingerprint::from_bytes(&row.key_fingerprint).map_err(|error| Failure::internal(&error))?;
        authorities.push(Authority {
            pin: pin.to_string(),
            issuing: row.issuing,
            machines: app.reader().machines_of(&row.key_fingerprint).await?,
            expires_at: row.not_after,
            created_at: row.created_at,
        });
    }
    Ok(Ca { authorities, bundle_pem: rows.iter().map(|row| pem(&row.certificate)).collect() })
}

/// A certificate in PEM (RFC 7468).
fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or("")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Make a new certificate authority, which issues from now on. The one before is trusted until it is retired.
#[utoipa::path(post, path = "/v1/ca/rotate", operation_id = "ca.rotate", tag = "ca",
    request_body = RotateCa,
    responses((status = 200, description = "The authorities now", body = Ca)))]
async fn rotate(
    State(app): State<App>,
    asked: Asked,
    Body { bytes, .. }: Body<RotateCa>,
) -> Result<Response, Ended> {
    let successor = app.authorities.successor(Timestamp::now()).map_err(|error| Failure::internal(&error))?;
    let authority =
        authority_command(&successor.authority, Some(&successor.cross), &app.authorities.keys().now())
            .map_err(|error| Failure::internal(&error))?;
    let command = RotateAuthority { authority: Some(authority), replaces: successor.replaces.to_bytes() };
    let written = app.propose(&asked, &bytes, Command::RotateAuthority(command)).await?;
    Ok(indexed(&written, Json(shown(&app).await?)))
}

/// Trust the certificate authority before the last rotation no longer.
#[utoipa::path(post, path = "/v1/ca/retire", operation_id = "ca.retire", tag = "ca",
    request_body = RetireCa,
    responses((status = 200, description = "The authorities now", body = Ca)))]
async fn retire(
    State(app): State<App>,
    asked: Asked,
    Body { value, bytes }: Body<RetireCa>,
) -> Result<Response, Ended> {
    let command = retirement(&app, value.force).await.map(Command::RetireAuthority);
    let written = app.propose_if_made(&asked, &bytes, command).await?;
    Ok(indexed(&written, Json(shown(&app).await?)))
}

/// Of the one that does not issue any more: which that is, is said here.
async fn retirement(app: &App, force: bool) -> Result<RetireAuthority, Failure> {
    app.require_all().await?;
    let rows = app.reader().authorities().await?;
    let old = rows.into_iter().find(|row| !row.issuing).ok_or_else(|| Failure::not_found("old authority"))?;
    Ok(RetireAuthority { key_fingerprint: old.key_fingerprint, force })
}
