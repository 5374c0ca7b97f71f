//! `/v1/controllers`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use npanel_model::EnrolRole;
use npanel_proto::command::{self, envelope::Command};
use npanel_sdk_types::{CreateToken, ReplaceController, Token, schema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{deleted, id},
    app::App,
    asked::Asked,
    body::Body,
    preview::Ended,
    tokens,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(remove_controller)).routes(routes!(replace_controller))
}

/// Take a controller out of the cluster for good; its identity is revoked. Refused if the others could not decide without
/// it.
#[utoipa::path(delete, path = "/v1/controllers/{id}", operation_id = "controller.remove", tag = "cluster",
    params(("id" = schema::ControllerId, Path, description = "The controller")),
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

/// Have another controller take the place of one that is dead. The answer is a bootstrap token for the one new machine: when that has
/// joined with it and has caught up, it votes and the dead one goes, in one change of the members. Refused if that one answers, if
/// another replacement is under way, or if too few answer to decide it.
#[utoipa::path(post, path = "/v1/controllers/{id}/replace", operation_id = "controller.replace", tag = "cluster",
    params(("id" = schema::ControllerId, Path, description = "The controller whose place is taken")),
    request_body = ReplaceController,
    responses((status = 201, description = "Begun; the token is shown this once", body = Token)))]
async fn replace_controller(
    State(app): State<App>,
    asked: Asked,
    Path(text): Path<String>,
    Body { value, bytes }: Body<ReplaceController>,
) -> Result<Response, Ended> {
    let controller_id: u64 = id("controller", &text)?;
    let ReplaceController { ttl_seconds, name, networks, even_if_alive } = value;
    let wanted =
        CreateToken { role: EnrolRole::Controller, uses: 1, ttl_seconds, pool: None, name, networks };
    let (token, body) = tokens::fresh(&app, wanted)?;
    let command = command::ReplaceController { controller_id, token: Some(body), even_if_alive };
    tokens::shown_once(&app, &asked, &bytes, token, Command::ReplaceController(command)).await
}
