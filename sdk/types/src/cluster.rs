//! The controllers.

use npanel_model::{ControllerId, Limit, Network, NodeName, Revision, Strategy, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{change::present, plan::unlimited, schema};

/// The controllers and their agreement, as the answering controller sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// The cluster's id.
    #[schema(example = "0190163d-8694-739b-aea5-966c26f8ad91")]
    pub cluster_id: String,
    /// The controller that answers.
    #[schema(value_type = schema::ControllerId)]
    pub controller_id: ControllerId,
    /// The leader; `null` if there is none that the answering controller knows.
    #[schema(value_type = Option<schema::ControllerId>)]
    pub leader_id: Option<ControllerId>,
    /// The term of the agreement.
    pub term: u64,
    /// The last log entry that the answering controller has applied.
    pub applied_index: u64,
    /// The last log entry that it has; `null` if it has none.
    pub last_log_index: Option<u64>,
    /// When the first of the nodes' certificates ends; `null` if there is none.
    #[serde(default)]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub node_certificates_expire_at: Option<Timestamp>,
    /// The pin of the certificate authority that issues; empty before the state is here.
    #[serde(default)]
    #[schema(example = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")]
    pub ca_pin: String,
    /// How many certificate authorities are trusted: two from a rotation until the old one is retired.
    #[serde(default)]
    pub ca_trusted: u64,
    /// What an operator should look at, as sentences; empty if all is well.
    #[serde(default)]
    #[schema(example = json!(["the controller c3 does not answer"]))]
    pub warnings: Vec<String>,
    /// Which of the nodes that fit is best for an account, unless its plan says otherwise: `spread` or `bin_pack`.
    #[schema(value_type = schema::Strategy)]
    pub placement_strategy: Strategy,
    /// How long an operation is kept after its end, in seconds.
    #[serde(default)]
    pub operation_retention_seconds: u64,
    /// How long nodes keep the data of what is deleted, in seconds, unless a deletion says otherwise.
    #[serde(default)]
    pub deleted_data_retention_seconds: u64,
    /// The feature level that the cluster is at: what its controllers have agreed to do.
    #[serde(default)]
    pub feature_level: u32,
    /// Up to which feature level the cluster goes; `null`: as far as every controller can.
    #[serde(default = "unlimited")]
    #[schema(value_type = schema::Limit)]
    pub feature_level_limit: Limit,
    /// The public half of the recovery key, to which the secrets in backups are sealed; empty if there is none, and then there can
    /// be no backup.
    #[serde(default)]
    #[schema(example = "h3Jd0mFzWcfC9u5yqk0m6y0VxFzJx2n6b0m4w3cXk2A")]
    pub recovery_key: String,
    /// When the settings were last changed, as a place in the fleet's log: what `If-Match` is compared with.
    #[serde(default = "unchanged")]
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// Every controller.
    pub controllers: Vec<Controller>,
}

fn unchanged() -> Revision {
    Revision(0)
}

/// What is to change of the cluster's settings. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateCluster {
    /// Which of the nodes that fit is best for an account, unless its plan says otherwise: `spread` or `bin_pack`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Strategy)]
    pub placement_strategy: Option<Strategy>,
    /// How long an operation is kept after its end, in seconds: a day to ten years.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 86_400, maximum = 315_360_000, example = 2_592_000)]
    pub operation_retention_seconds: Option<u64>,
    /// How long nodes keep the data of what is deleted from then on, in seconds: at most a year; 0: it goes at once.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, maximum = 31_536_000, example = 604_800)]
    pub deleted_data_retention_seconds: Option<u64>,
    /// Up to which feature level the cluster goes, not below the one that it is at; `null`: as far as every controller can.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub feature_level_limit: Option<Limit>,
    /// The public half of the recovery key, to which the secrets in backups are sealed: what `npanel-controller recovery-key`
    /// prints.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, max_length = 64, example = "h3Jd0mFzWcfC9u5yqk0m6y0VxFzJx2n6b0m4w3cXk2A")]
    pub recovery_key: Option<String>,
}

