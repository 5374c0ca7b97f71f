//! Clients that talk to all controllers at once, and note what they saw.

mod names;
mod quotas;
mod registers;
mod tokens;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use npanel_fleet::Fleet;
use npanel_linear::models::{Capped, Register, Unique};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    api::{Answer, Api, Request},
    record::Record,
};

/// How many clients there are of each kind.
const WRITERS: usize = 8;
const CLAIMANTS: usize = 4;
const BUYERS: usize = 3;
const MACHINES: usize = 3;
/// How long the first requests may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Accounts that claim domains.
const OWNERS: usize = 4;

/// What all clients share.
pub(crate) struct Load {
    pub(crate) api: Api,
    fleet: Fleet,
    pub(crate) registers: Record<Register>,
    pub(crate) domains: Record<Unique>,
    pub(crate) quotas: Record<Capped>,
    pub(crate) tokens: Record<Capped>,
    plan: String,
    owners: Vec<String>,
    next: AtomicU64,
    pub(crate) counted: Counted,
    /// Some writes that were acknowledged, to be asked for again in the end.
    acknowledged: Mutex<Vec<(Request, Answer)>>,
    /// The accounts that were acknowledged, with their tenants.
    bought: Mutex<Vec<(String, String)>>,
    /// What no client should ever have seen.
    faults: Mutex<BTreeSet<String>>,
}

