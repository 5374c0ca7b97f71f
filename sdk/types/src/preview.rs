//! What a write would come to, before it is made.

use npanel_model::{AccountId, Generation, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PlacementReport, schema};

/// What a write would come to: the answer to `dry_run=true`. A forecast, made of the state as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangePreview {
    /// Which nodes would be chosen, and every node's verdict, if something would be placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementReport>,
    /// What nodes would be told, and what that changes there.
    pub objects: Vec<ObjectChange>,
    /// What else should be known beforehand, for people.
    #[schema(example = json!(["the node n2 did not answer"]))]
    pub warnings: Vec<String>,
    /// Which accounts would have more of something than their plan allows, where a plan or an account's plan changes; `null`:
    /// none would. They keep what they have, and can add nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeding: Option<Exceeding>,
}

/// Accounts that would have more of something than their plan allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exceeding {
    /// How many these are.
    #[schema(value_type = schema::Count)]
    pub accounts: u64,
    /// What the first hundred of them, by user name, have too much of.
    pub first: Vec<ExceededLimit>,
}

/// What an account would have too much of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExceededLimit {
    /// The account.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its user name.
    #[schema(value_type = schema::Username)]
    pub username: String,
    /// The limit: `domains`, `subdomains`, `databases` or `cron_jobs`.
    #[schema(example = "domains")]
    pub limit: String,
    /// How many it has.
    #[schema(value_type = schema::Count)]
    pub used: u64,
    /// How many the plan would allow.
    #[schema(value_type = schema::Count)]
    pub allowed: u64,
}

/// What a node would be told of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectChange {
    /// The kind of object: `account`, `domain`, ...
    #[schema(example = "domain")]
    pub object_kind: String,
    /// The object. One that would be made gets another id when it is.
    #[schema(value_type = schema::ObjectId)]
    pub object_id: String,
    /// The node.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
    /// Its name; empty for who is not of the platform.
    #[schema(example = "n1")]
    pub node_name: String,
    /// The version that would be asked for.
    #[schema(value_type = schema::Generation)]
    pub generation: Generation,
    /// Whether it would be there or go.
    pub change: ObjectChangeKind,
    /// Whether the node itself was asked. If not, what follows is not known, rather than nothing.
    pub answer: NodeAnswer,
    /// The files that would change.
    pub files: Vec<FileChange>,
    /// What else would change: databases, zones, ...
    pub resources: Vec<ResourceChange>,
    /// Services that run and would reload or restart, by their unit. Usually none.
    #[schema(example = json!(["nginx.service"]))]
    pub reloads: Vec<String>,
    /// Units that are down and would start.
    #[serde(default)]
    #[schema(example = json!(["npanel-php-alice.socket"]))]
    pub starts: Vec<String>,
    /// Units that run and would stop.
    #[serde(default)]
    #[schema(example = json!(["npanel-php-alice.service"]))]
    pub stops: Vec<String>,
    /// If the node would refuse it: a stable word in `CamelCase`.
    #[schema(example = "CheckerRefused")]
    pub reason: String,
    /// The same for people, or why the node did not answer.
    #[schema(example = "nginx: [emerg] host not found in upstream")]
    pub message: String,
}

/// Whether an object would be there or go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectChangeKind {
    /// It would be made or changed.
    Apply,
    /// It would be removed.
    Remove,
}

/// Whether a node said what would change there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeAnswer {
    /// It did.
    Answered,
    /// It did not answer.
    Unreachable,
    /// It was not asked.
    NotAsked,
}

/// A file that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// Where it is.
    #[schema(example = "/srv/npanel/sites/example.com/suspended")]
    pub path: String,
    /// How.
    pub change: ChangeKind,
}

/// Something other than a file that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceChange {
    /// What it is.
    #[schema(example = "database alice_shop")]
    pub resource: String,
    /// How.
    pub change: ChangeKind,
}

/// How something would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It would be made.
    Create,
    /// It would be replaced.
    Replace,
    /// It would be removed.
    Remove,
}

impl ChangeKind {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}
