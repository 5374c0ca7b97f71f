//! Asking another controller for the cluster's keys.

use npanel_model::ControllerId;
use npanel_proto::controller::JoinRequest;

use crate::{cluster::Cluster, lines::client};

/// How long another controller may take to hand the keys over.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The keys were not handed over.
#[derive(Debug, Clone, thiserror::Error)]
#[error("controller {from} did not hand the cluster's keys over: {why}")]
pub struct KeysNotGiven {
    from: ControllerId,
    why: String,
}

impl Cluster {
    /// What a controller gets when it joins, sealed to this X25519 public key: from the controller at this address, which
    /// gives it to controllers that belong to the cluster only.
    ///
    /// # Errors
    /// If it does not.
    pub async fn keys_from(
        &self,
        from: ControllerId,
        address: &str,
        sealing_key: &[u8],
    ) -> Result<Vec<u8>, KeysNotGiven> {
        let not_given = |why: String| KeysNotGiven { from, why };
        let request = JoinRequest { sealing_key: sealing_key.to_vec() };
        let mut remote = client(self.channel(from, address));
        match tokio::time::timeout(PATIENCE, remote.join(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().sealed_keys),
            Ok(Err(status)) => Err(not_given(status.message().to_owned())),
            Err(_) => Err(not_given(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}
