//! A bootstrap token admits as many machines as it says, and only to the cluster that made it.

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::Finished;

/// Makes a directory on `n1` for one more node; returns its configuration's path.
fn prepare(world: &World, name: &str) -> Result<String> {
    let directory = format!("/var/lib/{name}");
    let configuration = format!(
        "data_directory = \"{directory}/data\"\nname = \"{name}\"\naddress = \"10.88.0.99\"\n\
         controllers = [\"10.88.0.1:8444\", \"10.88.0.2:8444\", \"10.88.0.3:8444\"]\nroles = [\"web\"]\n"
    );
    world.fleet.exec("n1", ["/usr/bin/install", "-d", "-o", "npanel", "-g", "npanel", &directory])?;
    let file = format!("{directory}/node.toml");
    world.fleet.write_as("n1", 0, &file, &configuration)?;
    Ok(file)
}

/// Tries to enrol one more node from a directory of its own on `n1`.
pub(crate) fn enroll(world: &World, name: &str, token: &str) -> Result<Finished> {
    let file = prepare(world, name)?;
    world.fleet.exec_any("n1", ["/usr/bin/npanel-node", "enroll", "--config", &file, "--token", token])
}

/// The same, with one controller asked only.
fn enroll_at(world: &World, name: &str, token: &str, controller: &str) -> Result<Finished> {
    let file = prepare(world, name)?;
    let asked = ["/usr/bin/npanel-node", "enroll", "--config", &file, "--token", token, "--controller", controller];
    world.fleet.exec_any("n1", asked)
}

fn token(world: &World, role: &str) -> Result<String> {
    let made = world.fleet.npanel(&["token", "create", "--role", role, "--uses", "1", "--ttl", "15m"])?;
    Ok(made["token"].as_str().context("no token in the answer")?.to_owned())
}

pub(crate) fn refused(finished: &Finished, reason: &str) -> Result<()> {
    ensure!(!finished.status.success() && finished.stderr.contains(reason), "not refused: {finished:?}");
    Ok(())
}

/// The same text but for its first character; still well-formed.
fn altered(text: &str) -> String {
    let other = if text.starts_with('A') { 'B' } else { 'A' };
    std::iter::once(other).chain(text.chars().skip(1)).collect()
}

fn nodes(world: &World) -> Result<usize> {
    Ok(world.fleet.npanel(&["node", "list"])?.as_array().context("no list")?.len())
}

pub(crate) fn a_token_that_is_wrong_or_for_another_role_admits_nobody(world: &World) -> Result<()> {
    let (good, before) = (token(world, "node")?, nodes(world)?);
    let (rest, pin) = good.rsplit_once('.').context("a token has three parts")?;
    let (id, secret) = rest.split_once('.').context("a token has three parts")?;
    let wrong = [
        (format!("{rest}.{}", altered(pin)), "does not match the pin"),
        (format!("{id}.{}.{pin}", altered(secret)), "the token was refused"),
        (token(world, "controller")?, "the token was refused"),
        ("x".to_owned(), "a bootstrap token is"),
    ];
    for (token, reason) in wrong {
        refused(&enroll(world, "intruder", &token)?, reason)?;
    }
    ensure!(nodes(world)? == before, "a refused token made a node");
    Ok(())
}

pub(crate) fn a_used_token_admits_nobody_else(world: &World) -> Result<()> {
    let (once, before) = (token(world, "node")?, nodes(world)?);
    enroll(world, "spare", &once)?.ok().context("its first use")?;
    refused(&enroll(world, "spare-two", &once)?, "the token was refused")?;
    ensure!(nodes(world)? == before + 1, "a used token made a node");
    world.fleet.npanel(&["node", "delete", "spare"])?;
    Ok(())
}

pub(crate) fn of_two_machines_that_race_for_a_tokens_last_use_one_wins(world: &World) -> Result<()> {
    for round in 0..3 {
        let (once, before) = (token(world, "node")?, nodes(world)?);
        let names = [format!("racer-{round}-a"), format!("racer-{round}-b")];
        let racers = [(&names[0], "10.88.0.2:8444"), (&names[1], "10.88.0.3:8444")];
        let tried: Vec<Finished> = std::thread::scope(|threads| {
            let tries = racers.map(|(name, controller)| {
                let once = &once;
                threads.spawn(move || enroll_at(world, name, once, controller))
            });
            tries.map(|one| one.join().expect("no panic")).into_iter().collect::<Result<_>>()
        })?;
        let won: Vec<_> = names.iter().zip(&tried).filter(|(_, tried)| tried.status.success()).collect();
        ensure!(won.len() == 1, "{} of two won: {tried:?}", won.len());
        ensure!(nodes(world)? == before + 1, "the other left something");
        world.fleet.npanel(&["node", "delete", won[0].0])?;
    }
    Ok(())
}

pub(crate) fn a_token_bound_to_a_name_and_a_network_admits_nobody_else(world: &World) -> Result<()> {
    let bound = |network: &str| -> Result<String> {
        let made = ["token", "create", "--role", "node", "--name", "bound", "--pool", "p", "--network", network];
        Ok(world.fleet.npanel(&made)?["token"].as_str().context("no token")?.to_owned())
    };
    let (elsewhere, here, before) = (bound("192.0.2.0/24")?, bound("10.88.0.0/24")?, nodes(world)?);
    for (name, token) in [("bound", &elsewhere), ("other", &here)] {
        refused(&enroll(world, name, token)?, "the token was refused")?;
    }
    ensure!(nodes(world)? == before, "a refused token made a node");
    enroll(world, "bound", &here)?.ok().context("as it is bound")?;
    let node = world.fleet.npanel(&["node", "get", "bound"])?;
    ensure!(node["pool"] == "p", "another pool: {node}");
    world.fleet.npanel(&["node", "delete", "bound"]).map(drop)
}
