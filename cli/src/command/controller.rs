//! `npanel controller`.

use clap::Subcommand;
use npanel_client::Client;
use npanel_model::ControllerId;

use crate::{failure::Failure, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a controller out of the cluster for good; its identity is revoked. Refused if the others could not decide
    /// without it. `npanel cluster status` lists the controllers.
    Remove {
        /// Its name or id.
        controller: String,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Remove { controller } => {
            let id = find(&session.client, &controller).await?;
            session.client.remove_controller(id).await?;
            session.removed(&id.to_string(), None)
        }
    }
}

/// The id that the text is, or the id of the controller of that name.
async fn find(client: &Client, text: &str) -> Result<ControllerId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(ControllerId(id));
    }
    let status = client.cluster_status().await?;
    let found = status.controllers.iter().find(|controller| controller.name == text);
    found
        .map(|controller| controller.id)
        .ok_or_else(|| Failure::Refused(format!("there is no controller {text:?}")))
}
