//! What to do next about one object, by its entry alone. Pure.

use std::time::Duration;

use npanel_executor::{Grant, Operation, RecordSet, ZoneSpec};
use npanel_ledger::{
    Content, DatabaseUserIntent, Entry, GrantIntent, Intent, Progress, RecordSetIntent, Removal, ZoneIntent,
};
use npanel_model::{RecordData, RecordSetError, Timestamp};

/// The next thing to do about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make it so.
    Ensure(Operation),
    /// End its serving (by an operation, unless nothing serves it), then keep its data for a time.
    Retire {
        /// What ends it.
        operation: Option<Operation>,
        /// How long its data is kept.
        retention: Duration,
    },
    /// Delete what there is of it (by an operation, unless there is nothing), then it is removed.
    Remove(Option<Operation>),
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing any more.
    Rest,
    /// The intent cannot be put to the executor.
    Impossible(RecordSetError),
}

impl Step {
    pub(crate) fn of(entry: &Entry, now: Timestamp) -> Self {
        match &entry.content {
            Content::Wanted(intent) => ensure(intent).map_or_else(Step::Impossible, Step::Ensure),
            Content::Going(removal) => going(removal, now),
        }
    }
}

fn going(removal: &Removal, now: Timestamp) -> Step {
    let Some(was) = &removal.of else {
        let gone = matches!(removal.progress, Progress::Removed { .. });
        return if gone { Step::Rest } else { Step::Remove(None) };
    };
    match removal.progress {
        Progress::Removed { .. } => Step::Rest,
        Progress::Retained { until, .. } if now < until => Step::WaitUntil(until),
        Progress::Retained { .. } => Step::Remove(purge(was)),
        Progress::Asked => retire(was, removal.retention),
    }
}

/// The operation that a removal of this begins with; none if it needs none.
pub(crate) fn removal(was: &Intent, retention: Duration) -> Option<Operation> {
    match retire(was, retention) {
        Step::Retire { operation, .. } | Step::Remove(operation) => operation,
        Step::Ensure(_) | Step::WaitUntil(_) | Step::Rest | Step::Impossible(_) => None,
    }
}

fn retire(was: &Intent, retention: Duration) -> Step {
    match was {
        // Even with no retention: the purge is a step of its own, of the home that was moved aside.
        Intent::Account(account) => {
            let (uid, username) = (account.uid, account.username.clone());
            Step::Retire { operation: Some(Operation::RetireAccount { uid, username }), retention }
        }
        Intent::Site(site) => Step::Remove(Some(Operation::RemoveSite { domain: site.domain.clone() })),
        // Its users' tombstones take the access away; the data just stays.
        Intent::Database(_) if !retention.is_zero() => Step::Retire { operation: None, retention },
        Intent::Database(_) => Step::Remove(purge(was)),
        Intent::DatabaseUser(user) => {
            Step::Remove(Some(Operation::DropDatabaseUser { name: user.name.clone() }))
        }
        Intent::Zone(zone) => Step::Remove(Some(Operation::RemoveZone { name: zone.name.clone() })),
        Intent::CronTable(table) => Step::Remove(Some(Operation::RemoveCronTable { uid: table.uid })),
    }
}

/// What deletes retained data; sites, users, zones and scheduled jobs retain none.
fn purge(was: &Intent) -> Option<Operation> {
    match was {
        Intent::Account(account) => Some(Operation::PurgeAccount { uid: account.uid }),
        Intent::Database(database) => Some(Operation::DropDatabase { name: database.name.clone() }),
        Intent::Site(_) | Intent::DatabaseUser(_) | Intent::Zone(_) | Intent::CronTable(_) => None,
    }
}

pub(crate) fn ensure(intent: &Intent) -> Result<Operation, RecordSetError> {
    Ok(match intent {
        Intent::Account(account) => Operation::EnsureAccount {
            uid: account.uid,
            username: account.username.clone(),
            php: account.php.clone(),
            suspended: account.suspended,
            allotment: account.allotment,
        },
        Intent::Site(site) => Operation::EnsureSite {
            uid: site.uid,
            username: site.username.clone(),
            domain: site.domain.clone(),
            document_root: site.document_root.clone(),
            suspended: site.suspended,
        },
        Intent::Database(database) => Operation::EnsureDatabase { name: database.name.clone() },
        Intent::DatabaseUser(user) => ensure_user(user),
        Intent::Zone(zone) => Operation::EnsureZone { zone: zone_spec(zone)? },
        Intent::CronTable(table) => Operation::EnsureCronTable {
            uid: table.uid,
            username: table.username.clone(),
            jobs: table.jobs.clone(),
        },
    })
}

fn ensure_user(user: &DatabaseUserIntent) -> Operation {
    let grant =
        |grant: &GrantIntent| Grant { database: grant.database.clone(), privileges: grant.privileges };
    Operation::EnsureDatabaseUser {
        name: user.name.clone(),
        password_hash: user.password_hash.clone(),
        grants: user.grants.iter().map(grant).collect(),
        locked: user.locked,
    }
}

fn zone_spec(zone: &ZoneIntent) -> Result<ZoneSpec, RecordSetError> {
    Ok(ZoneSpec {
        name: zone.name.clone(),
        name_servers: zone.name_servers.clone(),
        hostmaster: zone.hostmaster.clone(),
        record_sets: zone.record_sets.iter().map(record_set).collect::<Result<_, _>>()?,
    })
}

fn record_set(set: &RecordSetIntent) -> Result<RecordSet, RecordSetError> {
    let records: Vec<String> = set.records.iter().map(RecordData::canonical).collect();
    RecordSet::new(set.name.clone(), set.kind, set.ttl, &records)
}
