//! The cluster's keys, for a controller that joins.

use npanel_consensus::JoinKeys;
use npanel_model::ControllerId;
use npanel_pki::{ClusterId, Identity, SpiffeId};

use super::Shared;
use crate::authorities::Authorities;

/// Seals the cluster's secrets to joining controllers.
pub(super) struct Keys {
    cluster: ClusterId,
    authorities: Authorities,
}

impl Keys {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { cluster: shared.cluster_id, authorities: shared.authorities.clone() }
    }
}

impl JoinKeys for Keys {
    fn seal_for(&self, joiner: ControllerId, sealing_key: &[u8]) -> Option<Vec<u8>> {
        let joiner = SpiffeId { cluster: self.cluster, identity: Identity::Controller(joiner) };
        tracing::info!(%joiner, "a controller takes the cluster's keys over");
        self.authorities.secrets().seal_to(sealing_key, joiner).ok()
    }
}
