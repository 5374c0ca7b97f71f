//! Which feature level the cluster is at, and how it comes to the next: the leader asks every controller how far it can go, and
//! raises the level once all of them can. A controller that does not answer may come back as what it was, so it is waited for
//! until it is removed. Nothing is proposed that is above the level.

use std::{ops::Deref, time::Duration};

use npanel_model::ControllerId;
use npanel_proto::{
    command::{Envelope, RaiseFeatureLevel, Refused, envelope::Command},
    controller::FeatureLevelRequest,
    levels,
};
use npanel_state::{OLDEST_FEATURE_LEVEL, too_low};
use tokio::{sync::watch, time::timeout};
use tonic::Code;

use crate::{
    Cluster,
    belonging::Belonging,
    config::Dial,
    duty::{Error, Means, Turns},
    leadership::Leadership,
    lines::client,
    reading,
    writing::write_own,
};

/// How often the others are asked while the level could be higher.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long another controller may take to say how far it can go.
const REACH: Duration = Duration::from_secs(2);

/// How far another controller can go; `None` if it does not answer as that controller.
pub(crate) async fn asked(
    dial: &dyn Dial,
    belonging: &Belonging,
    id: ControllerId,
    address: &str,
) -> Option<u32> {
    let mut remote = client(dial.channel(id, address));
    match timeout(REACH, remote.feature_level(FeatureLevelRequest {})).await.ok()? {
        Ok(answer) => Some(answer.into_inner().max_feature_level.max(OLDEST_FEATURE_LEVEL)),
        // It is of a version that did not know of levels.
        Err(status) if status.code() == Code::Unimplemented => Some(OLDEST_FEATURE_LEVEL),
        Err(status) => {
            belonging.note(&status);
            None
        }
    }
}

/// Raises the level.
pub(crate) struct Raising(pub(crate) Means);

impl Deref for Raising {
    type Target = Means;
    fn deref(&self) -> &Means {
        &self.0
    }
}

impl Raising {
    /// Runs as long as the process; acts while this controller leads and could go further than the cluster.
    pub(crate) async fn run(self, leadership: watch::Receiver<Leadership>) {
        let mut turns = Turns::every(INTERVAL, leadership);
        while turns.next().await {
            if let Err(error) = self.step().await {
                tracing::debug!(%error, "the feature level could not be raised; trying again");
            }
        }
    }

    fn leads(&self) -> bool {
        let metrics = self.raft.metrics();
        let now = metrics.borrow();
        now.current_leader == Some(now.id)
    }

    fn active(&self) -> Option<u32> {
        *self.store.feature_level().borrow()
    }

    async fn step(&self) -> Result<(), Error> {
        let most = self.store.max_feature_level();
        if !self.leads() || self.active().is_none_or(|active| active >= most) {
            return Ok(());
        }
        // A new leader's state may be behind its own log: whoever enrolled last must be asked, too.
        if !reading::is_caught_up(&self.raft, &self.applying).await {
            return Ok(());
        }
        let limit = self.store.reader().cluster().await?.and_then(|cluster| cluster.feature_level_limit);
        let wanted = limit.map_or(most, |limit| most.min(limit));
        if self.active().is_none_or(|active| active >= wanted) {
            return Ok(());
        }
        match self.lowest(wanted).await? {
            Some(level) if self.active().is_some_and(|active| level > active) => self.raise(level).await,
            _ => Ok(()),
        }
    }

    /// As far as every controller can go, `wanted` at most; `None` if one does not answer.
    async fn lowest(&self, wanted: u32) -> Result<Option<u32>, Error> {
        let own = self.raft.metrics().borrow().id;
        let controllers = self.store.reader().controllers().await?;
        let others = controllers.iter().filter(|controller| controller.id.0 != own);
        let asked = others.map(|one| asked(self.dial.as_ref(), &self.belonging, one.id, &one.fleet_address));
        let answers = futures::future::join_all(asked).await;
        Ok(answers.into_iter().try_fold(wanted, |lowest, answer| Some(lowest.min(answer?))))
    }

    async fn raise(&self, level: u32) -> Result<(), Error> {
        // Of the level that it brings: whoever does not go so far stops before it.
        let command = Command::RaiseFeatureLevel(RaiseFeatureLevel { level });
        if write_own(&self.raft, &self.clock, level, command).await? {
            tracing::info!(level, "every controller can: the feature level is raised");
        }
        // Else this replica has stopped, and another leader raises it.
        Ok(())
    }
}

impl Cluster {
    /// How far the controller at this address can go; `None` if it does not answer this one, by its identity, within two
    /// seconds.
    pub async fn max_feature_level_of(&self, controller: ControllerId, address: &str) -> Option<u32> {
        asked(self.dial(), self.belonging(), controller, address).await
    }

    /// The level that commands are of now. Before there is a cluster, its first controller decides.
    pub(crate) fn level(&self) -> u32 {
        self.feature_level().unwrap_or_else(|| self.max_feature_level())
    }

    /// Refuses what is above the cluster's level, and notes what level it takes: a leader of an older version does not decide
    /// what it does not know.
    pub(crate) async fn require_level(&self, envelope: &mut Envelope) -> Result<(), Refused> {
        let needed = levels::needed(envelope);
        envelope.feature_level = needed;
        if needed <= self.level() {
            return Ok(());
        }
        // It may have been raised a moment ago, and not here yet.
        if self.linearize().await.is_ok() && needed <= self.level() {
            return Ok(());
        }
        Err(too_low(needed, self.level()).into())
    }

    /// Whether a follower of a newer version asks: what this one does not know of its command was left out when it was received.
    pub(crate) fn is_newer(&self, envelope: &Envelope) -> bool {
        let is_newer = envelope.command.is_none() || envelope.feature_level > self.max_feature_level();
        if is_newer {
            tracing::error!(
                level = envelope.feature_level,
                most = self.max_feature_level(),
                "a controller of a newer version asks for what this one does not know: upgrade it"
            );
        }
        is_newer
    }
}
