//! `npanel operation`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::OperationId;
use npanel_sdk_types::Operation;

use crate::{arguments::duration, failure::Failure, output, session::Session, waiting};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List operations.
    List {
        /// Only those about this object (an id).
        #[arg(long)]
        object: Option<String>,
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
        Command::List { object } => session.list::<Operation>([("object_id", object)]).await,
        Command::Get { operation } => session.get::<Operation>(operation).await,
        Command::Wait { operation, timeout } => {
            let ended = waiting::wait(&session.client, operation, timeout).await?;
            output::object(session.format, &ended)
        }
    }
}
