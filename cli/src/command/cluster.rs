//! `npanel cluster`.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use npanel_client::{Terms, Wait};
use npanel_model::{Limit, Revision, Strategy};
use npanel_sdk_types::{ClusterStatus, Controller, UpdateCluster};

use crate::{
    arguments::{Format, duration, limit, revision},
    backup,
    failure::Failure,
    output,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the controllers, the leader and the replication state.
    Status,
    /// Change the cluster's settings.
    Update {
        /// Which of the nodes that fit is best for an account, unless its plan says otherwise: spread or bin_pack.
        #[arg(long)]
        placement_strategy: Option<Strategy>,
        /// How long an operation is kept after its end, such as 30d.
        #[arg(long, value_parser = duration, value_name = "TIME")]
        operation_retention: Option<Duration>,
        /// Up to which feature level the cluster goes: a number, or unlimited.
        #[arg(long, value_parser = limit, value_name = "LEVEL")]
        feature_level_limit: Option<Limit>,
        /// The public half of the recovery key, to which the secrets in backups are sealed: what npanel-controller recovery-key
        /// prints.
        #[arg(long, value_name = "KEY")]
        recovery_key: Option<String>,
        /// Only if the settings are still at this revision, as `status` shows it.
        #[arg(long, value_name = "REVISION", value_parser = revision)]
        if_match: Option<Revision>,
    },
    /// Make a backup of the fleet's state, as the controller that answers has it. It holds the cluster's secrets, sealed to the
    /// recovery key, and is verified once it is written.
    Backup {
        /// The file to write; it must not be there.
        #[arg(value_name = "FILE", required_unless_present = "bucket", conflicts_with = "bucket")]
        file: Option<PathBuf>,
        /// Write it to the bucket in the controllers' configuration instead.
        #[arg(long)]
        bucket: bool,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Status => show(&session.client.cluster_status().await?, session.format),
        Command::Backup { file: Some(file), .. } => backup::to_file(&file, session).await,
        Command::Backup { file: None, .. } => {
            output::object(session.format, &session.client.backup_to_bucket().await?)
        }
        Command::Update {
            placement_strategy,
            operation_retention,
            feature_level_limit,
            recovery_key,
            if_match,
        } => {
            let change = UpdateCluster {
                placement_strategy,
                operation_retention_seconds: operation_retention.map(|time| time.as_secs()),
                feature_level_limit,
                recovery_key,
            };
            let terms = Terms { wait: Wait::No, if_match };
            let changed = session.client.update_cluster(&change, terms).await?;
            show(&changed, session.format)
        }
    }
}

fn show(status: &ClusterStatus, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::object(format, status);
    }
    output::print(&headline(status))?;
    output::list(format, &status.controllers)?;
    if let Some(expiry) = status.node_certificates_expire_at {
        output::print(&format!("the first node's certificate ends at {expiry}"))?;
    }
    output::print(&format!(
        "placement {}, operations kept for {} days, settings at revision {}",
        status.placement_strategy,
        status.operation_retention_seconds / 86_400,
        status.revision
    ))?;
    let held = match status.feature_level_limit {
        Limit::AtMost(limit) => format!(", held at {limit}"),
        Limit::Unlimited => String::new(),
    };
    output::print(&format!("feature level {}{held}", status.feature_level))?;
    output::print(&format!("CA {}, {} trusted", status.ca_pin, status.ca_trusted))?;
    for warning in &status.warnings {
        output::print(&format!("warning: {warning}"))?;
    }
    footnote(status).map_or(Ok(()), |note| output::print(&note))
}

/// Why a `?` is in the list.
fn footnote(status: &ClusterStatus) -> Option<String> {
    if !status.controllers.iter().any(|controller| controller.replicated_index.is_none()) {
        return None;
    }
    match leader(status) {
        Some(leader) if leader.id == status.controller_id => {
            Some("?: the leader has not reached that controller yet".to_owned())
        }
        Some(leader) => Some(format!(
            "?: only the leader knows how far each controller is; ask {} (--api-url)",
            leader.name
        )),
        None => Some("?: only a leader knows how far each controller is".to_owned()),
    }
}

fn leader(status: &ClusterStatus) -> Option<&Controller> {
    status.controllers.iter().find(|controller| Some(controller.id) == status.leader_id)
}

fn headline(status: &ClusterStatus) -> String {
    let leader = leader(status)
        .map_or_else(|| "no leader known".to_owned(), |leader| format!("leader {}", leader.name));
    format!(
        "cluster {}: {leader}, term {}, applied {} on controller {}",
        status.cluster_id, status.term, status.applied_index, status.controller_id
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::row::Row;

    fn status(answering: u64, leader: Option<u64>, replicated: Option<u64>) -> ClusterStatus {
        let controller = |id: u64, role: &str| {
            json!({"id": id, "name": format!("c{id}"), "fleet_address": "192.0.2.1:8444", "role": role,
                "replicated_index": replicated})
        };
        let status = json!({"cluster_id": "x", "controller_id": answering, "leader_id": leader, "term": 1,
            "applied_index": 9, "last_log_index": 9, "placement_strategy": "spread",
            "controllers": [controller(1, "leader"), controller(2, "voter")]});
        serde_json::from_value(status).expect("a status")
    }

    #[test]
    fn a_follower_says_that_only_the_leader_knows() {
        let asked = status(2, Some(1), None);
        assert_eq!(asked.controllers[0].cells().last().map(String::as_str), Some("?"));
        let note = footnote(&asked).expect("a footnote");
        assert!(note.contains("only the leader") && note.contains("ask c1"), "{note}");
        assert!(footnote(&status(2, None, None)).expect("a footnote").contains("only a leader"));
    }

    #[test]
    fn a_leader_that_knows_everything_adds_nothing() {
        assert_eq!(footnote(&status(1, Some(1), Some(9))), None);
    }
}
