//! The edge: protobuf intents become proven values here, once.

use std::{fmt, str::FromStr, time::Duration};

use npanel_model::{
    AccountId, Allotment, AllotmentError, CronJob, Generation, IdError, Privileges, RecordSetError,
    RecordType, Ttl, TtlError, Uid, UidError, UnknownName, validate_record_set,
};
use npanel_proto::node::{self, ObjectIntent, object_intent};

use crate::{
    AccountIntent, CronTableIntent, DatabaseIntent, DatabaseUserIntent, GrantIntent, Intent, KeyError,
    ObjectKey, RecordSetIntent, SiteIntent, ZoneIntent,
};

/// An intent that a controller offers, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The object.
    pub key: ObjectKey,
    /// The generation of the wish.
    pub generation: Generation,
    /// What is wished.
    pub wish: Wish,
}

/// What is wished of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// That it be so.
    Have(Intent),
    /// That it go.
    Remove {
        /// How long its data is kept after serving ended.
        retention: Duration,
    },
}

/// Why a message is not an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOffer {
    /// The kind of object, or the form of the intent, is not known to this daemon.
    #[error("this daemon does not know such an object")]
    UnknownKind,
    /// The message breaks a rule.
    #[error(transparent)]
    Invalid(InvalidIntent),
}

/// Which rule an intent breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIntent {
    /// No object, or no id.
    #[error("{0}")]
    Key(String),
    /// Generations begin with 1.
    #[error("a generation is at least 1")]
    Generation,
    /// The intent is of another kind than the object.
    #[error("the intent is not of the object's kind")]
    OtherKind,
    /// A field's value is not of its type.
    #[error("{field}: {reason}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it. Never a secret: types of secrets do not repeat them.
        reason: String,
    },
    /// A zone that nobody would answer for.
    #[error("a zone has at least one name server")]
    NoNameServer,
    /// Two record sets, or grants, for one thing.
    #[error("{0} is there twice")]
    Twice(String),
}

fn field<E: fmt::Display>(field: &'static str) -> impl Fn(E) -> InvalidIntent {
    move |error| InvalidIntent::Field { field, reason: error.to_string() }
}

fn text<T>(name: &'static str, value: &str) -> Result<T, InvalidIntent>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    value.parse().map_err(field(name))
}

impl Offer {
    /// Parses a message.
    ///
    /// # Errors
    /// If this daemon does not know such an object, or a value breaks a rule.
    pub fn parse(message: &ObjectIntent) -> Result<Self, NotAnOffer> {
        let object = message.object.as_ref().ok_or(KeyError::Missing);
        let key = object.and_then(ObjectKey::from_proto).map_err(|error| match error {
            KeyError::UnknownKind(_) => NotAnOffer::UnknownKind,
            KeyError::Missing | KeyError::Id(_) => NotAnOffer::Invalid(InvalidIntent::Key(error.to_string())),
        })?;
        let intent = message.intent.as_ref().ok_or(NotAnOffer::UnknownKind)?;
        if message.generation == 0 {
            return Err(NotAnOffer::Invalid(InvalidIntent::Generation));
        }
        let wish = wish(key, intent).map_err(NotAnOffer::Invalid)?;
        Ok(Self { key, generation: Generation(message.generation), wish })
    }
}

fn wish(key: ObjectKey, message: &object_intent::Intent) -> Result<Wish, InvalidIntent> {
    use object_intent::Intent as Wire;
    Ok(Wish::Have(match (key, message) {
        (_, Wire::Tombstone(tombstone)) => {
            return Ok(Wish::Remove { retention: Duration::from_secs(tombstone.retention_seconds) });
        }
        (ObjectKey::Account(_), Wire::Account(message)) => Intent::Account(account(message)?),
        (ObjectKey::Site(_), Wire::Site(message)) => Intent::Site(site(message)?),
        (ObjectKey::Database(_), Wire::Database(message)) => {
            Intent::Database(DatabaseIntent { name: text("name", &message.name)? })
        }
        (ObjectKey::DatabaseUser(_), Wire::DatabaseUser(message)) => {
            Intent::DatabaseUser(database_user(message)?)
        }
        (ObjectKey::Zone(_), Wire::Zone(message)) => Intent::Zone(zone(message)?),
        (ObjectKey::CronTable(_), Wire::CronTable(message)) => Intent::CronTable(cron_table(message)?),
        _ => return Err(InvalidIntent::OtherKind),
    }))
}

fn account(message: &node::Account) -> Result<AccountIntent, InvalidIntent> {
    Ok(AccountIntent {
        uid: Uid::new(message.uid).map_err(field::<UidError>("uid"))?,
        username: text("username", &message.username)?,
        php: text("php_version", &message.php_version)?,
        suspended: message.suspended,
        allotment: allotment(message.allotment.as_ref())?,
    })
}

