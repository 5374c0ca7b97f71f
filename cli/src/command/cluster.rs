//! `npanel cluster`.

use clap::Subcommand;
use npanel_sdk_types::ClusterStatus;

use crate::{arguments::Format, failure::Failure, output, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the controllers, the leader and the replication state.
    Status,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Status => show(&session.client.cluster_status().await?, session.format),
    }
}

fn show(status: &ClusterStatus, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::object(format, status);
    }
    output::print(&headline(status))?;
    output::list(format, &status.controllers)
}

fn headline(status: &ClusterStatus) -> String {
    let named = |controller: &&npanel_sdk_types::Controller| Some(controller.id) == status.leader_id;
    let leader = status
        .controllers
        .iter()
        .find(named)
        .map_or_else(|| "no leader known".to_owned(), |leader| format!("leader {}", leader.name));
    format!(
        "cluster {}: {leader}, term {}, applied {} on controller {}",
        status.cluster_id, status.term, status.applied_index, status.controller_id
    )
}
