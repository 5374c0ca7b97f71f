//! The certificate authority is rotated on a fleet at work, and nobody has to do anything.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{CreateToken, RetireCa, Token};

use crate::enrolment::{enroll, refused};

const LIMIT: Duration = Duration::from_secs(90);

fn token(world: &World) -> Result<String> {
    let (name, networks) = (None, Vec::new());
    let body = CreateToken { role: "node".parse()?, uses: 100, ttl_seconds: 600, pool: None, name, networks };
    let made = world.block_on(world.client.create::<Token>(&body, Wait::No))?.object;
    Ok(made.token.context("no token in the answer")?.expose().to_owned())
}

pub(crate) fn every_machine_moves_to_a_new_authority_and_the_old_one_goes(world: &World) -> Result<()> {
    let before = world.block_on(world.client.ca())?;
    ensure!(before.authorities.len() == 1, "one to begin with: {before:?}");
    let old_token = token(world)?;

    let rotated = world.block_on(world.client.rotate_ca())?;
    ensure!(rotated.authorities.len() == 2 && rotated.authorities[0].issuing, "{rotated:?}");
    ensure!(rotated.authorities[1].pin == before.authorities[0].pin, "the old one is still trusted");
    // A token of before the rotation is of use while both are trusted.
    enroll(world, "between", &old_token)?.ok().context("a token of before")?;
    world.fleet.npanel(&["node", "delete", "between"])?;
    until("every machine to have moved", LIMIT, || {
        // This client trusts the old authority only, all the while.
        let now = world.block_on(world.client.ca())?;
        let old = now.authorities.iter().find(|authority| !authority.issuing).context("the old one is gone")?;
        Ok((old.machines == 0).then_some(()))
    })?;
    ensure!(world.fleet.is_ready()?, "some machine was lost on the way");

    let retired = world.block_on(world.client.retire_ca(&RetireCa { force: false }))?;
    ensure!(retired.authorities.len() == 1, "{retired:?}");
    let sentence = "made before the authority was rotated";
    until("the old token to be refused", LIMIT, || {
        let tried = enroll(world, "too-late", &old_token)?;
        if tried.status.success() {
            world.fleet.npanel(&["node", "delete", "too-late"])?;
            world.fleet.exec("n1", ["/bin/rm", "-rf", "/var/lib/too-late"])?;
            return Ok(None);
        }
        refused(&tried, sentence).map(Some)
    })?;
    enroll(world, "after", &token(world)?)?.ok().context("a token of after")?;
    world.fleet.npanel(&["node", "delete", "after"])?;

    // What was moved survives a restart, and a client with the old file still finds its way.
    for member in ["c1", "n1"] {
        world.fleet.restart(member)?;
    }
    until("the fleet to be whole", LIMIT, || Ok(world.fleet.is_ready()?.then_some(())))?;
    let site = world.host("rotated", "rotated.example")?;
    world.database(&site, "shop").map(drop)
}
