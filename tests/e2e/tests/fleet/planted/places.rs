//! Where is looked, and what may be there.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime},
};

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::Account;

use super::marks::{Kind, Mark};

/// Files that have a mark by their nature, below a controller's or a node's root. Anything else there is at fault, and so are these marks
/// anywhere else.
const BY_NATURE: &[(&str, Kind)] = &[
    // A machine's key, by which it seals, and that of its certificate.
    ("/controller/machine.key", Kind::MachinesOwn),
    ("/controller/identity/", Kind::MachinesOwn),
    ("/var/lib/npanel/identity/", Kind::MachinesOwn),
    // The hash is what MariaDB knows a user by, and what the node gives it again when somebody has changed it there. Whoever reads the
    // ledger (npanel's own, mode 0700) is the one that gives it to MariaDB.
    ("/var/lib/mysql/", Kind::PasswordHash),
    ("/var/lib/npanel/ledger/", Kind::PasswordHash),
];

/// Places in which something that is no secret has to be found, or the search does not reach them.
const REACHED: &[&str] = &[
    "raft-log", "state", "snapshot", "backup", "controller's journal", "node's journal", "ledger", "API", "change feed",
    "audit",
];

/// Everything that was looked through, and what was found.
pub(super) struct Searched<'a> {
    marks: &'a [Mark],
    /// The mark of each pattern; of what is no secret none.
    of_pattern: Vec<Option<usize>>,
    patterns: AhoCorasick,
    since: SystemTime,
    /// For each place how much was read there, and whether what is no secret was found.
    reached: BTreeMap<&'static str, (u64, bool)>,
    found: Vec<String>,
}

impl fmt::Display for Searched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets in {} forms were looked for in", self.marks.len(), self.of_pattern.len())?;
        for (place, (bytes, _)) in &self.reached {
            write!(f, " {place} ({bytes} bytes)")?;
        }
        Ok(())
    }
}

impl<'a> Searched<'a> {
    /// `canary`: what is no secret and is to be found. Of a node, only what was written `since` is read.
    pub(super) fn new(marks: &'a [Mark], canary: &[Vec<u8>], since: SystemTime) -> Self {
        let of_marks = marks.iter().enumerate().flat_map(|(mark, of)| of.forms.iter().map(move |form| (form, Some(mark))));
        let all: Vec<_> = of_marks.chain(canary.iter().map(|form| (form, None))).collect();
        let patterns = AhoCorasick::new(all.iter().map(|(form, _)| form)).expect("a few thousand patterns");
        let of_pattern = all.iter().map(|(_, mark)| *mark).collect();
        Self { marks, of_pattern, patterns, since, reached: BTreeMap::new(), found: Vec::new() }
    }

    /// Looks into something that may have these marks.
    fn look(&mut self, place: &'static str, name: &str, bytes: &[u8], may: impl Fn(Kind) -> bool) {
        let (read, is_reached) = self.reached.entry(place).or_default();
        *read += bytes.len() as u64;
        let mut marks = Vec::new();
        for found in self.patterns.find_overlapping_iter(bytes) {
            match self.of_pattern[found.pattern().as_usize()] {
                None => *is_reached = true,
                Some(mark) if !marks.contains(&mark) => marks.push(mark),
                Some(_) => {}
            }
        }
        for mark in marks.into_iter().map(|mark| &self.marks[mark]).filter(|mark| !may(mark.kind)) {
            self.found.push(format!("{} is in {name}", mark.name));
        }
    }

    pub(super) fn text(&mut self, place: &'static str, text: &[u8]) {
        self.look(place, place, text, |_| false);
    }

    fn file(&mut self, place: &'static str, path: &Path) {
        // It may go meanwhile: a log's segment, a snapshot.
        let Ok(bytes) = fs::read(path) else { return };
        let name = path.display().to_string();
        let by_nature = |kind| BY_NATURE.iter().any(|(part, of)| *of == kind && name.contains(part));
        self.look(place, &name, &bytes, by_nature);
    }

    /// Every file beneath a directory that is not on another file system.
    pub(super) fn tree(&mut self, place: &'static str, directory: &Path, only_new: bool) -> Result<()> {
        for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            // It may go meanwhile.
            let Ok(about) = entry.metadata() else { continue };
            let path = entry.path();
            if about.is_dir() {
                self.tree(place_of(place, &path), &path, only_new)?;
            } else if about.is_file() && (!only_new || about.modified()? >= self.since) {
                self.file(place_of(place, &path), &path);
            }
        }
        Ok(())
    }

    /// Whether what is no secret was found in that place.
    pub(super) fn has_reached(&self, place: &str) -> bool {
        self.reached.get(place).is_some_and(|(_, is_reached)| *is_reached)
    }

    pub(super) fn found(&self) -> &[String] {
        &self.found
    }

    pub(super) fn end(&self) -> Result<()> {
        let missed: Vec<_> = REACHED.iter().filter(|place| !self.has_reached(place)).collect();
        ensure!(self.found.is_empty(), "{}", self.found.join("\n"));
        ensure!(missed.is_empty(), "what is no secret was not found in {missed:?}: the search does not reach them");
        Ok(())
    }
}

