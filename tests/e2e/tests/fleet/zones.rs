//! A zone that the name server refuses holds up no other.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{Status, Zone};

const LIMIT: Duration = Duration::from_secs(60);
const RETRIED: Duration = Duration::from_secs(150);
const DATABASE: &str = "/var/lib/powerdns/npanel.sqlite3";

fn zone(world: &World, name: &str) -> Result<Option<Zone>> {
    let found = world.block_on(world.client.list_all::<Zone>(&[("name", name.to_owned())]))?;
    Ok(found.into_iter().next())
}

fn on_name_servers(world: &World, statement: &str) -> Result<()> {
    for node in ["n1", "n2"] {
        world.fleet.exec(node, ["/usr/bin/sqlite3", "-cmd", ".timeout 10000", DATABASE, statement])?;
    }
    Ok(())
}

pub(crate) fn a_zone_that_the_name_server_refuses_holds_up_no_other(world: &World) -> Result<()> {
    // Both name servers have their base by then, and so the database.
    world.host("zonebase", "zonebase.example")?;
    on_name_servers(
        world,
        "CREATE TRIGGER choosy BEFORE INSERT ON records WHEN NEW.name LIKE '%crooked.example' \
         BEGIN SELECT RAISE(ABORT, 'not to my taste'); END",
    )?;
    let names = ["straight1", "crooked", "straight2", "straight3", "straight4"];
    for name in names {
        world.post_account(name, None)?;
    }
    for name in names.iter().filter(|name| **name != "crooked") {
        until(&format!("the zone of {name} to be ready"), LIMIT, || {
            let found = zone(world, &format!("{name}.example"))?;
            Ok(found.is_some_and(|zone| zone.convergence.status == Status::Ready).then_some(()))
        })?;
        for server in world.name_servers() {
            ensure!(!world.lookup(server, &format!("{name}.example"), "A")?.is_empty(), "{name} at {server}");
        }
    }
    until("the refused one to say so", LIMIT, || {
        let Some(found) = zone(world, "crooked.example")? else { return Ok(None) };
        let said = found.convergence.conditions.iter().any(|one| one.reason.starts_with("Dns"));
        Ok((found.convergence.status == Status::Failed && said).then_some(()))
    })?;
    on_name_servers(world, "DROP TRIGGER choosy")?;
    until("the refused one to be ready", RETRIED, || {
        let found = zone(world, "crooked.example")?;
        Ok(found.is_some_and(|zone| zone.convergence.status == Status::Ready).then_some(()))
    })
}
