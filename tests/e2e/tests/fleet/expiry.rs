//! A bootstrap token that is not used in time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::Timestamp;
use npanel_sdk_types::{CreateToken, Node, Token};

use crate::enrolment::{enroll, refused};

/// The shortest that a token can be good for.
const SECONDS: u32 = 60;

pub(crate) fn an_expired_token_admits_nobody(world: &World) -> Result<()> {
    let (name, networks) = (None, Vec::new());
    let body =
        CreateToken { role: "node".parse()?, uses: 2, ttl_seconds: SECONDS, pool: None, name, networks };
    let made = world.block_on(world.client.create::<Token>(&body, Wait::No))?.object;
    let token = made.token.as_ref().context("no token in the answer")?.expose();
    enroll(world, "in-time", token)?.ok().context("its use in time")?;
    world.fleet.npanel(&["node", "delete", "in-time"])?;

    let before = world.block_on(world.client.list_all::<Node>(&[]))?.len();
    // Controllers and tests share one clock.
    let limit = Duration::from_secs(SECONDS.into()) * 2;
    until("its end", limit, || Ok((Timestamp::now() > made.expires_at).then_some(())))?;
    refused(&enroll(world, "too-late", token)?, "the token was refused")?;
    let after = world.block_on(world.client.list_all::<Node>(&[]))?;
    ensure!(after.len() == before, "an expired token made a node");
    Ok(())
}
