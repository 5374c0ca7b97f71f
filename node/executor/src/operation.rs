//! The closed set of operations, and their answers. All fields are validated types: deserialising checks them.

use npanel_model::{
    Allotment, CronJob, DatabaseName, DatabaseUserName, DocumentRoot, Fqdn, Megabytes, MysqlPasswordHash,
    NodeRole, PhpVersion, Timestamp, Uid, Username,
};
use npanel_services::{Difference, UnitEffects, mariadb::Grant, powerdns::ZoneSpec};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::target::Target;

/// Something that the executor does as root. `Ensure…` and the removals may be repeated: what is there
/// already is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// The node's own shared configuration of the services of these roles. Before all others, once per start.
    EnsureBase {
        /// What the node is for.
        roles: Vec<NodeRole>,
    },
    /// An account's Unix user and group, home, PHP configuration and socket.
    EnsureAccount {
        /// The account's uid and gid.
        uid: Uid,
        /// Its user name.
        username: Username,
        /// The PHP that runs its sites.
        php: PhpVersion,
        /// Whether nothing of it runs: all is in place, and its socket takes nobody.
        #[serde(default)]
        suspended: bool,
        /// What its processes may take.
        #[serde(default)]
        allotment: Allotment,
    },
    /// Stops an account's PHP, removes its Unix user, and keeps its home aside. The uid cannot be used again.
    RetireAccount {
        /// The account's uid.
        uid: Uid,
        /// Its user name.
        username: Username,
    },
    /// Deletes the retained home of a retired account.
    PurgeAccount {
        /// The account's uid.
        uid: Uid,
    },
    /// Stops an account's PHP, now and at boot, and removes its configuration. Its user and home stay.
    RestAccount {
        /// The account's uid.
        uid: Uid,
    },
    /// Stops the PHP of an account that nobody knows, removes its Unix user, and sets its home aside.
    SetAccountAside {
        /// The account's uid.
        uid: Uid,
        /// Its user name.
        username: Username,
    },
    /// A domain served from a directory of an account, over TLS. The account must be there.
    EnsureSite {
        /// The account's uid.
        uid: Uid,
        /// Its user name.
        username: Username,
        /// The domain.
        domain: Fqdn,
        /// The directory, relative to the home.
        document_root: DocumentRoot,
        /// Whether it is answered with a suspension page.
        #[serde(default)]
        suspended: bool,
    },
    /// Serves a domain no longer. The account's files stay.
    RemoveSite {
        /// The domain.
        domain: Fqdn,
    },
    /// Exactly these scheduled jobs of an account. The account must be there.
    EnsureCronTable {
        /// The account's uid.
        uid: Uid,
        /// Its user name.
        username: Username,
        /// The jobs.
        jobs: Vec<CronJob>,
    },
    /// Ends an account's schedule, and the jobs of it that run.
    RemoveCronTable {
        /// The account's uid.
        uid: Uid,
    },
    /// An empty database, if there is none of that name.
    EnsureDatabase {
        /// Its name.
        name: DatabaseName,
    },
    /// Drops a database with its data.
    DropDatabase {
        /// Its name.
        name: DatabaseName,
    },
    /// A database user with exactly this password and these grants.
    EnsureDatabaseUser {
        /// Its name.
        name: DatabaseUserName,
        /// Its password, hashed.
        password_hash: MysqlPasswordHash,
        /// What it may do; everything else is revoked.
        grants: Vec<Grant>,
        /// Whether it may not log in.
        #[serde(default)]
        locked: bool,
    },
    /// Drops a database user.
    DropDatabaseUser {
        /// Its name.
        name: DatabaseUserName,
    },
    /// A zone with exactly these record sets.
    EnsureZone {
        /// The zone.
        zone: ZoneSpec,
    },
    /// Answers for a zone no longer.
    RemoveZone {
        /// Its name.
        name: Fqdn,
    },
    /// Looks at a part of what this executor has made, without changing anything: [`Output::Sweep`]. Five of these
    /// in a row look at everything.
    Sweep {},
    /// Finds out what an operation would change, without changing anything: [`Output::Preview`].
    Preview {
        /// The operation.
        operation: Box<Operation>,
    },
    /// Lists everything of a kind that is on this machine, by whatever made it: [`Output::Inventory`].
    Inventory {
        /// What is listed.
        of: Belongings,
    },
    /// Reads free space and memory: [`Output::Capacity`].
    Capacity {},
    /// Reads which services of these roles do not run: [`Output::ServiceHealth`].
    ServiceHealth {
        /// What the node is for.
        roles: Vec<NodeRole>,
    },
    /// Reads what the machine is: [`Output::Facts`].
    Facts {},
}