fn allotment(message: Option<&node::Allotment>) -> Result<Allotment, InvalidIntent> {
    let Some(message) = message else { return Ok(Allotment::default()) };
    let allotment = Allotment {
        cpu_percent: message.cpu_percent,
        memory_limit_mb: message.memory_limit_mb,
        processes: message.processes,
        io_mb_per_second: message.io_mb_per_second,
        io_operations_per_second: message.io_operations_per_second,
    };
    allotment.checked().map_err(field::<AllotmentError>("allotment"))
}

fn site(message: &node::Site) -> Result<SiteIntent, InvalidIntent> {
    Ok(SiteIntent {
        account: AccountId::from_bytes(&message.account_id).map_err(field::<IdError>("account_id"))?,
        uid: Uid::new(message.uid).map_err(field::<UidError>("uid"))?,
        username: text("username", &message.username)?,
        domain: text("domain", &message.domain)?,
        document_root: text("document_root", &message.document_root)?,
        suspended: message.suspended,
    })
}

fn database_user(message: &node::DatabaseUser) -> Result<DatabaseUserIntent, InvalidIntent> {
    let mut grants = message.grants.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
    grants.sort();
    if let Some(pair) = grants.windows(2).find(|pair| pair[0].database == pair[1].database) {
        return Err(InvalidIntent::Twice(format!("the grant on {}", pair[0].database)));
    }
    Ok(DatabaseUserIntent {
        name: text("name", &message.name)?,
        password_hash: text("password_hash", &message.password_hash)?,
        grants,
        locked: message.locked,
    })
}

fn grant(message: &node::Grant) -> Result<GrantIntent, InvalidIntent> {
    let privileges = match message.privileges() {
        node::Privileges::All => Privileges::All,
        node::Privileges::ReadOnly => Privileges::ReadOnly,
        node::Privileges::Unspecified => {
            let reason = format!("unknown privileges (got {})", message.privileges);
            return Err(InvalidIntent::Field { field: "privileges", reason });
        }
    };
    Ok(GrantIntent { database: text("database", &message.database)?, privileges })
}

fn zone(message: &node::Zone) -> Result<ZoneIntent, InvalidIntent> {
    let name_servers = message.name_servers.iter().map(|name| text("name_servers", name));
    let name_servers = name_servers.collect::<Result<Vec<_>, _>>()?;
    if name_servers.is_empty() {
        return Err(InvalidIntent::NoNameServer);
    }
    let mut record_sets = message.record_sets.iter().map(record_set).collect::<Result<Vec<_>, _>>()?;
    record_sets.sort_by(|one, other| (&one.name, one.kind).cmp(&(&other.name, other.kind)));
    let twin = |pair: &&[RecordSetIntent]| (&pair[0].name, pair[0].kind) == (&pair[1].name, pair[1].kind);
    if let Some(pair) = record_sets.windows(2).find(twin) {
        return Err(InvalidIntent::Twice(format!("the record set {} {}", pair[0].name, pair[0].kind)));
    }
    Ok(ZoneIntent {
        name: text("name", &message.name)?,
        name_servers,
        hostmaster: text("hostmaster", &message.hostmaster)?,
        record_sets,
    })
}

fn cron_table(message: &node::CronTable) -> Result<CronTableIntent, InvalidIntent> {
    let job = |job: &node::CronJob| {
        Ok(CronJob {
            schedule: text("jobs.schedule", &job.schedule)?,
            command: text("jobs.command", &job.command)?,
        })
    };
    Ok(CronTableIntent {
        account: AccountId::from_bytes(&message.account_id).map_err(field::<IdError>("account_id"))?,
        uid: Uid::new(message.uid).map_err(field::<UidError>("uid"))?,
        username: text("username", &message.username)?,
        jobs: message.jobs.iter().map(job).collect::<Result<_, _>>()?,
    })
}

fn record_set(message: &node::RecordSet) -> Result<RecordSetIntent, InvalidIntent> {
    let name = text("record_sets.name", &message.name)?;
    let kind: RecordType = message.r#type.parse().map_err(field::<UnknownName>("record_sets.type"))?;
    let ttl = Ttl::try_from(message.ttl_seconds).map_err(field::<TtlError>("record_sets.ttl_seconds"))?;
    let records = validate_record_set(&name, kind, &message.records)
        .map_err(field::<RecordSetError>("record_sets.records"))?;
    Ok(RecordSetIntent { name, kind, ttl, records })
}
