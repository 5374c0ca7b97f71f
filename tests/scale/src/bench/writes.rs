//! Changes of accounts through the public API.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use npanel_client::{Client, Wait};
use npanel_fleet::until;
use npanel_model::AccountId;
use npanel_sdk_types::{Account, UpdateAccount};

use super::{cluster::Cluster, memory, table::percentile};

const CLIENTS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(4);
const COUNTED: Duration = Duration::from_secs(12);
/// Until a snapshot is begun, and until it is made.
const SNAPSHOT: Duration = Duration::from_secs(400);

/// What clients came to.
pub(super) struct Figures {
    accounts: usize,
    took: Vec<Duration>,
    over: Duration,
    /// How busy each process was, in shares of one core.
    busy: Vec<(String, f64)>,
}

impl Figures {
    pub(super) fn rate(&self) -> f64 {
        self.took.len() as f64 / self.over.as_secs_f64()
    }

    pub(super) fn longest(&self) -> Duration {
        self.took.iter().max().copied().unwrap_or_default()
    }

    /// Who was busy.
    pub(super) fn spent(&self) -> String {
        let busy: Vec<_> =
            self.busy.iter().map(|(who, share)| format!("{who} {:.0} %", share * 100.0)).collect();
        format!("  {} accounts to choose from: {} of a core", self.accounts, busy.join(", "))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut took = self.took.clone();
        let mut millis = |percent| percentile(&mut took, percent).as_secs_f64() * 1000.0;
        let (p50, p99, most) = (millis(50), millis(99), millis(100));
        write!(
            f,
            "{CLIENTS} clients: {:.0} writes/s, p50 {p50:.1} ms, p99 {p99:.1} ms, longest {most:.0} ms",
            self.rate()
        )
    }
}

/// When a write ended, and how long it took.
type Write = (Instant, Duration);

/// Clients that write until they are told to stop.
struct Writing {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Result<Vec<Write>>>>,
}

impl Writing {
    fn begin(cluster: &Cluster) -> Result<Self> {
        let (stop, client) = (Arc::new(AtomicBool::new(false)), cluster.client_of_leader()?);
        let tasks = (0..CLIENTS)
            .map(|number| {
                let accounts: Vec<AccountId> =
                    cluster.accounts.iter().skip(number).step_by(CLIENTS).copied().collect();
                ensure!(!accounts.is_empty(), "fewer accounts than clients");
                Ok(cluster.spawn(write(client.clone(), accounts, number, Arc::clone(&stop))))
            })
            .collect::<Result<_>>()?;
        Ok(Self { stop, tasks })
    }

    fn end(self, cluster: &Cluster) -> Result<Vec<Write>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(cluster.block_on(task)??);
        }
        Ok(all)
    }
}

async fn write(
    client: Client,
    accounts: Vec<AccountId>,
    number: usize,
    stop: Arc<AtomicBool>,
) -> Result<Vec<Write>> {
    let mut took = Vec::new();
    for (round, account) in accounts.iter().cycle().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let contact = format!("c{number}n{round}@changed.example").parse()?;
        let change = UpdateAccount { contact: Some(Some(contact)), ..UpdateAccount::default() };
        let asked = Instant::now();
        client.change::<Account>(*account, &change, Wait::No).await.context("a write was refused")?;
        took.push((Instant::now(), asked.elapsed()));
    }
    Ok(took)
}

/// Without anything else under way.
pub(super) fn alone(cluster: &Cluster) -> Result<Figures> {
    let writing = Writing::begin(cluster)?;
    std::thread::sleep(WARM_UP);
    let (begun, before) = (Instant::now(), memory::processor_seconds(cluster)?);
    std::thread::sleep(COUNTED);
    let (ended, after) = (Instant::now(), memory::processor_seconds(cluster)?);
    let over = ended - begun;
    let took = writing.end(cluster)?;
    let took = took.into_iter().filter(|(at, _)| (begun..ended).contains(at)).map(|(_, took)| took).collect();
    let busy = before
        .into_iter()
        .zip(after)
        .map(|((who, before), (_, after))| (who, (after - before) / over.as_secs_f64()))
        .collect();
    Ok(Figures { accounts: cluster.accounts.len(), took, over, busy })
}

/// What writes had to wait while the leader made a snapshot.
pub(super) struct Beside {
    pub(super) longest: Duration,
    /// When that one ended, since the snapshot was begun.
    longest_at: Duration,
    p99: Duration,
    rate: f64,
    over: Duration,
}

impl Beside {
    pub(super) fn said(&self) -> String {
        format!(
            "Beside the snapshot, which took {:.1} s: {:.0} writes/s, p99 {:.1} ms; the longest wait ended after {:.1} s",
            self.over.as_secs_f64(),
            self.rate,
            self.p99.as_secs_f64() * 1000.0,
            self.longest_at.as_secs_f64()
        )
    }
}

/// Writes until the leader has made a snapshot.
pub(super) fn beside_snapshot(cluster: &Cluster) -> Result<Beside> {
    let building = cluster.place(&cluster.leader()?, "snapshots")?.join("building.db");
    let writing = Writing::begin(cluster)?;
    until("the leader to begin a snapshot", SNAPSHOT, || Ok(building.exists().then_some(())))?;
    let begun = Instant::now();
    until("the snapshot", SNAPSHOT, || Ok((!building.exists()).then_some(())))?;
    let ended = Instant::now();
    let took = writing.end(cluster)?;
    let beside: Vec<Write> = took.into_iter().filter(|(at, _)| (begun..ended).contains(at)).collect();
    let (at, longest) =
        *beside.iter().max_by_key(|(_, took)| *took).context("nothing was written beside the snapshot")?;
    let mut took: Vec<Duration> = beside.into_iter().map(|(_, took)| took).collect();
    let over = ended - begun;
    Ok(Beside {
        longest,
        longest_at: at - begun,
        p99: percentile(&mut took, 99),
        rate: took.len() as f64 / over.as_secs_f64(),
        over,
    })
}