/// What a backup is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeBackup {
    /// Where it is to go.
    #[serde(default)]
    pub to: BackupTo,
}

/// Where a backup goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupTo {
    /// It is the answer.
    #[default]
    Answer,
    /// To the bucket in the controllers' configuration.
    Bucket,
}

/// A backup in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupMade {
    /// The object's name.
    #[schema(example = "fleet-1/2026-03-14T09-26-53Z-4711.npb")]
    pub object: String,
    /// Its length.
    pub bytes: u64,
    /// The cluster that it is of.
    #[schema(example = "0190163d-8694-739b-aea5-966c26f8ad91")]
    pub cluster_id: String,
    /// The last log entry that is in it.
    pub index: u64,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub made_at: Timestamp,
    /// SHA-256 of the state in it.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub state_sha256: String,
}

/// A controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Controller {
    /// Its id.
    #[schema(value_type = schema::ControllerId)]
    pub id: ControllerId,
    /// Its name.
    #[schema(example = "c1")]
    pub name: String,
    /// Where other controllers and nodes reach it.
    #[schema(example = "192.0.2.1:8444")]
    pub fleet_address: String,
    /// Its part in the agreement.
    pub role: ControllerRole,
    /// The controller whose place it takes once it has caught up; `null` if nobody's, or if that one is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ControllerId>)]
    pub replaces_id: Option<ControllerId>,
    /// Whether it answers the answering controller now, within a second; `null` if that was not tried.
    #[serde(default)]
    pub reachable: Option<bool>,
    /// The leader that it hears, by its own word; `null` if it hears none. This and what follows up to its version is what it says
    /// itself: `null` if it does not answer, or is of an earlier version that does not say.
    #[serde(default)]
    #[schema(value_type = Option<schema::ControllerId>)]
    pub follows_id: Option<ControllerId>,
    /// The term that it is in.
    #[serde(default)]
    pub term: Option<u64>,
    /// The last log entry that it has.
    #[serde(default)]
    pub last_log_index: Option<u64>,
    /// The last log entry that it has applied.
    #[serde(default)]
    pub applied_index: Option<u64>,
    /// How many log entries what it has applied is behind the end of the leader's log. Of one that does not answer: how many it
    /// lacks, as far as the leader knows.
    #[serde(default)]
    pub entries_behind: Option<u64>,
    /// What the file system of its data directory has.
    #[serde(default)]
    pub disk_total_bytes: Option<u64>,
    /// What is free of that.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
    /// Its version.
    #[serde(default)]
    #[schema(example = "0.1.0")]
    pub version: Option<String>,
    /// The feature level that it goes up to; `null` if it was not asked or does not answer.
    #[serde(default)]
    pub max_feature_level: Option<u32>,
    /// When its newest certificate ends; `null` if the state knows none.
    #[serde(default)]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub certificate_expires_at: Option<Timestamp>,
    /// The last log entry that the leader knows it to have; `null` if the leader does not answer or has not reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicated_index: Option<u64>,
}

/// A controller is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceController {
    /// How long the new one may take to join: 60 seconds to 7 days.
    #[schema(minimum = 60, maximum = 604_800, example = 3600)]
    pub ttl_seconds: u32,
    /// The only name that the new one may have; any if absent. It may be the name of the one whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::NodeName>)]
    pub name: Option<NodeName>,
    /// The networks that the new machine may come from, at most 32; anywhere if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Network>, max_items = 32, example = json!(["192.0.2.0/24"]))]
    pub networks: Vec<Network>,
    /// Also if the one whose place is taken still answers.
    #[serde(default)]
    pub even_if_alive: bool,
}

/// A controller's part in the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControllerRole {
    /// It leads.
    Leader,
    /// It votes.
    Voter,
    /// It receives the log and does not vote yet.
    Learner,
    /// It is enrolled and not part of the agreement yet.
    Enrolled,
}

impl ControllerRole {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Voter => "voter",
            Self::Learner => "learner",
            Self::Enrolled => "enrolled",
        }
    }
}
