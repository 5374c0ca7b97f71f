//! One run, from the boot to the judgement.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use npanel_fleet::{Fleet, FleetName, FleetSpec, Guard, Kind, cache_directory, until};
use tokio::{runtime::Runtime, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    ending::{self, Left},
    faults::{self, Injected},
    leaders::{self, Leaders},
    load::{self, Load},
    members, node,
    schedule::{CONTROLLERS, LANES},
};

/// Snapshots all the time, and no log for who is away for some seconds.
const LITTLE_LOG: &str =
    "[raft_log]\nsnapshot_after_entries = 100\nkept_entries = 20\npatience_seconds = 2\n";
const LIMIT: Duration = Duration::from_secs(60);

struct Torture {
    name: FleetName,
    fleet: Fleet,
    runtime: Runtime,
    load: Arc<Load>,
    /// Ends the played node.
    stop_node: CancellationToken,
    _directory: tempfile::TempDir,
    // The last: the fleet goes down after everything else has gone.
    _guard: Guard,
}

/// What came of a run.
#[derive(Default)]
struct Outcome {
    faults: Vec<String>,
    leaders: Leaders,
    repaired_after: Duration,
    left: Vec<Left>,
}

/// Tortures five controllers for so long. Whether nothing was found.
pub(crate) fn run(seed: u64, length: Duration) -> Result<bool> {
    println!("seed {seed}, {} s of faults (the same again: --seed {seed} --seconds {0})", length.as_secs());
    let torture = Torture::boot()?;
    let injected = Arc::<Injected>::default();
    let outcome = torture.run(&injected, seed, length).unwrap_or_else(|error| Outcome {
        faults: vec![format!("the run did not come to its end: {error:#}")],
        ..Outcome::default()
    });
    torture.report(&injected, &outcome);
    if outcome.faults.is_empty() {
        return Ok(true);
    }
    torture.report_failure(&injected, &outcome, seed, length)?;
    Ok(false)
}

impl Torture {
    fn boot() -> Result<Self> {
        let name: FleetName = format!("torture-{}", std::process::id()).parse()?;
        let guard = Guard::over(&name)?;
        let fleet = Fleet::boot(FleetSpec { name: name.clone(), controllers: CONTROLLERS, nodes: 0 })?;
        fleet.enter_hub()?;
        for controller in fleet.of_kind(Kind::Controller) {
            fleet.stop(&controller.name)?;
            fleet.make_clock_movable(&controller.name)?;
            fleet.configure(&controller.name, LITTLE_LOG)?;
            fleet.start(&controller.name)?;
        }
        // Its threads are born in the hub.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        until("the controllers to vote", LIMIT, || Ok(fleet.is_ready()?.then_some(())))?;
        let (directory, stop_node) = (tempfile::tempdir()?, CancellationToken::new());
        let load = runtime.block_on(async {
            let mut load = Load::prepare(Fleet::open(&name)?).await?;
            let token = serde_json::json!({"role": "node", "uses": 1, "ttl_seconds": 600});
            let token = load.must("tokens", token).await?;
            let token = token.body["token"].as_str().context("no token")?.to_owned();
            node::play(&fleet, directory.path(), &token, stop_node.clone()).await?;
            load.prepare_owners().await?;
            anyhow::Ok(load)
        })?;
        let load = Arc::new(load);
        Ok(Self { name, fleet, runtime, load, stop_node, _directory: directory, _guard: guard })
    }

    fn run(&self, injected: &Arc<Injected>, seed: u64, length: Duration) -> Result<Outcome> {
        let (stop, stopped) = watch::channel(false);
        let (load, of_clients) = (Arc::clone(&self.load), stopped.clone());
        let clients = self.runtime.spawn(async move { load::run(&load, seed, of_clients).await });
        let fleet = Fleet::open(&self.name)?;
        let watching = self.runtime.spawn(async move { leaders::watch(&fleet, stopped).await });
        let lanes = faults::begin(|| Fleet::open(&self.name), injected, seed, length)?;
        let carried_out: Result<()> = lanes.into_iter().try_for_each(wait);
        stop.send_replace(true);
        self.runtime.block_on(clients).context("the clients")?;
        let leaders = self.runtime.block_on(watching).context("the watch over leaders")?;
        carried_out?;
        let ended = Instant::now();
        members::restore(&self.fleet)?;
        let repaired_after = ended.elapsed();
        self.runtime.block_on(async {
            self.load.repeat_all().await;
            load::look_at_all(&self.load).await;
        });
        let left = ending::left(&self.fleet)?;
        let mut faults = self.load.faults();
        faults.extend(ending::faults(&left));
        faults.extend(self.load.registers.faults());
        faults.extend(self.load.domains.faults());
        faults.extend(self.load.quotas.faults());
        faults.extend(self.load.tokens.faults());
        Ok(Outcome { faults, leaders, repaired_after, left })
    }

    fn report(&self, injected: &Injected, outcome: &Outcome) {
        let counts: Vec<String> =
            injected.counts().iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("faults: {}", counts.join(", "));
        for (kind, totals) in [
            ("registers", self.load.registers.totals()),
            ("domains", self.load.domains.totals()),
            ("quotas", self.load.quotas.totals()),
            ("tokens", self.load.tokens.totals()),
        ] {
            println!(
                "{kind}: {} operations on {}, {} with an unknown outcome",
                totals.operations, totals.objects, totals.unknown
            );
        }
        let counted =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let load = &self.load.counted;
        println!(
            "writes: {} acknowledged, {} answers lost, {} asked for again",
            counted(&load.acknowledged),
            counted(&load.lost),
            counted(&load.repeated)
        );
        println!("elections: {} terms had a leader that was seen", outcome.leaders.len());
        let seconds = outcome.repaired_after.as_secs_f64();
        println!("whole again {seconds:.1} s after the last fault: {}", ending::told(&outcome.left));
    }

    fn report_failure(
        &self,
        injected: &Injected,
        outcome: &Outcome,
        seed: u64,
        length: Duration,
    ) -> Result<()> {
        println!("\nThe schedule of seed {seed}:");
        let mut planned: Vec<_> = LANES.iter().flat_map(|lane| lane.draw(seed, length)).collect();
        planned.sort_by_key(|planned| planned.at);
        planned.iter().for_each(|planned| println!("  {planned}"));
        println!("What was done:");
        injected.told().iter().for_each(|told| println!("  {told}"));
        println!("\nFound:");
        outcome.faults.iter().for_each(|fault| println!("  {fault}"));
        println!("The logs of all controllers are in {}", self.keep_logs()?.display());
        Ok(())
    }

    /// Where the logs are put; the last run's are replaced.
    fn keep_logs(&self) -> Result<PathBuf> {
        let directory = cache_directory()?.join("logs/torture");
        if directory.exists() {
            std::fs::remove_dir_all(&directory).context("the last run's logs")?;
        }
        self.fleet.collect_logs(&directory)?;
        Ok(directory)
    }
}

impl Drop for Torture {
    fn drop(&mut self) {
        self.stop_node.cancel();
    }
}

fn wait(lane: JoinHandle<Result<()>>) -> Result<()> {
    lane.join().map_err(|_| anyhow!("a thread of the schedule panicked"))?
}
