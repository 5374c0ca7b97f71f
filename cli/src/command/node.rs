//! `npanel node`.

use clap::Subcommand;
use npanel_sdk_types::Node;

use crate::{arguments::ChangeArguments, failure::Failure, resolve, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List nodes.
    List,
    /// Show a node.
    Get {
        /// Its name or id.
        node: String,
    },
    /// Take an empty node out of the fleet for good; its identity is revoked.
    Delete {
        /// Its name or id.
        node: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List => session.list::<Node>([]).await,
        Command::Get { node } => session.get::<Node>(resolve::node(&session.client, &node).await?).await,
        Command::Delete { node, change } => {
            session.delete::<Node>(resolve::node(&session.client, &node).await?, change).await
        }
    }
}
