//! How controllers are, as each of them says itself: for whoever looks at all of them when something is wrong. So it needs no
//! leader, and who does not answer holds nobody up.

use std::{collections::BTreeMap, time::Duration};

use npanel_model::ControllerId;
use npanel_proto::controller::{FeatureLevelRequest, HealthRequest, HealthResponse, ReplicatedTo};
use npanel_state::{OLDEST_FEATURE_LEVEL, space, space::Space};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::{Cluster, lines::client};

/// How long a controller may take to answer. One that lives does so in milliseconds, its handshake included.
const PATIENCE: Duration = Duration::from_secs(1);

/// A controller at the moment when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The term that it is in.
    pub term: u64,
    /// The leader that it hears.
    pub leader: Option<ControllerId>,
    /// The end of its log.
    pub last_log_index: u64,
    /// How far its state is.
    pub applied_index: u64,
    /// Of the file system that its data directory is on; `None` if that cannot be asked.
    pub disk: Option<Space>,
    /// Its version, for people.
    pub version: String,
    /// The feature level that it goes up to.
    pub max_feature_level: u32,
    /// On the leader: the last entry that it knows each member to have.
    pub replicated: BTreeMap<ControllerId, u64>,
}

/// What came of asking a controller how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It has answered.
    Told(Health),
    /// It has answered, and is of a version that says no more than the feature level that it goes up to.
    Terse {
        /// That level.
        max_feature_level: u32,
    },
    /// It has not answered in time as that controller.
    Unreached,
}

impl Asked {
    /// What it has said of itself.
    pub fn health(&self) -> Option<&Health> {
        match self {
            Self::Told(health) => Some(health),
            Self::Terse { .. } | Self::Unreached => None,
        }
    }

    /// The feature level that it goes up to, if it answers.
    pub fn max_feature_level(&self) -> Option<u32> {
        match self {
            Self::Told(health) => Some(health.max_feature_level),
            Self::Terse { max_feature_level } => Some(*max_feature_level),
            Self::Unreached => None,
        }
    }
}

impl Cluster {
    /// How this controller is.
    pub fn health(&self) -> Health {
        let now = self.status();
        let replicated = now.peers.iter().filter_map(|peer| Some((peer.id, peer.matched_index?))).collect();
        Health {
            term: now.term,
            leader: now.leader,
            last_log_index: now.last_log_index,
            applied_index: now.applied_index,
            disk: space::of(self.receiving().shelf().directory()).ok(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            max_feature_level: self.max_feature_level(),
            replicated,
        }
    }

    /// Asks the controller at this address, by its identity, how it is. Takes a second at most.
    pub async fn ask_health(&self, controller: ControllerId, address: &str) -> Asked {
        if controller == self.id() {
            return Asked::Told(self.health());
        }
        let answer = timeout(PATIENCE, self.ask_remote(controller, address)).await;
        answer.unwrap_or(Ok(Asked::Unreached)).unwrap_or_else(|status| {
            self.belonging().note(&status);
            Asked::Unreached
        })
    }

    async fn ask_remote(&self, controller: ControllerId, address: &str) -> Result<Asked, Status> {
        let mut remote = client(self.channel(controller, address));
        match remote.health(HealthRequest {}).await {
            Ok(answer) => Ok(Asked::Told(answer.into_inner().into())),
            Err(status) if status.code() == Code::Unimplemented => {
                let answer = remote.feature_level(FeatureLevelRequest {}).await;
                let level = match answer {
                    Ok(answer) => answer.into_inner().max_feature_level,
                    // It is of a version that did not know of levels.
                    Err(status) if status.code() == Code::Unimplemented => OLDEST_FEATURE_LEVEL,
                    Err(status) => return Err(status),
                };
                Ok(Asked::Terse { max_feature_level: level.max(OLDEST_FEATURE_LEVEL) })
            }
            Err(status) => Err(status),
        }
    }
}

impl From<HealthResponse> for Health {
    fn from(answer: HealthResponse) -> Self {
        let disk = Space { total: answer.disk_total_bytes, free: answer.disk_free_bytes };
        let replicated = answer.replicated.iter().map(|one| (ControllerId(one.controller_id), one.index));
        Self {
            term: answer.term,
            leader: (answer.leader_id > 0).then_some(ControllerId(answer.leader_id)),
            last_log_index: answer.last_log_index,
            applied_index: answer.applied_index,
            disk: (disk.total > 0).then_some(disk),
            version: answer.version,
            max_feature_level: answer.max_feature_level.max(OLDEST_FEATURE_LEVEL),
            replicated: replicated.collect(),
        }
    }
}

impl From<Health> for HealthResponse {
    fn from(health: Health) -> Self {
        let disk = health.disk.unwrap_or(Space { total: 0, free: 0 });
        let replicated = health.replicated.iter();
        Self {
            term: health.term,
            leader_id: health.leader.map_or(0, |leader| leader.0),
            last_log_index: health.last_log_index,
            applied_index: health.applied_index,
            disk_total_bytes: disk.total,
            disk_free_bytes: disk.free,
            version: health.version,
            max_feature_level: health.max_feature_level,
            replicated: replicated
                .map(|(id, index)| ReplicatedTo { controller_id: id.0, index: *index })
                .collect(),
        }
    }
}
