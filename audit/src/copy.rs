//! Verifying a copy of a controller's database: every entry, the tree above them, and every checkpoint, those in the
//! copy and those that were kept elsewhere.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use crate::{
    CheckpointError, Fault, Frontier, Hash, SignedCheckpoint, VerifierKey, key::origin, row::StoredEntry,
};

/// Why a file cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no such file.
    #[error("{0}: no such file")]
    Absent(PathBuf),
    /// It is not a controller's database, or of a version without the tree.
    #[error("it cannot be read as a controller's database")]
    Database(#[from] rusqlite::Error),
}

/// A checkpoint that was kept outside of the cluster.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Where it was kept, for people.
    pub source: String,
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Verified {
    /// How many entries are in the tree, as far as they are as they were entered.
    pub entries: u64,
    /// Their root.
    pub root: Hash,
    /// How many are older than the tree, of which nothing is known.
    pub older: u64,
    /// How many checkpoints fit.
    pub checkpoints: u64,
    /// Up to which entry, exclusive, one of them vouches.
    pub vouched: u64,
    /// The key that they were checked by, and whether it was given rather than found in the copy.
    pub key: Option<(VerifierKey, bool)>,
    /// What is wrong: first the first entry at fault, if there is one.
    pub faults: Vec<Fault>,
}

/// Verifies the database in a file, by this key if one was kept, else by the one that the file itself names.
///
/// # Errors
/// If the file is not a controller's database.
pub fn verify_copy(
    path: &Path,
    kept_key: Option<&VerifierKey>,
    kept: &[Kept],
) -> Result<Verified, CopyError> {
    let db = open(path)?;
    let named = named_key(&db)?;
    let mut beside = Vec::new();
    if let Some(expected) = kept_key
        && named.as_ref() != Some(expected)
    {
        beside.push(Fault::OtherKey { got: named.clone(), expected: expected.clone() });
    }
    let key = kept_key.map(|key| (key.clone(), true)).or(named.map(|key| (key, false)));
    let believed = believed(&db, key.as_ref().map(|(key, _)| key), kept, &mut beside)?;
    let mut walk = Walk::new(believed);
    let at_fault = walk.entries(&db)?.or_else(|| walk.missing());
    let faults = at_fault.into_iter().chain(beside).collect();
    Ok(Verified {
        entries: walk.frontier.size(),
        root: walk.frontier.root(),
        older: walk.older,
        checkpoints: walk.fitting,
        vouched: walk.vouched,
        key,
        faults,
    })
}

