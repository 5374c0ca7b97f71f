//! What applying and reading cost.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fastrand::Rng;
use npanel_model::{AccountId, ApiKeyId, TenantId};
use npanel_proto::command::{Envelope, Principal, UpdateAccount, envelope::Command, principal::Who};
use npanel_scale::{Filler, Founded, begins_at, found};
use npanel_state::{
    AccountFilter, By, FEATURE_LEVEL, LogPosition, LogRecord, Order, Page, RecordPayload, Store,
};

use crate::accounts;

/// As controllers decide at 1, 16 and 64 clients.
const BATCHES: [usize; 3] = [1, 16, 64];
const MEASURED: Duration = Duration::from_secs(5);
const READS: usize = 20_000;
const PAGES: usize = 500;
const PAGE: u32 = 100;
const NOW: i64 = 1_800_000_000_000;

/// How long many things took.
struct Took(Vec<Duration>);

impl Took {
    fn at(&mut self, percent: usize) -> f64 {
        self.0.sort();
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default().as_secs_f64() * 1000.0
    }
}

pub(crate) async fn all(directory: &Path, sizes: &[u64], seed: u64) -> Result<()> {
    let most = sizes.iter().copied().max().context("no size")?;
    let begins = begins_at(most, NOW);
    let store = Store::open(directory).await?;
    found(&store, begins).await?;
    let mut filler = Filler::new(store.clone(), seed, begins).await?;
    for size in sizes {
        let begun = Instant::now();
        filler.fill(*size, |_| ()).await?;
        println!("\n{size} accounts, filled further in {:.0} s", begun.elapsed().as_secs_f64());
        let (position, now) = measure(&store, directory, filler.now()).await?;
        filler.go_on_from(position, now);
    }
    Ok(())
}

/// Measures a state that was filled before.
pub(crate) async fn one(directory: &Path) -> Result<()> {
    let store = Store::open(directory).await?;
    measure(&store, directory, NOW).await.map(drop)
}

/// Where in the log and in time the state is then.
async fn measure(store: &Store, directory: &Path, now: i64) -> Result<(LogPosition, i64)> {
    let accounts = accounts::some(directory, u64::MAX)?;
    println!("  {} accounts, {} MiB of state", accounts.len(), store.bytes()? >> 20);
    let mut writer = Writer::new(store, accounts, now)?;
    println!(
        "  batch    writes/s   p50 ms   p99 ms  max ms   log MiB   processor us a write: writer, write-back"
    );
    for batch in BATCHES {
        writer.warm(batch).await?;
        let (begun, before) = (Instant::now(), processor()?);
        let mut took = writer.write(batch, |so_far| so_far < MEASURED).await?;
        let (over, after) = (begun.elapsed(), processor()?);
        let writes = (took.0.len() * batch) as f64;
        print(&batch.to_string(), writes / over.as_secs_f64(), &mut took, directory)?;
        let each = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e6 / writes;
        println!("{:>70.1} {:>6.1}", each(before.0, after.0), each(before.1, after.1));
    }
    beside_snapshot(store, &mut writer, directory).await?;
    reads(store, &writer.accounts).await?;
    println!("  resident: {}", resident()?);
    Ok((writer.position, writer.now))
}

fn print(what: &str, rate: f64, took: &mut Took, directory: &Path) -> Result<()> {
    let log = log_bytes(directory)? >> 20;
    println!(
        "  {what:<6} {rate:>10.0} {:>8.2} {:>8.2} {:>7.1} {log:>9}",
        took.at(50),
        took.at(99),
        took.at(100)
    );
    Ok(())
}

async fn beside_snapshot(store: &Store, writer: &mut Writer, directory: &Path) -> Result<()> {
    let target = directory.with_extension("snapshot");
    let copy = tokio::spawn({
        let (store, target) = (store.clone(), target.clone());
        async move { store.copy_to(target).await }
    });
    let begun = Instant::now();
    let mut took = writer.write(16, |_| !copy.is_finished()).await?;
    let over = begun.elapsed();
    let made = copy.await??;
    let rate = (took.0.len() * 16) as f64 / over.as_secs_f64();
    print("copy", rate, &mut took, directory)?;
    println!("  a snapshot of {} MiB beside 16 at a time, in {:.1} s", made.bytes >> 20, over.as_secs_f64());
    std::fs::remove_file(target)?;
    let mut after = writer.write(16, |so_far| so_far < MEASURED).await?;
    print("after", (after.0.len() * 16) as f64 / MEASURED.as_secs_f64(), &mut after, directory)
}

