//! `/v1/controllers`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use npanel_proto::command::{self, envelope::Command};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{deleted, id},
    app::App,
    asked::Asked,
    preview::Ended,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(remove_controller))
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
