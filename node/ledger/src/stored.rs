//! The form of entries on disk: protobuf, so that later versions of the daemon read it.

use npanel_model::{Allotment, RecordData, Timestamp};
use npanel_proto::node::{self, ObjectIntent, object_intent};

use crate::{Content, Entry, Fence, Intent, ObjectKey, Offer, Progress, Removal, Wish};

/// One object's file. The progress of a removal is spread over three fields: `retained_since` is 0 until
/// serving has ended, `removed_since` until nothing is left.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredEntry {
    /// The intent or tombstone, as it was offered.
    #[prost(message, optional, tag = "1")]
    newest: Option<ObjectIntent>,
    /// For a tombstone: what the object was.
    #[prost(message, optional, tag = "2")]
    was: Option<ObjectIntent>,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(uint64, tag = "4")]
    term: u64,
    #[prost(int64, tag = "5")]
    accepted_millis: i64,
    #[prost(int64, tag = "6")]
    retained_since_millis: i64,
    #[prost(int64, tag = "7")]
    retained_until_millis: i64,
    #[prost(int64, tag = "8")]
    removed_since_millis: i64,
    #[prost(uint64, tag = "9")]
    leader: u64,
}

/// The file that holds the highest fence.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredFence {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(uint64, tag = "3")]
    leader: u64,
}

impl From<Fence> for StoredFence {
    fn from(fence: Fence) -> Self {
        Self { epoch: fence.epoch, term: fence.term, leader: fence.leader }
    }
}

impl From<StoredFence> for Fence {
    fn from(stored: StoredFence) -> Self {
        Self { epoch: stored.epoch, term: stored.term, leader: stored.leader }
    }
}

impl StoredEntry {
    pub(crate) fn new(key: ObjectKey, entry: &Entry) -> Self {
        let intent = |intent| ObjectIntent {
            object: Some(key.to_proto()),
            generation: entry.generation.0,
            intent: Some(intent),
        };
        let mut stored = Self {
            epoch: entry.fence.epoch,
            term: entry.fence.term,
            leader: entry.fence.leader,
            accepted_millis: entry.accepted.as_millis(),
            ..Self::default()
        };
        match &entry.content {
            Content::Wanted(wanted) => stored.newest = Some(intent(to_wire(wanted))),
            Content::Going(removal) => {
                let retention_seconds = removal.retention.as_secs();
                let tombstone = node::Tombstone { retention_seconds };
                stored.newest = Some(intent(object_intent::Intent::Tombstone(tombstone)));
                stored.was = removal.of.as_ref().map(|was| intent(to_wire(was)));
                stored.note_progress(removal.progress);
            }
        }
        stored
    }

    fn note_progress(&mut self, progress: Progress) {
        match progress {
            Progress::Asked => {}
            Progress::Retained { since, until } => {
                self.retained_since_millis = since.as_millis();
                self.retained_until_millis = until.as_millis();
            }
            Progress::Removed { since } => self.removed_since_millis = since.as_millis(),
        }
    }

    fn progress(&self) -> Progress {
        let time = Timestamp::from_millis;
        match (self.removed_since_millis, self.retained_since_millis) {
            (0, 0) => Progress::Asked,
            (0, since) => Progress::Retained { since: time(since), until: time(self.retained_until_millis) },
            (since, _) => Progress::Removed { since: time(since) },
        }
    }

    /// The entry; the reason in words if it is not one (any more).
    pub(crate) fn into_entry(self) -> Result<(ObjectKey, Entry), String> {
        let newest = self.newest.as_ref().ok_or("no intent")?;
        let offer = Offer::parse(newest).map_err(|error| error.to_string())?;
        let content = match offer.wish {
            Wish::Have(intent) => Content::Wanted(intent),
            Wish::Remove { retention } => {
                Content::Going(Removal { of: self.was()?, retention, progress: self.progress() })
            }
        };
        let fence = Fence { epoch: self.epoch, term: self.term, leader: self.leader };
        let accepted = Timestamp::from_millis(self.accepted_millis);
        Ok((offer.key, Entry { generation: offer.generation, fence, accepted, content }))
    }

    fn was(&self) -> Result<Option<Intent>, String> {
        let Some(was) = &self.was else { return Ok(None) };
        match Offer::parse(was).map_err(|error| error.to_string())?.wish {
            Wish::Have(intent) => Ok(Some(intent)),
            Wish::Remove { .. } => Err("a tombstone of a tombstone".to_owned()),
        }
    }
}

fn to_wire(intent: &Intent) -> object_intent::Intent {
    use object_intent::Intent as Wire;
    match intent {
        Intent::Account(account) => Wire::Account(node::Account {
            username: account.username.to_string(),
            uid: account.uid.get(),
            php_version: account.php.to_string(),
            suspended: account.suspended,
            allotment: allotment(&account.allotment),
        }),
        Intent::Site(site) => Wire::Site(node::Site {
            account_id: site.account.to_bytes(),
            username: site.username.to_string(),
            uid: site.uid.get(),
            domain: site.domain.to_string(),
            document_root: site.document_root.to_string(),
            suspended: site.suspended,
        }),
        Intent::Database(database) => Wire::Database(node::Database { name: database.name.to_string() }),
        Intent::DatabaseUser(user) => Wire::DatabaseUser(node::DatabaseUser {
            name: user.name.to_string(),
            password_hash: user.password_hash.expose().to_owned(),
            grants: user.grants.iter().map(grant).collect(),
            locked: user.locked,
        }),
        Intent::Zone(zone) => Wire::Zone(node::Zone {
            name: zone.name.to_string(),
            name_servers: zone.name_servers.iter().map(ToString::to_string).collect(),
            hostmaster: zone.hostmaster.to_string(),
            record_sets: zone.record_sets.iter().map(record_set).collect(),
        }),
        Intent::CronTable(table) => Wire::CronTable(node::CronTable {
            account_id: table.account.to_bytes(),
            username: table.username.to_string(),
            uid: table.uid.get(),
            jobs: table.jobs.iter().map(cron_job).collect(),
        }),
    }
}

fn allotment(allotment: &Allotment) -> Option<node::Allotment> {
    (!allotment.is_unlimited()).then_some(node::Allotment {
        cpu_percent: allotment.cpu_percent,
        memory_limit_mb: allotment.memory_limit_mb,
        processes: allotment.processes,
        io_mb_per_second: allotment.io_mb_per_second,
        io_operations_per_second: allotment.io_operations_per_second,
    })
}

fn cron_job(job: &npanel_model::CronJob) -> node::CronJob {
    node::CronJob { schedule: job.schedule.to_string(), command: job.command.to_string() }
}

fn grant(grant: &crate::GrantIntent) -> node::Grant {
    let privileges = match grant.privileges {
        npanel_model::Privileges::All => node::Privileges::All,
        npanel_model::Privileges::ReadOnly => node::Privileges::ReadOnly,
    };
    node::Grant { database: grant.database.to_string(), privileges: privileges as i32 }
}

fn record_set(set: &crate::RecordSetIntent) -> node::RecordSet {
    node::RecordSet {
        name: set.name.to_string(),
        r#type: set.kind.to_string(),
        ttl_seconds: set.ttl.seconds(),
        records: set.records.iter().map(RecordData::canonical).collect(),
    }
}
