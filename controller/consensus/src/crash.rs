//! A process that is killed while it writes the log and applies it: whatever the moment, its files hold what it acknowledged, and it
//! comes to the content of its peers.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command as Process, Stdio},
    sync::Arc,
    time::Duration,
};

use npanel_model::TenantId;
use npanel_proto::command::{
    Certificate, CreateApiKey, CreateCluster, CreateTenant, EnrolController, Envelope, Principal,
    envelope::Command, outcome, principal::Who,
};
use npanel_state::{ContentHash, Store};
use openraft::{
    CommittedLeaderId, EntryPayload, RaftLogReader,
    storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine},
};

use crate::{
    log::{Log, Synced},
    machine::Machine,
    types::{Entry, LogId},
};

/// Where the process that is to be killed has its files; set for that process only.
const DIRECTORY: &str = "NPANEL_TEST_CRASH_DIRECTORY";
const ROOT: [u8; 16] = [1; 16];
const ADMIN: [u8; 16] = [2; 16];

fn command(index: u64) -> (Who, Command) {
    if index > 0 {
        let id = TenantId::from_bytes(&[[3; 8], index.to_be_bytes()].concat()).expect("sixteen bytes");
        let name = format!("tenant-{index}");
        let (tenant_id, parent_id) = (id.to_bytes(), ROOT.to_vec());
        let create =
            CreateTenant { tenant_id, parent_id, name, wrapped_data_key: vec![1], ..CreateTenant::default() };
        return (Who::ApiKeyId(ADMIN.to_vec()), Command::CreateTenant(create));
    }
    let first_key = CreateApiKey {
        api_key_id: ADMIN.to_vec(),
        tenant_id: ROOT.to_vec(),
        name: "admin".into(),
        secret_hash: vec![7; 32],
        actions: vec!["*".into()],
        ..CreateApiKey::default()
    };
    let first_controller = EnrolController {
        controller_id: 1,
        name: "c1".into(),
        fleet_address: "c1.example:1".into(),
        certificate: Some(Certificate {
            serial: vec![1],
            not_after_millis: i64::MAX,
            key_fingerprint: vec![7; 32],
            ..Certificate::default()
        }),
        ..EnrolController::default()
    };
    let create = CreateCluster {
        cluster_id: "test".into(),
        root_tenant_id: ROOT.to_vec(),
        root_tenant_name: "platform".into(),
        wrapped_data_key: vec![1],
        first_key: Some(first_key),
        first_controller: Some(first_controller),
        name_server_domain: "ns.example".into(),
        retention_seconds: 3600,
        ..CreateCluster::default()
    };
    (Who::ControllerId(1), Command::CreateCluster(create))
}

/// The entry of that index, as every peer has it.
fn entry(index: u64) -> Entry {
    let (who, command) = command(index);
    let envelope = Envelope {
        principal: Some(Principal { who: Some(who) }),
        request_id: index.to_be_bytes().repeat(2),
        time_millis: 1_700_000_000_000 + i64::try_from(index).expect("small"),
        command: Some(command),
        ..Envelope::default()
    };
    let log_id = LogId::new(CommittedLeaderId::new(1, 1), index);
    Entry { log_id, payload: EntryPayload::Normal(Arc::new(envelope).into()) }
}

struct Replica {
    log: Log,
    store: Store,
    machine: Machine,
}

impl Replica {
    async fn open(directory: &Path) -> Self {
        let log = Log::open(&directory.join("raft-log")).expect("a log");
        let store = Store::open(&directory.join("state")).await.expect("a store");
        let machine = Machine::open(store.clone(), &directory.join("snapshots"), Synced::everything())
            .await
            .expect("a machine");
        Self { log, store, machine }
    }

    /// The index after the last applied one.
    async fn next(&mut self) -> u64 {
        let (applied, _) = self.machine.applied_state().await.expect("a place");
        applied.map_or(0, |id| id.index + 1)
    }