impl Operation {
    /// The operation's name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnsureBase { .. } => "ensure_base",
            Self::EnsureAccount { .. } => "ensure_account",
            Self::RetireAccount { .. } => "retire_account",
            Self::PurgeAccount { .. } => "purge_account",
            Self::RestAccount { .. } => "rest_account",
            Self::SetAccountAside { .. } => "set_account_aside",
            Self::EnsureSite { .. } => "ensure_site",
            Self::RemoveSite { .. } => "remove_site",
            Self::EnsureDatabase { .. } => "ensure_database",
            Self::DropDatabase { .. } => "drop_database",
            Self::EnsureCronTable { .. } => "ensure_cron_table",
            Self::RemoveCronTable { .. } => "remove_cron_table",
            Self::EnsureDatabaseUser { .. } => "ensure_database_user",
            Self::DropDatabaseUser { .. } => "drop_database_user",
            Self::EnsureZone { .. } => "ensure_zone",
            Self::RemoveZone { .. } => "remove_zone",
            Self::Sweep {} => "sweep",
            Self::Preview { .. } => "preview",
            Self::Inventory { .. } => "inventory",
            Self::Capacity {} => "capacity",
            Self::ServiceHealth { .. } => "service_health",
            Self::Facts {} => "facts",
        }
    }
}

/// One delivery of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Of this delivery: the same id again gets the first answer again, success or failure, while the
    /// executor remembers it (it forgets when it restarts, and the oldest of many). So a retry after a
    /// lost connection uses the same id, and a new attempt after a failure a new one.
    pub id: Uuid,
    /// What to do.
    pub operation: Operation,
}

impl Request {
    /// A delivery with an id of its own.
    pub fn new(operation: Operation) -> Self {
        Self { id: Uuid::now_v7(), operation }
    }
}

/// The answer to a [`Request`], as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It was done.
    Done(Done),
    /// It was not.
    Failed(Failure),
}

/// An operation was carried out and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Whether anything had to be changed.
    pub changed: bool,
    /// How long each stage took, in order.
    pub stages: Vec<StageTime>,
    /// What was not as this executor had left it, where the same had been ensured before.
    pub differed: Vec<Difference>,
    /// What a read found.
    pub output: Output,
}

/// How long one stage of an operation took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTime {
    /// `render`, `check`, `commit`, `verify`, …
    pub stage: String,
    /// The time it took.
    pub microseconds: u64,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The operation reads nothing.
    Nothing,
    /// Of [`Operation::Sweep`].
    Sweep(Sweep),
    /// Of [`Operation::Preview`].
    Preview(Preview),
    /// Of [`Operation::Inventory`].
    Inventory(Vec<Belonging>),
    /// Of [`Operation::Capacity`].
    Capacity(Capacity),
    /// Of [`Operation::ServiceHealth`].
    ServiceHealth(ServiceHealth),
    /// Of [`Operation::Facts`].
    Facts(Facts),
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Of this run of the executor: another one remembers nothing of what was made before it.
    pub executor: Uuid,
    /// What is not as it was left.
    pub drifted: Vec<Target>,
}

/// What an operation would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// All of it.
    pub differences: Vec<Difference>,
    /// What becomes of units.
    pub units: UnitEffects,
}

/// A kind of things that are told apart by name. One at a time is listed: a message holds some ten thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongings {
    /// Accounts' Unix users.
    Accounts,
    /// Accounts' scheduled jobs.
    CronTables,
    /// Sites.
    Sites,
    /// Databases with a name of the fleet's form.
    Databases,
    /// Database users with a name of the fleet's form.
    DatabaseUsers,
    /// Zones.
    Zones,
}

