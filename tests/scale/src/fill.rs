//! Filling a state.

mod account;
mod ground;

use anyhow::{Context, Result, bail, ensure};
use npanel_model::TenantId;
use npanel_proto::command::{
    Envelope, Observation, Principal, PurgeChanges, PurgeOperations, RecordObservations, envelope::Command,
    outcome, principal::Who,
};
use npanel_state::{FEATURE_LEVEL, LogPosition, LogRecord, RecordPayload, Store};

use crate::draw::Draw;
pub use account::OBJECTS;
use ground::Reseller;

/// Records that are applied in one transaction.
const BATCH: usize = 4_000;
/// What nodes report at a time.
const REPORTED: usize = 500;
/// After so many accounts time goes on until what their making left behind (operations, and the change feed) is old.
const SEASON: u64 = 10_000;
const SEASON_MILLIS: i64 = 31 * 24 * 3600 * 1000;
/// Between two accounts of a season.
const STEP_MILLIS: i64 = 50;
/// Rows that one command takes out.
const PURGED: u32 = 5_000;

/// A controller may do everything, and leaves nobody's key in the rows.
const BY: u64 = 1;

/// What a state was filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// Accounts that were made.
    pub accounts: u64,
    /// Where the state is now.
    pub position: LogPosition,
}

/// Fills one store.
#[derive(Debug)]
pub struct Filler {
    store: Store,
    draw: Draw,
    root: TenantId,
    position: LogPosition,
    batch: Vec<LogRecord>,
    reports: Vec<Observation>,
    resellers: Vec<Reseller>,
    nodes: Vec<Vec<u8>>,
    accounts: u64,
}

/// The time at which filling with so many accounts, in two parts, has to begin to end before now.
#[must_use]
pub fn begins_at(accounts: u64, now_millis: i64) -> i64 {
    let count = |number: u64| i64::try_from(number).expect("fewer accounts than milliseconds since 1970");
    let seasons = count(accounts.div_ceil(SEASON)) + 2;
    now_millis - seasons * SEASON_MILLIS - count(accounts) * STEP_MILLIS
}

impl Filler {
    /// Begins with a store that has a cluster and no accounts, at the time that its cluster has.
    ///
    /// # Errors
    /// If there is no cluster, or the state cannot be read.
    pub async fn new(store: Store, seed: u64, begins_millis: i64) -> Result<Self> {
        let root = store.reader().cluster().await?.context("the state has no cluster")?.root_tenant_id;
        let position = store.applied().borrow().position.context("the state has no position")?;
        Ok(Self {
            store,
            draw: Draw::new(seed, begins_millis),
            root,
            position,
            batch: Vec::with_capacity(BATCH),
            reports: Vec::with_capacity(REPORTED),
            resellers: Vec::new(),
            nodes: Vec::new(),
            accounts: 0,
        })
    }

    /// Makes accounts until there are so many, and tells of each season's end.
    ///
    /// # Errors
    /// If a rule refuses something, or the state fails.
    pub async fn fill(&mut self, accounts: u64, mut told: impl FnMut(u64)) -> Result<Filled> {
        while self.accounts < accounts {
            self.widen().await?;
            self.account().await?;
            self.accounts += 1;
            self.draw.now += STEP_MILLIS;
            if self.accounts.is_multiple_of(SEASON) || self.accounts == accounts {
                self.end_season().await?;
                told(self.accounts);
            }
        }
        Ok(Filled { accounts: self.accounts, position: self.position })
    }

    /// The time that the state has come to, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.draw.now
    }

    /// Others have written to the store since it was filled.
    pub fn go_on_from(&mut self, position: LogPosition, now_millis: i64) {
        self.position = position;
        self.draw.now = now_millis;
    }

    /// Nodes report the last of it, and what is over goes.
    async fn end_season(&mut self) -> Result<()> {
        self.report().await?;
        self.draw.now += SEASON_MILLIS;
        // Rows of operations, what they waited for, and of the change feed.
        let most = SEASON * 40 / u64::from(PURGED);
        for _ in 0..most {
            self.command(Command::PurgeOperations(PurgeOperations { most: PURGED })).await?;
            self.command(Command::PurgeChanges(PurgeChanges { most: PURGED })).await?;
        }
        self.flush().await
    }

    /// What a node is to have of an account, it has.
    async fn converged(&mut self, node: &[u8], kind: &str, object: &[u8], generation: u64) -> Result<()> {
        self.reports.push(Observation {
            node_id: node.to_vec(),
            kind: kind.into(),
            object_id: object.to_vec(),
            generation,
            state: "converged".into(),
            since_millis: self.draw.now,
            ..Observation::default()
        });
        if self.reports.len() >= REPORTED { self.report().await } else { Ok(()) }
    }

    async fn report(&mut self) -> Result<()> {
        let observations = std::mem::take(&mut self.reports);
        self.command(Command::RecordObservations(RecordObservations { observations })).await
    }

    async fn command(&mut self, command: Command) -> Result<()> {
        self.by(Who::ControllerId(BY), command).await
    }

    async fn by(&mut self, who: Who, command: Command) -> Result<()> {
        self.position.index += 1;
        let envelope = Envelope {
            principal: Some(Principal { who: Some(who) }),
            request_id: self.draw.id(),
            source_address: "192.0.2.1".into(),
            feature_level: FEATURE_LEVEL,
            time_millis: self.draw.now,
            command: Some(command),
            ..Envelope::default()
        };
        let payload = RecordPayload::Command(envelope.into());
        self.batch.push(LogRecord { position: self.position, payload });
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let count = batch.len();
        let outcomes = self.store.apply(batch).await?;
        ensure!(outcomes.len() == count, "{count} records came to {} outcomes", outcomes.len());
        for outcome in outcomes {
            if let Some(outcome::Outcome::Refused(refused)) = outcome.outcome {
                bail!("the rules refuse what is loaded: {} ({})", refused.message, refused.code);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    async fn filled(seed: u64) -> (npanel_state::ContentHash, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).await.expect("opened");
        let begins = begins_at(30, 1_800_000_000_000);
        found(&store, begins).await.expect("founded");
        let mut filler = Filler::new(store.clone(), seed, begins).await.expect("begun");
        filler.fill(30, |_| ()).await.expect("filled");
        (store.content_hash().await.expect("a hash"), directory)
    }

    #[tokio::test]
    async fn the_same_seed_makes_the_same_rows_and_another_makes_others() {
        let ((one, kept), (same, _), (other, _)) = (filled(1).await, filled(1).await, filled(2).await);
        assert_eq!(one, same);
        assert_ne!(one.hash, other.hash);
        let state = std::fs::read_to_string(kept.path().join("CURRENT")).expect("a state");
        let db = rusqlite::Connection::open(kept.path().join(state)).expect("opened");
        let count = |from: &str| -> u64 {
            db.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).expect("a number")
        };
        for table in ["accounts", "domains", "zones", "databases"] {
            assert_eq!(count(table), 30, "{table}");
        }
        assert_eq!(count("record_sets"), 60);
        assert_eq!(count("node_objects WHERE settled = 0"), 0, "nodes have reported all");
        assert_eq!(count("operations"), 0, "they are over, and old");
    }
}
