//! How long a new controller needs until it votes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use npanel_fleet::until;
use npanel_sdk_types::ControllerRole;

use super::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(600);

/// Replaces one that does not lead by a new one on its machine, which gets everything by snapshot.
pub(super) fn run(cluster: &Cluster) -> Result<Duration> {
    let leader = cluster.leader()?;
    let names = cluster.names();
    let gone = names.iter().find(|name| **name != leader).context("nobody follows")?;
    let id =
        cluster.status()?.controllers.into_iter().find(|one| one.name == *gone).context("it is unknown")?.id;
    cluster.fleet.kill(gone)?;
    cluster.block_on(cluster.client.remove_controller(id))?;
    until("the removal", PATIENCE, || {
        Ok((!cluster.status()?.controllers.iter().any(|one| one.id == id)).then_some(()))
    })?;
    let joined = Instant::now();
    cluster.fleet.join_anew(gone, &leader)?;
    until("the new controller to vote", PATIENCE, || {
        let status = cluster.status()?;
        let votes = |one: &npanel_sdk_types::Controller| {
            one.name == *gone && matches!(one.role, ControllerRole::Voter | ControllerRole::Leader)
        };
        Ok(status.controllers.iter().any(votes).then_some(()))
    })?;
    Ok(joined.elapsed())
}
