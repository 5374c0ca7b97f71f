//! `make demo`: a fleet, a site on it, and how to go on from there.

mod site;
mod usage;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::forward;
use crate::places::{Binaries, FleetName};
use crate::spec::FleetSpec;
use crate::timing::Timings;

const PROGRAMS: [&str; 4] = ["npanel-controller", "npanel-node", "npanel", "npanel-fleet"];

/// Shows the whole way of a site on a running fleet, which stays up. A fleet that is up, healthy and made of the
/// programs as they are now is used again; any other is made anew.
pub fn demo() -> Result<()> {
    let started = Instant::now();
    let port = port()?;
    let fleet = match running(port) {
        Some(fleet) => {
            println!("The demo fleet is up already and is used again (make demo-down stops it).");
            fleet
        }
        None => boot(port)?,
    };
    show_fleet(&fleet)?;
    let mut timings = Timings::default();
    site::host(&fleet, &mut timings)?;
    timings.note("all of this time's demo", started.elapsed());
    println!("\nTime taken by the fleet's boot\n{}and by the site\n{timings}", fleet.timings());
    usage::explain(&fleet, port)
}

fn name() -> Result<FleetName> {
    "demo".parse()
}

/// The port of this machine's loopback at which the API will be reached.
fn port() -> Result<u16> {
    match std::env::var("NPANEL_DEMO_PORT") {
        Ok(text) => text.parse().with_context(|| format!("NPANEL_DEMO_PORT is {text:?}, not a port")),
        Err(_) => Ok(crate::controller::API_PORT),
    }
}

fn boot(port: u16) -> Result<Fleet> {
    println!("Booting three controllers and two nodes.");
    let fleet = Fleet::boot(FleetSpec { name: name()?, controllers: 3, nodes: 2 })?;
    if let Err(error) = forward::start(&fleet, port) {
        Fleet::down(fleet.name())?;
        return Err(error);
    }
    Ok(fleet)
}

/// The demo fleet, if it is up and nothing about it needs a new one.
fn running(port: u16) -> Option<Fleet> {
    let fleet = Fleet::open(&name().ok()?).ok()?;
    let awake =
        |name: &str| fleet.is_up(name).ok() == Some(true) && fleet.is_paused(name).ok() == Some(false);
    let whole = fleet.members().iter().all(|member| awake(&member.name));
    (whole && is_current(&fleet) && is_forwarded(port) && fleet.is_ready().unwrap_or(false)).then_some(fleet)
}

/// Whether no program was built after the fleet was booted.
fn is_current(fleet: &Fleet) -> bool {
    let changed = |path: &std::path::Path| path.metadata().and_then(|data| data.modified()).ok();
    let Some(booted) = changed(&fleet.description()) else { return false };
    let Ok(binaries) = Binaries::locate() else { return false };
    PROGRAMS.iter().all(|program| {
        let built = binaries.path(program).ok().and_then(|path| changed(&path));
        built.is_some_and(|built| built < booted)
    })
}

fn is_forwarded(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

fn show_fleet(fleet: &Fleet) -> Result<()> {
    let status = fleet.npanel(&["cluster", "status"])?;
    println!("\nControllers (cluster {}, term {})", text(&status, "cluster_id")?, status["term"]);
    for controller in list(&status["controllers"])? {
        let leads = controller["id"] == status["leader_id"];
        let note = if leads { "leader" } else { text(controller, "role")? };
        println!("  {:<4} {:<18} {note}", text(controller, "name")?, text(controller, "fleet_address")?);
    }
    println!("Nodes");
    for node in list(&fleet.npanel(&["node", "list"])?)? {
        let (name, address) = (text(node, "name")?, node["address"].as_str().unwrap_or("-"));
        println!("  {name:<4} {address:<18} {}", text(node, "status")?);
    }
    Ok(())
}

/// The text of a field of an API object.
fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    object[field].as_str().with_context(|| format!("the answer has no {field}: {object}"))
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("the answer is no list: {value}"))
}
