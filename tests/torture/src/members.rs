//! Controllers go and others come in their places, while all else goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use npanel_fleet::{Fleet, Kind, until};
use serde_json::Value;

/// Within a run, one replacement is tried for so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// And the last ones, when nothing is at fault any more.
pub(crate) const IN_THE_END: Duration = Duration::from_secs(120);

fn awake(fleet: &Fleet, but: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for member in fleet.of_kind(Kind::Controller).filter(|member| member.name != but) {
        if fleet.is_up(&member.name)? && !fleet.is_paused(&member.name)? {
            names.push(member.name.clone());
        }
    }
    Ok(names)
}

fn status(fleet: &Fleet, at: &[String]) -> Result<Value> {
    let at: Vec<&str> = at.iter().map(String::as_str).collect();
    fleet.npanel_at(&at, &["cluster", "status"])
}

/// The ids of the cluster's controllers of that name.
fn ids(status: &Value, name: &str) -> Vec<String> {
    let all = status["controllers"].as_array().into_iter().flatten();
    all.filter(|one| one["name"] == name).map(|one| one["id"].to_string()).collect()
}

/// Has the cluster go on without the controllers of that name.
fn remove(fleet: &Fleet, name: &str) -> Result<()> {
    let by = awake(fleet, name)?;
    let at: Vec<&str> = by.iter().map(String::as_str).collect();
    for id in ids(&status(fleet, &by)?, name) {
        fleet.npanel_at(&at, &["controller", "remove", &id])?;
    }
    ensure!(ids(&status(fleet, &by)?, name).is_empty(), "{name} is still there");
    Ok(())
}

fn tried(limit: Duration, what: &str, mut act: impl FnMut() -> Result<()>) -> Result<()> {
    until(what, limit, || act().map(Some))
}

/// Removes the controller, and lets another join under its name, which may not be caught up yet when this returns.
pub(crate) fn replace(fleet: &Fleet, name: &str) -> Result<()> {
    tried(PATIENCE, "the removal", || remove(fleet, name))?;
    // It may be where nobody can tell it so.
    fleet.kill(name)?;
    join(fleet, name, PATIENCE)
}

/// Lets a controller join under the name of one that was removed. One whose answer was lost on the way is removed again.
fn join(fleet: &Fleet, name: &str, limit: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut turn = 0;
    tried(limit, "the joining", || {
        remove(fleet, name)?;
        let by = awake(fleet, name)?;
        turn += 1;
        let by = by.get(turn % by.len().max(1)).context("nobody is awake")?;
        fleet.join_anew(name, by).with_context(|| format!("after {:?}", begun.elapsed()))
    })
}

/// Makes the fleet whole: nothing cut, paused, down or out, and all of them vote.
pub(crate) fn restore(fleet: &Fleet) -> Result<()> {
    fleet.heal()?;
    let names: Vec<String> = fleet.of_kind(Kind::Controller).map(|member| member.name.clone()).collect();
    for name in &names {
        fleet.set_clock(name, 0)?;
        if fleet.is_paused(name)? {
            fleet.resume(name)?;
        }
        if !fleet.is_up(name)? {
            fleet.start(name)?;
        }
    }
    until("five controllers that vote", IN_THE_END, || {
        let all = names.iter().try_for_each(|name| bring_in(fleet, name));
        let status = status(fleet, &names)?;
        all?;
        let controllers = status["controllers"].as_array().context("no controllers")?;
        let votes = |one: &&Value| one["role"] == "leader" || one["role"] == "voter";
        let whole =
            controllers.len() == names.len() && controllers.iter().filter(votes).count() == names.len();
        Ok(whole.then_some(()))
    })
}

/// Whoever runs under the name belongs to the cluster, and nobody else does.
fn bring_in(fleet: &Fleet, name: &str) -> Result<()> {
    let by = awake(fleet, name)?;
    let known = ids(&status(fleet, &by)?, name);
    let running = own_id(fleet, name);
    if running.as_ref().is_some_and(|own| known == [own.clone()]) {
        return Ok(());
    }
    // It may only be on its way.
    let is_starting = running.is_none() && known.len() == 1 && fleet.is_up(name)?;
    if is_starting {
        return Ok(());
    }
    fleet.kill(name)?;
    join(fleet, name, IN_THE_END)
}

/// As the process itself says it.
fn own_id(fleet: &Fleet, name: &str) -> Option<String> {
    let data = fleet.controller_data(name).ok()?;
    // Where it was removed, it says so in its place.
    if data.join("controller/removed").exists() {
        return Some("removed".to_owned());
    }
    let status = fleet.npanel_at(&[name], &["cluster", "status", "--consistency", "stale"]).ok()?;
    Some(status["controller_id"].to_string())
}