/// Something that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belonging {
    /// What it is.
    pub target: Target,
    /// Of an account: its user name.
    pub username: Option<Username>,
}

/// Space on the file system of the homes, and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Of the file system.
    pub disk_total: Megabytes,
    /// Of that, what unprivileged users may still fill.
    pub disk_free: Megabytes,
    /// Of the machine.
    pub memory_total: Megabytes,
    /// Of that, what can be had without swapping.
    pub memory_free: Megabytes,
}

/// The state of the managed services, and of what they keep their data on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Services that should run and do not.
    pub failed: Vec<FailedService>,
    /// Every file system that matters, once.
    pub file_systems: Vec<FileSystem>,
}

/// A service that should run and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedService {
    /// Its unit.
    pub unit: String,
    /// `failed`, `inactive`, `activating`, …
    pub state: String,
    /// How it ended, in systemd's word: `exit-code`, `signal`, `oom-kill`, …
    pub result: String,
    /// Since when it is as it is.
    pub since: Timestamp,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// What is on it: `homes`, `databases`, `ledger`, `logs`, …
    pub names: Vec<String>,
    /// Its size.
    pub total: Megabytes,
    /// Of that, what unprivileged users may still fill.
    pub free: Megabytes,
    /// How many files it may have; 0 if it sets no bound.
    pub inodes: u64,
    /// How many more.
    pub inodes_free: u64,
}

/// What a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Such as `debian-12`.
    pub os_profile: String,
    /// The PHP versions that can be run.
    pub php_versions: Vec<PhpVersion>,
    /// Space and memory.
    pub capacity: Capacity,
    /// The roles that the system cannot fill, and what is missing.
    pub missing: Vec<(NodeRole, String)>,
}

/// An operation was not carried out; the last good state stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason} at {stage}: {message}")]
pub struct Failure {
    /// A stable word in CamelCase, such as `CheckRefused`.
    pub reason: String,
    /// For people; never holds a secret.
    pub message: String,
    /// The stage that failed, such as `check`.
    pub stage: String,
    /// Whether the same operation may succeed later without anyone changing it.
    pub retriable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_there_and_back() {
        let request = Request::new(Operation::EnsureAccount {
            uid: Uid::FIRST,
            username: "acme".parse().expect("a name"),
            php: "8.2".parse().expect("a version"),
            suspended: true,
            allotment: Allotment { processes: Some(64), ..Allotment::default() },
        });
        let text = serde_json::to_string(&request).expect("json");
        assert_eq!(serde_json::from_str::<Request>(&text).expect("a request"), request);
    }

    #[test]
    fn values_that_are_not_of_their_type_are_refused() {
        for operation in [
            r#"{"ensure_account":{"uid":0,"username":"acme","php":"8.2"}}"#,
            r#"{"ensure_account":{"uid":1900000001,"username":"a;id","php":"8.2"}}"#,
            r#"{"ensure_account":{"uid":1900000001,"username":"acme","php":"../x"}}"#,
            r#"{"ensure_account":{"uid":1900000001,"username":"acme","php":"8.2","shell":"/bin/sh"}}"#,
            r#"{"ensure_site":{"uid":1900000001,"username":"acme","domain":"../x","document_root":"web/x"}}"#,
            r#"{"ensure_site":{"uid":1900000001,"username":"acme","domain":"a.b","document_root":"/etc"}}"#,
            r#"{"run":{"command":"id"}}"#,
        ] {
            let text = format!(r#"{{"id":"{}","operation":{operation}}}"#, Uuid::now_v7());
            assert!(serde_json::from_str::<Request>(&text).is_err(), "{operation}");
        }
    }

    #[test]
    fn a_debug_print_shows_no_password() {
        let operation = Operation::EnsureDatabaseUser {
            name: "acme_x".parse().expect("a name"),
            password_hash: format!("*{}", "B".repeat(40)).parse().expect("a hash"),
            grants: vec![],
            locked: false,
        };
        assert!(!format!("{operation:?}").contains("BBB"));
    }
}