/// What a directory of a controller or a node is called here.
fn place_of(outer: &'static str, path: &Path) -> &'static str {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("raft-log") => "raft-log",
        Some("snapshots") => "snapshot",
        Some("state") => "state",
        Some("ledger") => "ledger",
        _ => outer,
    }
}

/// Whether there is a snapshot with what was planted.
pub(super) fn has_snapshot(world: &World, controller: &str, searched: &Searched<'_>) -> Result<bool> {
    let directory = world.fleet.controller_data(controller)?.join("controller/snapshots");
    let mut look = searched.again();
    if directory.exists() {
        look.tree("snapshot", &directory, false)?;
    }
    Ok(look.has_reached("snapshot"))
}

impl Searched<'_> {
    /// The same search, begun anew.
    pub(super) fn again(&self) -> Self {
        let (of_pattern, patterns) = (self.of_pattern.clone(), self.patterns.clone());
        let (reached, found) = (BTreeMap::new(), Vec::new());
        Self { marks: self.marks, of_pattern, patterns, since: self.since, reached, found }
    }
}

/// The log, the state and its write-ahead log, snapshots, and all that lies beside them; the journal, and metrics.
pub(super) fn of_controller(world: &World, name: &str, searched: &mut Searched<'_>) -> Result<()> {
    let data = world.fleet.controller_data(name)?;
    let root = data.join("controller");
    let current = fs::read_to_string(root.join("state/CURRENT"))?;
    ensure!(root.join("state").join(format!("{}-wal", current.trim())).exists(), "{name} has no write-ahead log");
    searched.tree("data of a controller", &data, false)?;
    let logs = tempfile::tempdir()?;
    world.fleet.collect_logs(logs.path())?;
    searched.tree("controller's journal", &logs.path().join(name), false)?;
    let address = world.fleet.member(name)?.address;
    let metrics = world.fleet.hub("/usr/bin/curl", ["--silent", &format!("http://{address}:9470/metrics")])?;
    searched.text("metrics", metrics.as_bytes());
    Ok(())
}

/// All that was written on a node meanwhile, and its journal with what is not text.
pub(super) fn of_node(world: &World, name: &str, searched: &mut Searched<'_>) -> Result<()> {
    for directory in ["etc", "var", "home", "root", "srv", "tmp", "usr/lib/systemd"] {
        let path = world.fleet.node_path(name, directory)?;
        searched.tree("files of a node", &path, true)?;
    }
    let journal = ["/usr/bin/journalctl", "--no-pager", "--all", "--output=cat"];
    searched.text("node's journal", world.fleet.exec(name, journal)?.as_bytes());
    let address = world.fleet.member(name)?.address;
    let metrics = world.fleet.hub("/usr/bin/curl", ["--silent", &format!("http://{address}:9471/metrics")])?;
    searched.text("metrics", metrics.as_bytes());
    Ok(())
}

/// The arguments and the environment of every process of this machine, those in containers included.
pub(super) fn of_processes(searched: &mut Searched<'_>) -> Result<()> {
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        for file in ["cmdline", "environ"] {
            searched.file("processes", &process.join(file));
        }
    }
    Ok(())
}

pub(super) fn of_backup(world: &World, searched: &mut Searched<'_>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("fleet.tar");
    world.fleet.npanel(&["cluster", "backup", &file.to_string_lossy()])?;
    searched.tree("backup", directory.path(), false)
}

/// What the API shows of it all to who may see everything.
pub(super) fn through_the_api(world: &World, account: &Account, searched: &mut Searched<'_>) -> Result<()> {
    let key = world.administrator_key()?;
    let one = format!("accounts/{}", account.id);
    let lists = [
        "accounts", "database-users", "webhooks", "api-keys", "tokens", "audit", "audit/checkpoints", "operations",
        "node-events", "nodes", "tenants", "secrets", "cluster", "ca", &one,
    ];
    for path in lists {
        let path = format!("/v1/{path}");
        let answer = world.raw("c3", "GET", &path, Some(&key), None)?;
        ensure!(answer.status == 200, "{path} was answered {}", answer.status);
        searched.text(if path == "/v1/audit" { "audit" } else { "API" }, answer.body.to_string().as_bytes());
    }
    let events = until("the change feed", World::PATIENCE, || {
        let url = format!("{}/v1/events?after=0", world.fleet.api_url("c1")?);
        let (ca, bearer) = (world.fleet.ca_file()?.to_string_lossy().into_owned(), format!("Authorization: Bearer {key}"));
        let line = ["--silent", "--max-time", "3", "--cacert", &ca, "--header", &bearer, "--", &url].join("' '");
        // It goes on for ever, so curl ends by its time, which is no fault.
        let said = world.fleet.hub("/bin/sh", ["-c", &format!("/usr/bin/curl '{line}' || true")])?;
        Ok((!said.is_empty()).then_some(said))
    })?;
    searched.text("change feed", events.as_bytes());
    Ok(())
}

/// How long what is written may take to be in a journal.
pub(super) const JOURNALED: Duration = Duration::from_secs(10);
