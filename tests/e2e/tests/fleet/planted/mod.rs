//! A secret that goes in or comes out is found nowhere else: not in the log, the state, a snapshot, a backup, an answer or a journal,
//! while every daemon logs all that it can.
//!
//! What is looked for is in `marks`, how it gets in in `plant`, where it is looked for in `places`. That the search would have found it
//! is shown in the same run: something that is no secret is found in every place, and secrets are that were put there on purpose.

mod fields;
mod ground;
mod marks;
mod places;
mod plant;
mod purpose;

use anyhow::{Context, Result};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::{Kind, until};
use npanel_sdk_types::RotateSecrets;

use places::Searched;

pub(crate) fn a_secret_is_found_nowhere_but_where_it_belongs(world: &World) -> Result<()> {
    fields::are_all_known(world)?;
    ground::loosen_tongues(world)?;
    let searched = search(world);
    ground::restore(world)?;
    searched
}

fn search(world: &World) -> Result<()> {
    let since = std::time::SystemTime::now();
    // Before and after the keys are changed, both times with what they are then.
    let mut marks = plant::own_keys(world)?;
    let planted = plant::plant(world)?;
    marks.extend(planted.marks);
    world.block_on(world.client.rotate_secrets(&RotateSecrets::default(), Wait::No))?;
    until("the keys to be changed", World::PATIENCE, || {
        let status = world.block_on(world.client.secrets())?;
        Ok(status.rotation.is_some_and(|rotation| rotation.finished_at.is_some()).then_some(()))
    })?;
    marks.extend(plant::own_keys(world)?);
    let answers = plant::provoke(world, &marks, &planted.account)?;

    let mut searched = Searched::new(&marks, &planted.canary, since);
    make_snapshots(world, &mut searched)?;
    searched.text("answers to bad requests", answers.as_bytes());
    places::through_the_api(world, &planted.account, &mut searched)?;
    places::of_backup(world, &mut searched)?;
    places::of_processes(&mut searched)?;
    for controller in world.fleet.of_kind(Kind::Controller) {
        places::of_controller(world, &controller.name, &mut searched)?;
    }
    for node in world.fleet.of_kind(Kind::Node) {
        places::of_node(world, &node.name, &mut searched)?;
    }
    println!("{searched}");
    searched.end()?;
    purpose::what_is_put_there_on_purpose_is_found(world, &marks, since)
}

/// Changes something until there is a snapshot of what was planted on each controller.
fn make_snapshots(world: &World, searched: &mut Searched<'_>) -> Result<()> {
    for turn in 0.. {
        let mut are_there = true;
        for controller in world.fleet.of_kind(Kind::Controller) {
            are_there &= places::has_snapshot(world, &controller.name, searched)?;
        }
        if are_there {
            break;
        }
        anyhow::ensure!(turn < 200, "no snapshot was made of what was planted");
        world.tenant(&format!("planted-{turn}")).context("something to make a snapshot after")?;
    }
    Ok(())
}
