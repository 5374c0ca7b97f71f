//! Whole files as controllers of an earlier feature level left them, in `golden/level-N`: a log, and a snapshot of the state in
//! the middle of it. Every later version must open both and come to what was recorded then: by the log alone, and by the
//! snapshot and the rest of the log. The files are never changed.
//!
//! `NPANEL_GOLDEN=add cargo test -p npanel-consensus --lib earlier` adds those of this version's level, once it is released.

mod history;
mod outdated;
mod packed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use npanel_proto::command::{Outcome, outcome};
use npanel_state::{FEATURE_LEVEL, LogRecord, Store};
use openraft::{
    RaftLogReader,
    storage::{RaftLogStorage, RaftLogStorageExt},
};

use crate::{
    encoding::record,
    log::Log,
    types::{Entry, Vote},
};

/// How far the snapshot is.
const HALFWAY: u64 = 18;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A place of the tests.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("raft-log")
    }

    fn snapshot(&self) -> PathBuf {
        self.directory.path().join("snapshot.db")
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }
}

/// A line for each command: what it came to.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let told = |outcome: &Outcome| match &outcome.outcome {
        Some(outcome::Outcome::Accepted(accepted)) if accepted.replayed => "replayed".to_owned(),
        Some(outcome::Outcome::Accepted(_)) => "accepted".to_owned(),
        Some(outcome::Outcome::Refused(refused)) => format!("refused {}", refused.code),
        None => "nothing".to_owned(),
    };
    outcomes.iter().map(|outcome| format!("{}: {}", outcome.index, told(outcome))).collect()
}

async fn entries(place: &Place) -> Vec<Entry> {
    let mut log = Log::open(&place.log()).expect("the log is opened");
    log.try_get_log_entries(0..u64::MAX).await.expect("it is read")
}

/// Applies entries one by one, after what is applied already.
async fn apply(store: &Store, entries: Vec<Entry>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let after = store.applied().borrow().position.map(|at| at.index);
    for entry in entries.into_iter().filter(|entry| after.is_none_or(|after| entry.log_id.index > after)) {
        let record: LogRecord = record(entry);
        outcomes.extend(store.apply(vec![record]).await.expect("it is applied"));
    }
    outcomes
}

/// What is recorded of files beside them: what the commands came to, the tables with their columns, and the content's hash.
struct Recorded {
    outcomes: Vec<String>,
    tables: Vec<String>,
    hash: String,
}

impl Recorded {
    fn read(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join("recorded.txt")).expect("a record");
        let of =
            |what: &str| text.lines().filter_map(|line| line.strip_prefix(what)).map(str::to_owned).collect();
        let hashes: Vec<String> = of("content ");
        Self { outcomes: of("entry "), tables: of("table "), hash: hashes.concat() }
    }

    fn write(&self, directory: &Path) {
        let lines =
            |what: &str, of: &[String]| of.iter().map(|one| format!("{what} {one}\n")).collect::<String>();
        let text = lines("entry", &self.outcomes)
            + &lines("table", &self.tables)
            + &format!("content {}\n", self.hash);
        fs::write(directory.join("recorded.txt"), text).expect("written");
    }
}

/// Makes the files of this version's level. All in them is fixed: who makes them again gets the same content.
async fn make(directory: &Path) {
    let place = Place::new();
    {
        let mut log = Log::open(&place.log()).expect("a log");
        log.save_vote(&Vote::new_committed(1, 1)).await.expect("voted");
        log.blocking_append(history::entries()).await.expect("appended");
    }
    let store = Store::open(&place.state()).await.expect("a store");
    let (first, second) = history::entries().into_iter().partition(|entry| entry.log_id.index <= HALFWAY);
    let mut outcomes = apply(&store, first).await;
    store.copy_to(place.snapshot()).await.expect("a snapshot");
    outcomes.extend(apply(&store, second).await);
    let end = place.directory.path().join("end.db");
    store.copy_to(end.clone()).await.expect("a copy");
    drop(store);
    fs::create_dir_all(directory.join("raft-log")).expect("a directory");
    for file in fs::read_dir(place.log()).expect("the log").flatten() {
        packed::pack(&file.path(), &directory.join("raft-log").join(file.file_name()));
    }
    packed::pack(&place.snapshot(), &directory.join("snapshot.db"));
    let tables = outdated::tables(&end);
    let hash = outdated::hash(&end, &tables);
    Recorded { outcomes: told(&outcomes), tables, hash }.write(directory);
}

fn unpacked(directory: &Path) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.log()).expect("a directory");
    for file in fs::read_dir(directory.join("raft-log")).expect("a log").flatten() {
        packed::unpack(&file.path(), &place.log());
    }
    packed::unpack(&directory.join("snapshot.db.packed"), place.directory.path());
    place
}

async fn content(store: &Store, place: &Place, recorded: &Recorded) -> String {
    let end = place.directory.path().join("end.db");
    store.copy_to(end.clone()).await.expect("a copy");
    outdated::hash(&end, &recorded.tables)
}

fn levels() -> Vec<(u32, PathBuf)> {
    let name = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("level-")?.parse().ok();
    let paths = fs::read_dir(golden()).expect("samples").flatten().map(|entry| entry.path());
    paths.filter_map(|path| Some((name(&path)?, path))).collect()
}

#[tokio::test]
async fn an_earlier_levels_log_comes_to_what_it_came_to_then() {
    let own = golden().join(format!("level-{FEATURE_LEVEL}"));
    if std::env::var("NPANEL_GOLDEN").is_ok_and(|what| what == "add") && !own.exists() {
        fs::create_dir_all(&own).expect("a directory");
        make(&own).await;
    }
    let levels = levels();
    assert!(!levels.is_empty(), "there is none");
    for (level, directory) in levels {
        let (place, recorded) = (unpacked(&directory), Recorded::read(&directory));
        let store = Store::open(&place.state()).await.expect("a store");
        let outcomes = apply(&store, entries(&place).await).await;
        assert_eq!(told(&outcomes), recorded.outcomes, "level {level}");
        assert_eq!(content(&store, &place, &recorded).await, recorded.hash, "level {level}");
    }
}

#[tokio::test]
async fn an_earlier_levels_snapshot_is_gone_on_with() {
    for (level, directory) in levels() {
        let (place, recorded) = (unpacked(&directory), Recorded::read(&directory));
        let store = Store::open(&place.state()).await.expect("a store");
        let installed = store.replace_by(&place.snapshot()).await.expect("it is installed");
        assert_eq!(installed.position.map(|at| at.index), Some(HALFWAY), "level {level}");
        let outcomes = apply(&store, entries(&place).await).await;
        assert!(!outcomes.is_empty() && recorded.outcomes.ends_with(&told(&outcomes)), "level {level}");
        assert_eq!(content(&store, &place, &recorded).await, recorded.hash, "level {level}");
    }
}
