//! All zones at a glance, from PowerDNS's own database: what was changed through its API, by its tools or by SQL.
//! A serial would show the first of these only.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use npanel_host::{OsProfile, PowerDnsProfile};
use npanel_model::Fqdn;
use rusqlite::{Connection, OpenFlags, types::ValueRef};

use super::base;
use crate::ServiceError;

/// A writer holds the database for the time of one commit.
const BUSY: Duration = Duration::from_secs(2);
const RECORDS: &str = "SELECT lower(d.name), d.type, r.name, r.type, r.content, r.ttl, r.disabled
    FROM domains d LEFT JOIN records r ON r.domain_id = d.id";

/// Reads PowerDNS's database, and never writes to it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ZonePrints {
    path: PathBuf,
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Which file it is: another may have taken its place.
    inode: Option<u64>,
    /// SQLite's own count of others' commits, and the prints as they were then.
    seen: Option<(i64, BTreeMap<String, u64>)>,
}

impl ZonePrints {
    /// Of this machine's PowerDNS. Opens the database when it is first needed.
    pub fn new(os: &OsProfile) -> Self {
        Self::of(&os.powerdns)
    }

    fn of(profile: &PowerDnsProfile) -> Self {
        Self { path: base::database(profile), open: Arc::default() }
    }

    /// Every zone with a print of all its records. While nobody has written, this reads one number.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, u64>, ServiceError> {
        self.with(|open| {
            let version: i64 = open.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            if let Some((seen, prints)) = &open.seen
                && *seen == version
            {
                return Ok(prints.clone());
            }
            let prints = prints(&open.connection, None)?;
            open.seen = Some((version, prints.clone()));
            Ok(prints)
        })
    }

    /// The print of one zone; none if it is not there.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn one(&self, zone: &Fqdn) -> Result<Option<u64>, ServiceError> {
        self.with(|open| Ok(prints(&open.connection, Some(zone))?.remove(zone.as_str())))
    }

    fn with<T>(&self, read: impl FnOnce(&mut Open) -> rusqlite::Result<T>) -> Result<T, ServiceError> {
        // Every read is one call: a panic elsewhere leaves the connection as good as it was.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let inode = inode(&self.path);
        if open.as_ref().is_none_or(|open| open.inode != inode) {
            let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(BUSY)?;
            *open = Some(Open { connection, inode, seen: None });
        }
        let result = read(open.as_mut().expect("it was opened above"));
        if result.is_err() {
            *open = None;
        }
        Ok(result?)
    }
}

fn prints(connection: &Connection, only: Option<&Fqdn>) -> rusqlite::Result<BTreeMap<String, u64>> {
    let query = match only {
        Some(_) => format!("{RECORDS} WHERE d.name = ?1"),
        None => RECORDS.to_owned(),
    };
    let mut statement = connection.prepare(&query)?;
    let mut rows = match only {
        Some(zone) => statement.query([zone.as_str()])?,
        None => statement.query([])?,
    };
    let mut prints = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut hasher = DefaultHasher::new();
        for column in 1..7 {
            hash(row.get_ref(column)?, &mut hasher);
        }
        // Added, so that no order is needed.
        let print: &mut u64 = prints.entry(row.get(0)?).or_default();
        *print = print.wrapping_add(hasher.finish());
    }
    Ok(prints)
}

fn hash(value: ValueRef<'_>, hasher: &mut DefaultHasher) {
    match value {
        ValueRef::Text(text) | ValueRef::Blob(text) => text.hash(hasher),
        ValueRef::Integer(number) => number.hash(hasher),
        ValueRef::Real(number) => number.to_bits().hash(hasher),
        ValueRef::Null => 0_u8.hash(hasher),
    }
}

fn inode(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|found| found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("schema.sql");

    struct Place {
        _directory: tempfile::TempDir,
        writer: Connection,
        prints: ZonePrints,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("z.sqlite3");
        let writer = Connection::open(&path).expect("opened");
        writer.execute_batch(SCHEMA).expect("a schema");
        for (id, zone) in ["a.example", "b.example"].into_iter().enumerate() {
            let sql = "INSERT INTO domains (id, name, type) VALUES (?1, ?2, 'NATIVE')";
            writer.execute(sql, (id + 1, zone)).expect("a zone");
            let sql = "INSERT INTO records (domain_id, name, type, content, ttl) VALUES (?1, ?2, 'A', '192.0.2.1', 60)";
            writer.execute(sql, (id + 1, zone)).expect("a record");
        }
        Place { _directory: directory, writer, prints: ZonePrints { path, open: Arc::default() } }
    }

    #[test]
    fn whatever_is_written_into_a_zone_shows_in_its_print_alone() {
        for sql in [
            "UPDATE records SET content = '192.0.2.66' WHERE domain_id = 1",
            "UPDATE records SET ttl = 1 WHERE domain_id = 1",
            "UPDATE records SET disabled = 1 WHERE domain_id = 1",
            "DELETE FROM records WHERE domain_id = 1",
            "DELETE FROM domains WHERE id = 1",
            "INSERT INTO records (domain_id, name, type, content, ttl) SELECT domain_id, name, type, content, ttl
             FROM records WHERE domain_id = 1",
        ] {
            let place = place();
            let before = place.prints.all().expect("read");
            place.writer.execute_batch(sql).expect("written");
            let after = place.prints.all().expect("read");
            assert_ne!(after.get("a.example"), before.get("a.example"), "{sql}");
            assert_eq!(after.get("b.example"), before.get("b.example"), "{sql}");
            let zone = "a.example".parse().expect("a zone");
            assert_eq!(place.prints.one(&zone).expect("read"), after.get("a.example").copied());
        }
    }

    #[test]
    fn a_database_in_the_place_of_another_is_read_anew() {
        let place = place();
        assert_eq!(place.prints.all().expect("read").len(), 2);
        std::fs::remove_file(&place.prints.path).expect("removed");
        let other = Connection::open(&place.prints.path).expect("opened");
        other.execute_batch(&SCHEMA.replace("WAL", "DELETE")).expect("a schema");
        assert_eq!(place.prints.all().expect("read").len(), 0);
    }
}