    /// Applies what the log has beyond what is applied. Returns the log's next index.
    async fn catch_up(&mut self) -> u64 {
        let from = self.next().await;
        let entries = self.log.try_get_log_entries(from..).await.expect("entries");
        self.machine.apply(entries).await.expect("applied");
        self.next().await
    }

    /// Writes and applies batches until it is killed, and says what it has acknowledged.
    async fn run(mut self) {
        let mut next = self.catch_up().await;
        loop {
            let batch: Vec<Entry> = (next..next + 1 + next % 31).map(entry).collect();
            next += batch.len() as u64;
            self.log.blocking_append(batch.clone()).await.expect("appended");
            self.log.synced().reaches(next - 1).await.expect("on disk");
            say(next);
            self.machine.apply(batch).await.expect("applied");
            // Old entries go now and then, with their segments.
            if next % 50 < 16 && next > 200 {
                let upto = LogId::new(CommittedLeaderId::new(1, 1), next - 100);
                self.machine.clone().build().await.expect("a snapshot");
                self.log.purge(upto).await.expect("purged");
            }
        }
    }

    /// Applies entries, which must all be accepted: one that is refused would leave nothing to compare.
    async fn apply(&mut self, range: std::ops::Range<u64>) {
        for applied in self.machine.apply(range.map(entry)).await.expect("applied") {
            let outcome = applied.outcome().await.expect("applied").outcome;
            assert!(matches!(outcome, Some(outcome::Outcome::Accepted(_))), "{outcome:?}");
        }
    }

    async fn hash(&self) -> ContentHash {
        self.store.content_hash().await.expect("a hash")
    }
}

fn say(next: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {next}").and_then(|()| out.flush()).expect("said");
}

/// Nothing by itself: the process that the other test kills.
#[tokio::test]
async fn the_process_that_is_killed() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        Replica::open(Path::new(&directory)).await.run().await;
    }
}

/// Runs the process until it has acknowledged so many times and a little longer, kills it, and returns what it acknowledged last.
fn run_and_kill(directory: &Path, lines: usize, longer: Duration) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let mut child = Process::new(program)
        .args(["--exact", "crash::the_process_that_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let number =
        |line: String| line.split("acknowledged ").nth(1).and_then(|number| number.parse::<u64>().ok());
    let mut acknowledged = output.lines().map_while(Result::ok).filter_map(number);
    let seen = acknowledged.by_ref().take(lines).last().expect("it acknowledges");
    // Not a wait for anything: it draws the moment of the kill.
    std::thread::sleep(longer);
    child.kill().expect("killed");
    // What it still said before it was gone.
    let last = acknowledged.last().unwrap_or(seen);
    child.wait().expect("gone");
    last
}

#[tokio::test]
async fn one_that_is_killed_at_any_moment_comes_to_the_content_of_its_peers() {
    let directory = tempfile::tempdir().expect("a directory");
    let peers = tempfile::tempdir().expect("a directory");
    let mut peer = Replica::open(peers.path()).await;
    let mut chance = fastrand::Rng::with_seed(4);
    for round in 0..25 {
        let longer = Duration::from_micros(chance.u64(0..3000));
        let acknowledged = run_and_kill(directory.path(), chance.usize(1..20), longer);
        let mut replica = Replica::open(directory.path()).await;
        // As they lie in the files: nothing is applied yet beyond what was before the kill.
        let applied = replica.next().await;
        let state = replica.hash().await;
        let from = peer.next().await;
        peer.apply(from..applied).await;
        assert_eq!(state, peer.hash().await, "round {round}: the state is not that of its place, {applied}");
        let end = replica.catch_up().await;
        assert!(end >= acknowledged, "round {round}: {end} of {acknowledged} acknowledged entries are left");
        peer.apply(applied..end).await;
        assert_eq!(replica.hash().await, peer.hash().await, "round {round}: at {end}");
    }
}
