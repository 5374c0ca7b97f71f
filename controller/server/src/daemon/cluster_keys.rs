//! Keeps this controller's cluster keys those of the state: makes the new one when this controller leads, takes over what it
//! lacks from the others, says what it has, and destroys what is over.
//!
//! A key is on disk here before the state hears that this controller has it, and is dropped only if the state says that it is
//! over: a state that is behind says nothing of a key, which is then kept.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Context;
use npanel_consensus::Cluster;
use npanel_model::{ControllerId, Timestamp};
use npanel_pki::{ClusterKey, ClusterKeys, JoinKey, KeyName, SpiffeId};
use npanel_proto::command::{HoldClusterKey, OfferClusterKey, envelope::Command};
use npanel_state::{ClusterKeyRow, ClusterKeyState};

use super::keeper::Keeper;

/// How long digests of requests by a key that is over are known: as long as answers are kept, and what clocks may differ.
const DIGESTS_KEPT: Duration = Duration::from_secs(25 * 3600);

/// A key that was offered by a controller that has been lost since: after so long without it, the leader makes another.
const LOST: Duration = Duration::from_secs(15);

/// Before other controllers are asked again for a key.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// When others were last asked.
    asked: Option<Instant>,
    /// The offered key that nobody had, and since when that is so.
    lacking: Option<(Vec<u8>, Instant)>,
}

fn name(row: &ClusterKeyRow) -> anyhow::Result<Option<KeyName>> {
    if row.name.is_empty() { Ok(None) } else { Ok(Some(KeyName::from_bytes(&row.name)?)) }
}

impl Keeper {
    /// One look.
    pub(super) async fn follow_cluster_keys(
        &self,
        cluster: &Cluster,
        asking: &Mutex<Asking>,
    ) -> anyhow::Result<()> {
        let rows = cluster.state().cluster_keys().await?;
        self.put_in_order(cluster, &rows).await?;
        let has_leader = cluster.status().leader.is_some();
        for row in rows.iter().filter(|row| row.state != ClusterKeyState::Destroyed) {
            if !self.authorities.secrets().cluster_keys().has(name(row)?) {
                self.take_over(cluster, asking).await?;
            }
            let is_here = self.authorities.secrets().cluster_keys().has(name(row)?);
            let is_said = row.name.is_empty() || row.holders.contains(&cluster.id());
            let counts = matches!(row.state, ClusterKeyState::Offered | ClusterKeyState::Current);
            if is_here && !is_said && counts && has_leader {
                let command = HoldClusterKey { name: row.name.clone() };
                self.propose(cluster, Command::HoldClusterKey(command)).await?;
            }
        }
        if cluster.leadership().borrow().is_leader() && cluster.state().wants_cluster_key().await? {
            let offered = rows.iter().find(|row| row.state == ClusterKeyState::Offered);
            if self.is_to_offer(offered, asking)? {
                self.offer(cluster).await?;
            }
        }
        Ok(())
    }

    /// The current key first, and none that is over.
    async fn put_in_order(&self, cluster: &Cluster, rows: &[ClusterKeyRow]) -> anyhow::Result<()> {
        let mut keys = self.authorities.secrets().cluster_keys();
        if let Some(current) = rows.iter().find(|row| row.state == ClusterKeyState::Current) {
            keys.make_current(name(current)?);
        }
        for (ended, at) in cluster.state().ended_cluster_keys().await? {
            let ended = if ended.is_empty() { None } else { Some(KeyName::from_bytes(&ended)?) };
            keys.drop_key(ended, at.plus(DIGESTS_KEPT));
        }
        keys.forget_digests(Timestamp::now());
        self.keep(keys)
    }

    /// Has these on disk, then in use.
    fn keep(&self, keys: ClusterKeys) -> anyhow::Result<()> {
        let now = self.authorities.secrets();
        let next = now.clone().with_cluster_keys(keys);
        if next != now {
            self.files.save_secrets(&next)?;
            self.authorities.replace(next)?;
            tracing::info!("the cluster keys have changed");
        }
        Ok(())
    }

    /// Asks the others, the leader first, until one has a key that is not here.
    async fn take_over(&self, cluster: &Cluster, asking: &Mutex<Asking>) -> anyhow::Result<()> {
        {
            let mut asking = asking.lock().expect("nothing panics while it is held");
            if asking.asked.is_some_and(|at| at.elapsed() < ASK_AGAIN) {
                return Ok(());
            }
            asking.asked = Some(Instant::now());
        }
        let status = cluster.status();
        let mut others: Vec<_> = status.peers.iter().filter(|peer| peer.id != status.id).collect();
        others.sort_by_key(|peer| Some(peer.id) != status.leader);
        for other in others {
            match self.keys_of(cluster, other.id, &other.address).await {
                Ok(theirs) => {
                    let own = self.authorities.secrets().cluster_keys();
                    let mut keys = own.clone();
                    theirs.all().for_each(|key| keys.add(key.clone()));
                    keys.add_digests(&theirs);
                    if keys != own {
                        tracing::info!(from = %other.id, "a cluster key was taken over");
                        return self.keep(keys);
                    }
                }
                Err(error) => {
                    tracing::info!(error = format!("{error:#}"), "a cluster key could not be taken over");
                }
            }
        }
        Ok(())
    }

    async fn keys_of(
        &self,
        cluster: &Cluster,
        other: ControllerId,
        address: &str,
    ) -> anyhow::Result<ClusterKeys> {
        let sealing = JoinKey::generate()?;
        let sealed = cluster.keys_from(other, address, sealing.public()).await?;
        let own: SpiffeId = self.fleet.current().id();
        let secrets = sealing.open(own, &sealed).context("the cluster's keys cannot be opened")?;
        Ok(secrets.cluster_keys())
    }

    /// Whether a key is to be made: none is offered, or nobody within reach has had the one that is for long.
    fn is_to_offer(&self, offered: Option<&ClusterKeyRow>, asking: &Mutex<Asking>) -> anyhow::Result<bool> {
        let Some(offered) = offered else { return Ok(true) };
        let mut asking = asking.lock().expect("nothing panics while it is held");
        if self.authorities.secrets().cluster_keys().has(name(offered)?) {
            asking.lacking = None;
            return Ok(false);
        }
        match &asking.lacking {
            Some((lacking, since)) if *lacking == offered.name => Ok(since.elapsed() >= LOST),
            _ => {
                asking.lacking = Some((offered.name.clone(), Instant::now()));
                Ok(false)
            }
        }
    }

    /// Makes a key. Nothing is sealed by it before a majority has it on disk, so it is no loss if this ends in the middle.
    async fn offer(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let key = ClusterKey::successor();
        let command = OfferClusterKey { name: key.name_bytes() };
        self.propose(cluster, Command::OfferClusterKey(command)).await?;
        let mut keys = self.authorities.secrets().cluster_keys();
        keys.add(key);
        self.keep(keys)
    }
}
