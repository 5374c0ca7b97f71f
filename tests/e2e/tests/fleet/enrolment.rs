//! A bootstrap token admits as many machines as it says, and only to the cluster that made it.

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::Finished;

/// Tries to enrol one more node from a directory of its own on `n1`.
fn enroll(world: &World, name: &str, token: &str) -> Result<Finished> {
    let directory = format!("/root/{name}");
    let configuration = format!(
        "data_directory = \"{directory}/data\"\nname = \"{name}\"\naddress = \"10.88.0.99\"\n\
         controllers = [\"10.88.0.1:8444\", \"10.88.0.2:8444\", \"10.88.0.3:8444\"]\nroles = [\"web\"]\n"
    );
    world.fleet.exec("n1", ["/bin/mkdir", "-p", &directory])?;
    let file = format!("{directory}/node.toml");
    world.fleet.write_as("n1", 0, &file, &configuration)?;
    world.fleet.exec_any("n1", ["/usr/bin/npanel-node", "enroll", "--config", &file, "--token", token])
}

fn token(world: &World, role: &str) -> Result<String> {
    let made = world.fleet.npanel(&["token", "create", "--role", role, "--uses", "1", "--ttl", "15m"])?;
    Ok(made["token"].as_str().context("no token in the answer")?.to_owned())
}

fn nodes(world: &World) -> Result<usize> {
    Ok(world.fleet.npanel(&["node", "list"])?.as_array().context("no list")?.len())
}

pub(crate) fn a_token_that_is_wrong_or_for_another_role_admits_nobody(world: &World) -> Result<()> {
    let (good, before) = (token(world, "node")?, nodes(world)?);
    let (rest, pin) = good.rsplit_once('.').context("a token has three parts")?;
    let turned: String = pin.chars().rev().collect();
    let (id, secret) = rest.split_once('.').context("a token has three parts")?;
    let guessed: String = secret.chars().rev().collect();
    let wrong = [
        ("a wrong CA pin", format!("{rest}.{turned}")),
        ("a wrong secret", format!("{id}.{guessed}.{pin}")),
        ("a controller's token", token(world, "controller")?),
        ("no token", "x".to_owned()),
    ];
    for (what, token) in wrong {
        let finished = enroll(world, "intruder", &token)?;
        ensure!(!finished.status.success(), "{what} was accepted: {finished:?}");
    }
    ensure!(nodes(world)? == before, "a refused token made a node");
    Ok(())
}

pub(crate) fn a_used_token_admits_nobody_else(world: &World) -> Result<()> {
    let (once, before) = (token(world, "node")?, nodes(world)?);
    enroll(world, "spare", &once)?.ok().context("its first use")?;
    let second = enroll(world, "spare-two", &once)?;
    ensure!(!second.status.success(), "it was accepted twice: {second:?}");
    ensure!(nodes(world)? == before + 1, "a used token made a node");
    world.fleet.npanel(&["node", "delete", "spare"])?;
    Ok(())
}
