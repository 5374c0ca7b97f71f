//! `npanel secrets`.

use clap::Subcommand;
use npanel_client::Wait;
use npanel_sdk_types::{RotateSecrets, SecretsRotation, SecretsStatus};

use crate::{
    arguments::{Format, WaitArguments},
    command::tenant,
    failure::Failure,
    output,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the keys that secrets are sealed by: their versions and ages, and how far their rotation is.
    Status,
    /// Change the keys that secrets are sealed by, and seal all secrets anew. Everything goes on meanwhile. Without
    /// --cluster-key and --data-keys, both are changed; of one tenant, its data key.
    Rotate {
        /// Change the cluster key, which wraps the data keys.
        #[arg(long)]
        cluster_key: bool,
        /// Change the tenants' data keys, which seal their secrets.
        #[arg(long)]
        data_keys: bool,
        /// Only this tenant's data key (name or id).
        #[arg(long, conflicts_with = "cluster_key")]
        tenant: Option<String>,
        #[command(flatten)]
        wait: WaitArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Status => show(&session.client.secrets().await?, session.format),
        Command::Rotate { cluster_key, data_keys, tenant, wait } => {
            let tenant_id = tenant::optional(session, tenant.as_deref()).await?;
            let body = RotateSecrets { cluster_key, data_keys, tenant_id };
            let operation = session.client.rotate_secrets(&body, Wait::No).await?;
            let ended = session.wait(Some(operation.id), wait).await?;
            output::object(session.format, &ended.unwrap_or(operation))
        }
    }
}

fn show(status: &SecretsStatus, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::object(format, status);
    }
    output::list(format, &status.cluster_keys)?;
    let keys = &status.data_keys;
    let oldest = keys.oldest_at.map(|at| format!(", the oldest of {at}")).unwrap_or_default();
    output::print(&format!("data keys: {}, one for each tenant{oldest}", keys.tenants))?;
    if keys.former > 0 {
        output::print(&format!(
            "former data keys: {}, by which {} secrets are sealed still",
            keys.former, keys.sealed_by_former
        ))?;
    }
    let Some(rotation) = &status.rotation else { return output::print("the keys were never changed") };
    output::print(&headline(rotation))?;
    rotation.waits_for.iter().try_for_each(|what| output::print(&format!("waits: {what}")))
}

fn headline(rotation: &SecretsRotation) -> String {
    let what = match (rotation.cluster_key, rotation.data_keys) {
        (true, true) => "cluster key and data keys".to_owned(),
        (true, false) => "cluster key".to_owned(),
        _ => {
            rotation.tenant_id.map_or_else(|| "data keys".to_owned(), |id| format!("data key of tenant {id}"))
        }
    };
    match rotation.finished_at {
        Some(at) => format!("last rotation: {what}, done at {at}"),
        None => format!(
            "rotation: {what}, since {}, {} of {} (operation {})",
            rotation.begun_at, rotation.done, rotation.total, rotation.operation_id
        ),
    }
}
