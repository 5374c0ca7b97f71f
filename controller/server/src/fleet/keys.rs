//! The cluster's keys, for a controller that joins.

use npanel_consensus::JoinKeys;
use npanel_model::ControllerId;
use npanel_pki::{ClusterId, ClusterSecrets, Identity, SpiffeId};

use super::Shared;

/// Seals the cluster's secrets to joining controllers.
pub(super) struct Keys {
    cluster: ClusterId,
    secrets: ClusterSecrets,
}

impl Keys {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { cluster: shared.authority.cluster(), secrets: shared.secrets.clone() }
    }
}

impl JoinKeys for Keys {
    fn seal_for(&self, joiner: ControllerId, sealing_key: &[u8]) -> Option<Vec<u8>> {
        let joiner = SpiffeId { cluster: self.cluster, identity: Identity::Controller(joiner) };
        tracing::info!(%joiner, "a controller takes the cluster's keys over");
        self.secrets.seal_to(sealing_key, joiner).ok()
    }
}
