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
        /// How long nodes keep the data of what is deleted from then on, such as 7d; at most 365d.
        #[arg(long, value_parser = duration, value_name = "TIME")]
        deleted_data_retention: Option<Duration>,
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
            deleted_data_retention,
            feature_level_limit,
            recovery_key,
            if_match,
        } => {
            let change = UpdateCluster {
                placement_strategy,
                operation_retention_seconds: operation_retention.map(|time| time.as_secs()),
                deleted_data_retention_seconds: deleted_data_retention.map(|time| time.as_secs()),
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
        "placement {}, operations kept for {} days, deleted data for {}, settings at revision {}",
        status.placement_strategy,
        status.operation_retention_seconds / 86_400,
        retention(status.deleted_data_retention_seconds),
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
    let is_silent = |controller: &Controller| controller.term.is_none();
    let asked = status.controllers.iter().find(|controller| controller.id == status.controller_id);
    let name = asked.map_or_else(|| status.controller_id.to_string(), |controller| controller.name.clone());
    status.controllers.iter().any(is_silent).then(|| {
        format!("?: that controller did not tell {name} within a second, or is of an earlier version that does not say")
    })
}

fn retention(seconds: u64) -> String {
    if seconds.is_multiple_of(86_400) { format!("{} days", seconds / 86_400) } else { format!("{seconds} s") }
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

    fn status(told: bool) -> ClusterStatus {
        let mut of_second = json!({"id": 2, "name": "c2", "fleet_address": "192.0.2.2:8444", "role": "voter",
            "reachable": told, "entries_behind": 7});
        if told {
            let own = json!({"term": 5, "follows_id": 1, "last_log_index": 90, "applied_index": 83,
                "disk_free_bytes": 13_314_398_618_u64, "disk_total_bytes": 53_687_091_200_u64, "version": "0.1.0"});
            let own = own.as_object().expect("an object").clone();
            of_second.as_object_mut().expect("an object").extend(own);
        }
        let first =
            json!({"id": 1, "name": "c1", "fleet_address": "192.0.2.1:8444", "role": "leader", "term": 5});
        let status = json!({"cluster_id": "x", "controller_id": 1, "leader_id": 1, "term": 5,
            "applied_index": 90, "last_log_index": 90, "placement_strategy": "spread",
            "controllers": [first, of_second]});
        serde_json::from_value(status).expect("a status")
    }

    fn cells(status: &ClusterStatus) -> Vec<(&str, String)> {
        Controller::COLUMNS.iter().copied().zip(status.controllers[1].cells()).collect()
    }

    #[test]
    fn what_a_controller_says_of_itself_is_in_its_line() {
        let status = status(true);
        let cells = cells(&status);
        for (column, text) in [
            ("ANSWERS", "yes"),
            ("TERM", "5"),
            ("LAST LOG", "90"),
            ("APPLIED", "83"),
            ("BEHIND", "7"),
            ("DISK FREE", "12.4 of 50.0 GiB"),
            ("VERSION", "0.1.0"),
        ] {
            assert!(cells.contains(&(column, text.to_owned())), "{column}: {cells:?}");
        }
        assert_eq!(footnote(&status), None);
    }

    #[test]
    fn one_that_does_not_answer_is_shown_with_what_the_leader_knows() {
        let status = status(false);
        let cells = cells(&status);
        for (column, text) in [("ANSWERS", "NO"), ("BEHIND", "7"), ("TERM", "?"), ("DISK FREE", "?")] {
            assert!(cells.contains(&(column, text.to_owned())), "{column}: {cells:?}");
        }
        let note = footnote(&status).expect("a footnote");
        assert!(note.contains("did not tell c1"), "{note}");
    }
}
