//! `npanel operation`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::{Action, OperationId};
use npanel_sdk_types::Operation;

use crate::{
    arguments::{AgeArguments, duration},
    command::tenant,
    failure::Failure,
    output,
    session::Session,
    waiting,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List operations.
    List {
        /// Only those about this object (an id).
        #[arg(long)]
        object: Option<String>,
        /// Only those of this tenant itself (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only those of this action, such as account.create.
        #[arg(long)]
        action: Option<Action>,
        /// Only those that have finished (true), or go on (false).
        #[arg(long)]
        finished: Option<bool>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show an operation.
    Get {
        /// Its id.
        operation: OperationId,
    },
    /// Wait for an operation.
    Wait {
        /// Its id.
        operation: OperationId,
        /// How long to wait, such as 60, 90s or 5m.
        #[arg(long, default_value = "60", value_parser = duration, value_name = "TIME")]
        timeout: Duration,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List { object, tenant, action, finished, age } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let filters = [
                ("object_id", object),
                ("tenant_id", tenant.map(|id| id.to_string())),
                ("action", action.map(|action| action.to_string())),
                ("finished", finished.map(|is| is.to_string())),
                age.filter(),
            ];
            session.list::<Operation>(filters).await
        }
        Command::Get { operation } => session.get::<Operation>(operation).await,
        Command::Wait { operation, timeout } => {
            let ended = waiting::wait(&session.client, operation, timeout).await?;
            output::object(session.format, &ended)
        }
    }
}