/// What became of requests.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) repeated: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Load {
    /// Makes what the clients need; the fleet is whole.
    pub(crate) async fn prepare(fleet: Fleet) -> Result<Self> {
        let (api, begun) = (Api::of(&fleet)?, Instant::now());
        let mut load = Self {
            api,
            fleet,
            registers: Record::new("register", begun),
            domains: Record::new("domain", begun),
            quotas: Record::new("quota", begun),
            tokens: Record::new("token", begun),
            plan: String::new(),
            owners: Vec::new(),
            next: AtomicU64::new(1),
            counted: Counted::default(),
            acknowledged: Mutex::default(),
            bought: Mutex::default(),
            faults: Mutex::default(),
        };
        let plan = json!({"name": "small", "disk_mb": 1, "php_version": "8.2"});
        load.plan = load.must("plans", plan).await?.id().to_owned();
        Ok(load)
    }

    /// Makes the accounts that claim domains, once there is a node.
    pub(crate) async fn prepare_owners(&mut self) -> Result<()> {
        let tenant = self.must("tenants", json!({"name": "owners"})).await?;
        for number in 0..OWNERS {
            let body =
                json!({"tenant_id": tenant.id(), "plan_id": self.plan, "username": format!("owner{number}")});
            let owner = self.must("accounts", body).await?;
            self.owners.push(owner.id().to_owned());
        }
        Ok(())
    }

    /// Has something made, as soon as it can be.
    pub(crate) async fn must(&self, path: &str, body: Value) -> Result<Answer> {
        let request = Request::write(Method::POST, format!("/v1/{path}"), body);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.write(&mut fastrand::Rng::new(), &request).await;
            match answer {
                Some(answer) if answer.is_success() => return Ok(answer),
                // The node may not be where the leader is yet.
                other if Instant::now() > deadline => bail!("{path}: {other:?}"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// A number that nobody else has.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn bought(&self, tenant: &str, account: &str) {
        let bought = (tenant.to_owned(), account.to_owned());
        self.bought.lock().unwrap_or_else(PoisonError::into_inner).push(bought);
    }

    fn all_bought(&self) -> Vec<(String, String)> {
        self.bought.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something that no client should see.
    pub(crate) fn fault(&self, what: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    async fn read(&self, chance: &mut fastrand::Rng, path: &str) -> Option<Answer> {
        self.api.ask(chance.usize(..self.api.controllers()), &Request::get(path)).await
    }

    /// Has a write done, asked for again under its key at another controller if its answer was lost, or not. None: nobody knows.
    async fn write(&self, chance: &mut fastrand::Rng, request: &Request) -> Option<Answer> {
        let first = chance.usize(..self.api.controllers());
        let tries = chance.usize(1..=4);
        for at in first..first + tries {
            if let Some(answer) = self.api.ask(at, request).await {
                if answer.is_success() {
                    self.acknowledge(chance, request, &answer);
                    if chance.u8(0..10) == 0 {
                        self.repeat(at + 1, request, &answer).await;
                    }
                }
                return Some(answer);
            }
            count(&self.counted.lost);
        }
        None
    }

    fn acknowledge(&self, chance: &mut fastrand::Rng, request: &Request, answer: &Answer) {
        count(&self.counted.acknowledged);
        let mut kept = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < 200 {
            kept.push((request.clone(), answer.clone()));
        } else if chance.u8(0..10) == 0 {
            let at = chance.usize(..kept.len());
            kept[at] = (request.clone(), answer.clone());
        }
    }

    /// Asks again for what was done, under its key: the answer is the same, and nothing is done.
    async fn repeat(&self, controller: usize, request: &Request, first: &Answer) {
        let Some(again) = self.api.ask(controller, request).await else { return };
        count(&self.counted.repeated);
        if (again.status, again.id()) != (first.status, first.id()) {
            let (path, key) = (&request.path, &request.idempotency_key);
            self.fault(format!(
                "{path} under the key {key:?} was answered {first:?}, and asked again {again:?}"
            ));
        }
    }

    /// Asks again, everywhere, for some of what was acknowledged.
    pub(crate) async fn repeat_all(&self) {
        let kept = std::mem::take(&mut *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        for (at, (request, answer)) in kept.iter().enumerate() {
            self.repeat(at, request, answer).await;
        }
    }

    /// An answer that the client has no use for. Whether anything was done is then unknown.
    fn surprising(&self, asked: &str, answer: &Answer) {
        // The played node is now and then not where the leader is.
        if answer.code() != "no_node" {
            self.fault(format!("{asked} was answered with {} {}", answer.status, answer.body));
        }
    }
}

/// What the clients of a kind contend for now; another one after so many calls.
struct Current<T>(tokio::sync::Mutex<Option<(T, u32)>>);

impl<T: Clone> Current<T> {
    /// None if no new one could be made now.
    async fn get(&self, calls: u32, make: impl Future<Output = Option<T>>) -> Option<T> {
        let mut current = self.0.lock().await;
        if current.as_ref().is_none_or(|(_, left)| *left == 0) {
            *current = Some((make.await?, calls));
        }
        current.as_mut().map(|(object, left)| {
            *left -= 1;
            object.clone()
        })
    }
}

/// One of the callers, and what it draws its decisions from.
struct Client {
    load: Arc<Load>,
    number: usize,
    chance: fastrand::Rng,
}

type Stop = watch::Receiver<bool>;

struct Clients {
    running: JoinSet<()>,
    load: Arc<Load>,
    seed: u64,
    stop: Stop,
    number: usize,
}

impl Clients {
    /// So many who contend for the same.
    fn add<T, F>(&mut self, how_many: usize, act: impl Fn(Client, Arc<Current<T>>, Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let current = Arc::new(Current(tokio::sync::Mutex::new(None)));
        for _ in 0..how_many {
            self.number += 1;
            let chance = fastrand::Rng::with_seed(self.seed.wrapping_add(self.number as u64));
            let client = Client { load: Arc::clone(&self.load), number: self.number, chance };
            self.running.spawn(act(client, Arc::clone(&current), self.stop.clone()));
        }
    }
}

/// Runs all clients until `stop` is true.
pub(crate) async fn run(load: &Arc<Load>, seed: u64, stop: Stop) {
    let mut clients = Clients { running: JoinSet::new(), load: Arc::clone(load), seed, stop, number: 0 };
    clients.add(WRITERS, registers::run);
    clients.add(CLAIMANTS, names::run);
    clients.add(BUYERS, quotas::run);
    clients.add(MACHINES, tokens::run);
    while clients.running.join_next().await.is_some() {}
}

/// Looks at everything once more: what is there in the end is part of every history, so nothing acknowledged is missing.
pub(crate) async fn look_at_all(load: &Arc<Load>) {
    let mut client = Client { load: Arc::clone(load), number: 0, chance: fastrand::Rng::with_seed(0) };
    registers::look_at_all(&mut client).await;
    names::look_at_all(&mut client).await;
    quotas::look_at_all(&mut client).await;
}
