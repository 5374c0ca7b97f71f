//! Webhooks are told what changes, by the leader: each its own events, one after the other, until it says that it has them.
//!
//! What is told is read from the change feed, so it has been agreed on. How far each was told is written down every second,
//! many together: a new leader goes on from there, and tells what came in between again. Whatever keeps one webhook from
//! being told holds up no other, unless 256 hang at once.

mod hook;
mod message;
mod telling;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use npanel_cloud::Courier;
use npanel_consensus::{Cluster, ProposeError};
use npanel_model::{TenantId, Timestamp, WebhookId};
use npanel_pki::LiveClusterKeys;
use npanel_proto::command::{Delivery, RecordDeliveries, envelope::Command, outcome::Outcome};
use npanel_state::QueryError;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};

use self::{
    hook::{Hook, Written},
    telling::{Telling, Told},
};
use crate::recorder::own_envelope;

/// Messages on their way at one time.
const AT_ONCE: usize = 256;
/// Between two looks at what changed: what comes in a burst is looked at together.
const PAUSE: Duration = Duration::from_millis(200);
/// So often it is looked for those that are to be tried again.
const LOOK: Duration = Duration::from_secs(1);
/// So often it is written down how far they were told that were told something, or could not be.
const WRITE: Duration = Duration::from_secs(1);
/// So often that of those whom nothing concerned, so that what is kept of the feed reaches back to it.
const WRITE_IDLE: Duration = Duration::from_secs(300);
/// Webhooks in one command.
const WRITTEN_TOGETHER: usize = 250;
/// Rows of the feed that are looked through at once.
const ROWS: u32 = 1000;

#[derive(Debug, thiserror::Error)]
enum Stumbled {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("the state refuses it: {0}")]
    Refused(String),
}

/// Runs until it is dropped.
pub(crate) async fn run(cluster: Cluster, keys: LiveClusterKeys, courier: Courier) {
    let cluster_index = cluster.state().applied_index();
    let mut calls = Calls {
        telling: Telling { cluster, keys, courier, room: Arc::new(Semaphore::new(AT_ONCE)) },
        hooks: HashMap::new(),
        running: JoinSet::new(),
        // All of them are looked at first, whatever was before.
        seen: cluster_index,
        written: Instant::now(),
        written_idle: Instant::now(),
    };
    let mut applied = calls.telling.cluster.applied();
    loop {
        applied.borrow_and_update();
        if let Err(error) = calls.once().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "webhooks could not be looked after; trying again"
            );
        }
        tokio::time::sleep(PAUSE).await;
        let changed = async {
            tokio::select! {
                changed = applied.changed() => changed.is_ok(),
                Some(told) = calls.running.join_next() => {
                    calls.heard(told.ok());
                    true
                }
            }
        };
        if let Ok(false) = timeout(LOOK, changed).await {
            return;
        }
    }
}

struct Calls {
    telling: Telling,
    hooks: HashMap<WebhookId, Hook>,
    running: JoinSet<Told>,
    /// Up to here it was looked whom the feed concerns.
    seen: u64,
    written: Instant,
    written_idle: Instant,
}

impl Calls {
    async fn once(&mut self) -> Result<(), Stumbled> {
        while let Some(told) = self.running.try_join_next() {
            self.heard(told.ok());
        }
        let now = self.telling.cluster.time().await;
        self.load().await?;
        self.look().await?;
        self.begin(now);
        self.write().await
    }

    /// Takes up the webhooks that there are, and lets go of those that there are no more.
    async fn load(&mut self) -> Result<(), Stumbled> {
        let found = self.telling.cluster.state().webhooks_to_call().await?;
        let ids: HashSet<WebhookId> = found.iter().map(|webhook| webhook.id).collect();
        self.hooks.retain(|id, _| ids.contains(id));
        for webhook in found {
            match self.hooks.get_mut(&webhook.id) {
                Some(hook) => hook.follow(webhook),
                None => {
                    self.hooks.insert(webhook.id, Hook::new(webhook));
                }
            }
        }
        Ok(())
    }

    /// Finds out whom what is new in the feed concerns. The others have been told all of it.
    async fn look(&mut self) -> Result<(), Stumbled> {
        if self.hooks.is_empty() {
            self.seen = self.telling.cluster.state().applied_index();
            return Ok(());
        }
        loop {
            let part = self.telling.cluster.state().feed(None, self.seen, ROWS).await?;
            let Ok(part) = part else {
                // It is not known whom what has gone concerned.
                self.hooks.values_mut().for_each(Hook::concern);
                self.seen = part.err().map_or(self.seen, |gone| gone.gone_index);
                continue;
            };
            let tenants: HashSet<TenantId> = part.events.iter().map(|event| event.tenant_id).collect();
            let concerned = self.telling.cluster.state().tenants_above(tenants.into_iter().collect()).await?;
            for hook in self.hooks.values_mut() {
                if concerned.contains(&hook.tenant()) {
                    hook.concern();
                } else {
                    hook.pass(part.reaches);
                }
            }
            self.seen = part.reaches;
            if !part.has_more {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, now: Timestamp) {
        for hook in self.hooks.values_mut() {
            if let Some(task) = hook.begin(now) {
                self.running.spawn(self.telling.clone().tell(task));
            }
        }
    }

    /// A panic leaves its webhook at work for ever; it is told by the next leader.
    fn heard(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        if let Some(hook) = self.hooks.get_mut(&told.webhook) {
            hook.heard(told);
        }
    }

    /// Writes down how far they were told. What could not be written is tried again.
    async fn write(&mut self) -> Result<(), Stumbled> {
        let is_idle_due = self.written_idle.elapsed() >= WRITE_IDLE;
        if self.written.elapsed() < WRITE {
            return Ok(());
        }
        let due: Vec<WebhookId> =
            self.hooks.iter().filter(|(_, hook)| hook.is_due(is_idle_due)).map(|(id, _)| *id).collect();
        for ids in due.chunks(WRITTEN_TOGETHER) {
            let written: Vec<(Delivery, Written)> =
                ids.iter().filter_map(|id| self.hooks.get(id)).map(Hook::delivery).collect();
            let (deliveries, written): (Vec<Delivery>, Vec<Written>) = written.into_iter().unzip();
            self.propose(RecordDeliveries { deliveries }).await?;
            for (id, written) in ids.iter().zip(written) {
                if let Some(hook) = self.hooks.get_mut(id) {
                    hook.written(written);
                }
            }
        }
        self.written = Instant::now();
        if is_idle_due {
            self.written_idle = Instant::now();
        }
        Ok(())
    }

    async fn propose(&self, body: RecordDeliveries) -> Result<(), Stumbled> {
        let cluster = &self.telling.cluster;
        let envelope = own_envelope(cluster.id(), Command::RecordDeliveries(body));
        match cluster.propose(envelope).await?.outcome {
            Some(Outcome::Refused(refused)) => Err(Stumbled::Refused(refused.message)),
            Some(Outcome::Accepted(_)) | None => Ok(()),
        }
    }
}