/// A copy without its write-ahead log is complete in itself, and may be where nothing can be written.
fn open(path: &Path) -> Result<Connection, CopyError> {
    if !path.is_file() {
        return Err(CopyError::Absent(path.to_owned()));
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if Path::new(&wal).exists() {
        return Ok(Connection::open_with_flags(path, flags)?);
    }
    let escaped = |c: char| match c {
        '%' | '?' | '#' => format!("%{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    let name: String = path.to_string_lossy().chars().map(escaped).collect();
    let uri = format!("file:{name}?immutable=1");
    Ok(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?)
}

fn named_key(db: &Connection) -> rusqlite::Result<Option<VerifierKey>> {
    let found = db
        .query_row("SELECT c.cluster_id, k.public_key FROM cluster c, audit_key k", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    Ok(found.and_then(|(cluster, public)| VerifierKey::new(&origin(&cluster), &public)))
}

/// The roots that checkpoints of the key vouch for, with whose they are, by their sizes. Those kept outside come first.
type Believed = BTreeMap<u64, Vec<(String, Hash)>>;

fn believed(
    db: &Connection,
    key: Option<&VerifierKey>,
    kept: &[Kept],
    faults: &mut Vec<Fault>,
) -> rusqlite::Result<Believed> {
    let mut believed = Believed::new();
    let mut take = |source: String, note: Result<SignedCheckpoint, CheckpointError>| {
        let checked = note.and_then(|note| match key {
            Some(key) => note.verify(key).cloned(),
            None => Err(CheckpointError::Form("the copy names no key, and none was kept")),
        });
        match checked {
            Ok(checkpoint) => believed.entry(checkpoint.size).or_default().push((source, checkpoint.root)),
            Err(error) => faults.push(Fault::Forged { source, error }),
        }
    };
    for one in kept {
        take(format!("the checkpoint in {}", one.source), Ok(one.checkpoint.clone()));
    }
    let mut statement = db.prepare("SELECT serial, note FROM audit_checkpoints ORDER BY serial")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let note: String = row.get(1)?;
        take(format!("checkpoint {} of the copy", row.get::<_, i64>(0)?), note.parse());
    }
    Ok(believed)
}

struct Walk {
    believed: Believed,
    frontier: Frontier,
    older: u64,
    fitting: u64,
    vouched: u64,
}

impl Walk {
    fn new(believed: Believed) -> Self {
        Self { believed, frontier: Frontier::default(), older: 0, fitting: 0, vouched: 0 }
    }

    /// Every entry in the order of the controllers' log, which is that of their making. The first at fault.
    fn entries(&mut self, db: &Connection) -> rusqlite::Result<Option<Fault>> {
        let query = format!("SELECT {} FROM audit ORDER BY log_index", StoredEntry::COLUMNS);
        let mut statement = db.prepare(&query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let fault = self.entry(db, row)?.or_else(|| self.compare());
            if fault.is_some() {
                return Ok(fault);
            }
        }
        Ok(None)
    }

    fn entry(&mut self, db: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<Fault>> {
        let expected = self.frontier.size();
        let log_index: u64 = row.get(0)?;
        match row.get::<_, Option<u64>>(1)? {
            None if expected == 0 => {
                self.older += 1;
                return Ok(None);
            }
            None => return Ok(Some(Fault::Inserted { log_index })),
            Some(position) if position != expected => return misplaced(db, expected, log_index).map(Some),
            Some(_) => {}
        }
        let edited = Fault::Edited { position: expected, log_index };
        // What cannot be read at all was edited, too.
        let Ok(stored) = StoredEntry::read(row) else { return Ok(Some(edited)) };
        let leaf = stored.entry.leaf_hash();
        let nodes: Vec<&[u8]> = stored.hashes.chunks(Hash::LENGTH).collect();
        if nodes.first() != Some(&leaf.as_bytes().as_slice()) {
            return Ok(Some(edited));
        }
        let complete = self.frontier.append(leaf);
        if nodes.len() != complete.len() {
            // As many as another place has: it was moved here.
            return Ok(Some(Fault::Reordered { position: expected, log_index }));
        }
        let wrong =
            complete.iter().zip(nodes).position(|(node, stored)| node.as_bytes().as_slice() != stored);
        Ok(wrong.map(|level| Fault::Rehashed { first: (expected + 1) - (1 << level), last: expected }))
    }

    /// Compares with the checkpoints of the tree as it is now.
    fn compare(&mut self) -> Option<Fault> {
        let size = self.frontier.size();
        let root = self.frontier.root();
        for (source, expected) in self.believed.remove(&size).unwrap_or_default() {
            if expected != root {
                let (first, last) = (self.vouched, size.saturating_sub(1));
                return Some(Fault::Rewritten { first, last, source });
            }
            self.fitting += 1;
            self.vouched = size;
        }
        None
    }

    /// What a checkpoint says of more entries than there are.
    fn missing(&mut self) -> Option<Fault> {
        let position = self.frontier.size();
        let (size, of) = self.believed.split_off(&(position + 1)).pop_last()?;
        let (source, _) = of.into_iter().next()?;
        Some(Fault::Truncated { position, size, source })
    }
}

/// Why another entry stands where this one should.
fn misplaced(db: &Connection, position: u64, log_index: u64) -> rusqlite::Result<Fault> {
    let is_elsewhere =
        db.query_row("SELECT EXISTS (SELECT 1 FROM audit WHERE position = ?1)", [position], |row| {
            row.get(0)
        })?;
    Ok(if is_elsewhere { Fault::Reordered { position, log_index } } else { Fault::Deleted { position } })
}
