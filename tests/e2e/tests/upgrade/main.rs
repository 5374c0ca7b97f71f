//! A fleet of an earlier feature level is upgraded, one controller after the other, while clients write and a site is served.
//!
//! An earlier version is played by this one, held at the earlier level: it knows no more commands, and applies by the earlier rules.

mod load;

use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use npanel_client::{Error, Wait};
use npanel_e2e::{Site, World};
use npanel_fleet::{Content, Fleet, Kind, until};
use npanel_sdk_types::{ClusterStatus, RotateSecrets};

use load::Load;

/// The level before, and the one that this version brings.
const EARLIER: u32 = 3;
const NEWER: u32 = 4;

const LIMIT: Duration = Duration::from_secs(90);

/// So many more writes are to be acknowledged between two steps.
const SOME: usize = 50;

/// Clients write all the while: so many entries behind is as close as one comes.
const CLOSE: u64 = 100;

const CLAIM: &str = "controllers_are_upgraded_one_after_another_while_writes_and_sites_go_on";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trial = Trial::test(CLAIM, || upgraded().map_err(|error| Failed::from(format!("{error:#}"))));
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

fn upgraded() -> Result<()> {
    let held = |fleet: &Fleet| {
        fleet.of_kind(Kind::Controller).try_for_each(|member| fleet.hold_at(&member.name, Some(EARLIER)))
    };
    let world = World::boot_of("upgrade", 3, 1, held)?;
    let outcome = one_after_another(&world);
    if outcome.is_err() {
        eprintln!("The logs of all members are in {}", world.keep_logs("upgrade")?.display());
    }
    outcome
}

fn one_after_another(world: &World) -> Result<()> {
    ensure!(status(world)?.feature_level == EARLIER, "the fleet does not begin at level {EARLIER}");
    let site = world.host("steady", "steady.example")?;
    newer_command_is_refused(world)?;

    let load = Load::start(world)?;
    let leader = world.leader()?;
    // Those that follow first.
    let mut order = names(world);
    order.sort_by_key(|name| *name == leader);
    for name in &order {
        load.until_more(world, SOME)?;
        let before = status(world)?;
        ensure!(before.feature_level == EARLIER, "raised before {name} can follow: {before:?}");
        upgrade(world, name).with_context(|| format!("the upgrade of {name}"))?;
        served(world, &site)?;
    }
    until("the level to be raised", LIMIT, || Ok((status(world)?.feature_level == NEWER).then_some(())))?;
    load.until_more(world, SOME)?;
    world.block_on(world.client.rotate_secrets(&RotateSecrets::default(), Wait::No))?;

    way_back_is_closed(world, &order[0])?;
    let count = load.end_with_all_there(world)?;
    println!("    {count} writes were acknowledged and are there");
    served(world, &site)?;
    all_came_to_the_same(world)
}

fn names(world: &World) -> Vec<String> {
    world.fleet.of_kind(Kind::Controller).map(|member| member.name.clone()).collect()
}

fn status(world: &World) -> Result<ClusterStatus> {
    Ok(world.block_on(world.client.cluster_status())?)
}

/// What the newer version brings is not there before all know it.
fn newer_command_is_refused(world: &World) -> Result<()> {
    match world.block_on(world.client.rotate_secrets(&RotateSecrets::default(), Wait::No)) {
        Err(Error::Refused(problem)) => {
            ensure!(problem.code == "feature_level_too_low", "refused otherwise: {problem:?}");
            Ok(())
        }
        other => anyhow::bail!("keys are changed at level {EARLIER}: {other:?}"),
    }
}

/// As an operator does: the newer version, a restart, and on once this one is reached and has caught up.
fn upgrade(world: &World, name: &str) -> Result<()> {
    world.fleet.stop(name)?;
    world.fleet.hold_at(name, None)?;
    world.fleet.start(name)?;
    until("it to be reached and to have caught up", LIMIT, || {
        // The leader knows how far the others are.
        let status = world.block_on(world.client_that_asks(&world.leader()?)?.cluster_status())?;
        let own = status.controllers.iter().find(|one| one.name == name).context("it is unknown")?;
        let is_reached = own.reachable == Some(true) && own.max_feature_level == Some(NEWER);
        let has_caught_up = status.leader_id == Some(own.id)
            || own.replicated_index.is_some_and(|index| index + CLOSE >= status.applied_index);
        ensure!(is_reached && has_caught_up, "{status:?}");
        Ok(Some(()))
    })
}

fn served(world: &World, site: &Site) -> Result<()> {
    let page = world.fetch(site, "/")?;
    ensure!(page.status == 200, "the site is not served: {page:?}");
    Ok(())
}

/// One that is of the earlier version again does not start, and says why; what it has is whole.
fn way_back_is_closed(world: &World, name: &str) -> Result<()> {
    world.fleet.stop(name)?;
    world.fleet.hold_at(name, Some(EARLIER))?;
    world.fleet.start(name)?;
    until("it to end by itself", LIMIT, || Ok((!world.fleet.is_up(name)?).then_some(())))?;
    let log = fs::read_to_string(world.fleet.controller_data(name)?.with_file_name("controller.log"))?;
    let why = format!("the cluster is at feature level {NEWER}, and this controller goes up to {EARLIER}");
    ensure!(log.contains(&why), "{name} does not say why it does not start");
    upgrade(world, name).context("the newer version once more")
}

fn all_came_to_the_same(world: &World) -> Result<()> {
    let names = names(world);
    let mut compared = Vec::new();
    until("all controllers to be at one place", LIMIT, || {
        compared = names.iter().map(|name| world.fleet.content(name)).collect::<Result<Vec<Content>>>()?;
        Ok(compared.iter().all(|content| content.index == compared[0].index).then_some(()))
    })?;
    ensure!(compared.iter().all(|content| *content == compared[0]), "the replicas differ: {compared:?}");
    Ok(())
}
