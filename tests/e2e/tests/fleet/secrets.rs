//! The keys that secrets are sealed by are changed on a fleet at work.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{ClusterKeyState, RotateSecrets, SecretsStatus};

const LIMIT: Duration = Duration::from_secs(120);

fn status(world: &World) -> Result<SecretsStatus> {
    Ok(world.block_on(world.client.secrets())?)
}

fn is_finished(status: &SecretsStatus) -> bool {
    status.rotation.as_ref().is_some_and(|rotation| rotation.finished_at.is_some())
}

pub(crate) fn keys_are_changed_while_a_controller_is_away_and_the_leader_dies(world: &World) -> Result<()> {
    let site = world.host("sealed", "sealed.example")?;
    world.database(&site, "before")?;
    let before = status(world)?.cluster_keys[0].version;

    let leader = world.leader()?;
    let away = ["c1", "c2", "c3"].into_iter().find(|name| *name != leader).context("a follower")?;
    world.fleet.kill(away)?;
    let body = RotateSecrets::default();
    world.block_on(world.client.rotate_secrets(&body, Wait::No))?;
    until("the new key to count with a majority", LIMIT, || {
        let now = status(world)?;
        Ok((now.cluster_keys[0].state == ClusterKeyState::Current && now.cluster_keys[0].version > before)
            .then_some(()))
    })?;
    let waiting = status(world)?;
    ensure!(waiting.cluster_keys[0].missing_on == [away], "{waiting:?}");
    ensure!(waiting.cluster_keys[1].state == ClusterKeyState::Former, "{waiting:?}");
    ensure!(!is_finished(&waiting), "{waiting:?}");

    // With one away, this needs the one that was away, which has not the new key and must get it from the last.
    world.fleet.start(away)?;
    world.fleet.kill(&leader)?;
    until("the next leader to have everything sealed anew", LIMIT, || {
        let Ok(now) = status(world) else { return Ok(None) };
        let data_keys = now.data_keys.sealed_by_former == 0;
        Ok((now.cluster_keys[0].missing_on.is_empty() && data_keys).then_some(()))
    })?;
    world.fleet.start(&leader)?;
    until("the rotation to end", LIMIT, || Ok(status(world).is_ok_and(|now| is_finished(&now)).then_some(())))?;
    let done = status(world)?;
    ensure!(done.cluster_keys[1].state == ClusterKeyState::Destroyed, "{done:?}");
    ensure!(done.data_keys.former == 0, "{done:?}");

    // What the new keys open is what it was, also after a restart of all.
    for member in ["c1", "c2", "c3"] {
        world.fleet.restart(member)?;
    }
    until("the fleet to be whole", LIMIT, || Ok(world.fleet.is_ready()?.then_some(())))?;
    world.database(&site, "after").map(drop)
}