async fn reads(store: &Store, accounts: &[AccountId]) -> Result<()> {
    let (reader, mut rng) = (store.reader(), Rng::with_seed(7));
    let root = reader.cluster().await?.context("no cluster")?.root_tenant_id;
    let (mut points, mut pages, mut tenants) = (Took(Vec::new()), Took(Vec::new()), Took(Vec::new()));
    let (mut by_name, mut tenants_by_name) = (Took(Vec::new()), Took(Vec::new()));
    let mut owners: Vec<(TenantId, Vec<u8>)> = Vec::new();
    for _ in 0..READS {
        let id = accounts[rng.usize(..accounts.len())];
        let begun = Instant::now();
        let found = reader.account(root, id).await?.context("an account is gone")?;
        points.0.push(begun.elapsed());
        owners.push((found.tenant_id, [found.id.to_bytes(), found.username.as_str().into()].concat()));
    }
    for _ in 0..PAGES {
        let after = accounts[rng.usize(..accounts.len())];
        let page = Page { after: Some(after.to_bytes()), limit: PAGE, ..Page::default() };
        let begun = Instant::now();
        reader.accounts(root, AccountFilter::default(), &page).await?;
        pages.0.push(begun.elapsed());
        let (owner, place) = owners[rng.usize(..owners.len())].clone();
        let begun = Instant::now();
        reader.accounts(owner, AccountFilter::default(), &page).await?;
        tenants.0.push(begun.elapsed());
        let page = Page { after: Some(place), limit: PAGE, order: Order { by: By::Name, descending: true } };
        for (viewer, took) in [(root, &mut by_name), (owner, &mut tenants_by_name)] {
            let begun = Instant::now();
            reader.accounts(viewer, AccountFilter::default(), &page).await?;
            took.0.push(begun.elapsed());
        }
    }
    println!(
        "  p99: a point read {:.2} ms, a page of {PAGE} of all {:.1} ms, of a reseller's {:.1} ms; by name {:.1} and {:.1} ms",
        points.at(99),
        pages.at(99),
        tenants.at(99),
        by_name.at(99),
        tenants_by_name.at(99)
    );
    Ok(())
}

/// Changes accounts, as `PATCH /v1/accounts/ID` does.
struct Writer {
    store: Store,
    accounts: Vec<AccountId>,
    admin: ApiKeyId,
    rng: Rng,
    position: LogPosition,
    now: i64,
}

impl Writer {
    fn new(store: &Store, accounts: Vec<AccountId>, now: i64) -> Result<Self> {
        let position = store.applied().borrow().position.context("no position")?;
        let Founded { admin, .. } = Founded::here();
        Ok(Self { store: store.clone(), accounts, admin, rng: Rng::with_seed(3), position, now })
    }

    async fn warm(&mut self, batch: usize) -> Result<()> {
        self.write(batch, |so_far| so_far < MEASURED / 5).await.map(drop)
    }

    async fn write(&mut self, batch: usize, goes_on: impl Fn(Duration) -> bool) -> Result<Took> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while goes_on(begun.elapsed()) {
            let records = (0..batch).map(|_| self.change()).collect();
            let one = Instant::now();
            self.store.apply(records).await?;
            took.push(one.elapsed());
        }
        Ok(Took(took))
    }

    fn change(&mut self) -> LogRecord {
        self.now += 1;
        self.position.index += 1;
        let account = self.accounts[self.rng.usize(..self.accounts.len())];
        let request = uuid::Uuid::now_v7();
        let envelope = Envelope {
            principal: Some(Principal { who: Some(Who::ApiKeyId(self.admin.to_bytes())) }),
            request_id: request.as_bytes().to_vec(),
            idempotency_key: format!("request/{request}"),
            request_digest: vec![9; 32],
            source_address: "192.0.2.1".into(),
            feature_level: FEATURE_LEVEL,
            time_millis: self.now,
            command: Some(Command::UpdateAccount(UpdateAccount {
                account_id: account.to_bytes(),
                contact: Some(format!("n{}@changed.example", self.position.index)),
                operation_id: uuid::Uuid::now_v7().as_bytes().to_vec(),
                ..UpdateAccount::default()
            })),
            ..Envelope::default()
        };
        LogRecord { position: self.position, payload: RecordPayload::Command(envelope.into()) }
    }
}

fn log_bytes(directory: &Path) -> Result<u64> {
    let mut name = accounts::database(directory)?.into_os_string();
    name.push("-wal");
    Ok(std::fs::metadata(name).map_or(0, |log| log.len()))
}

/// The processor time that the writer and the write-back have had: unlike rates, it says the same on a busy machine.
fn processor() -> Result<(Duration, Duration)> {
    let (mut writer, mut write_back) = (Duration::ZERO, Duration::ZERO);
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let read = |file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
        // The kernel keeps 15 letters of a name; the first number is in nanoseconds.
        let spent = read("schedstat").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        match read("comm").trim() {
            "state-writer" => writer += Duration::from_nanos(spent),
            "state-write-bac" => write_back += Duration::from_nanos(spent),
            _ => {}
        }
    }
    Ok((writer, write_back))
}

/// Of this process, which is the state and what measures it.
fn resident() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("RssFile"));
    Ok(lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "))
}
