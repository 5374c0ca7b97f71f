//! Daemons that say all that they can, and keep little of their log, so that there are snapshots.

use anyhow::Result;
use npanel_e2e::World;
use npanel_fleet::{Kind, until};

/// The state is of a few megabytes, for which alone a snapshot is due after some hundred entries: the limit is what counts. A webhook may be
/// told at a controller's own address.
const CONFIGURATION: &str = "[raft_log]\nsnapshot_after_entries = 20\nsnapshot_at_latest_entries = 20\nkept_entries = 20\n\
                             patience_seconds = 5\n\n[outgoing]\nallowed_networks = [\"10.88.0.1\"]\n";

/// Both daemons of a node, and the journal keeps every line of theirs.
const UNITS: [&str; 2] = ["npanel-node", "npanel-executor"];
const DROP_IN: &str = "[Service]\nEnvironment=NPANEL_LOG=trace\nLogRateLimitIntervalSec=0\n";

/// Everybody logs at the level trace from here on.
pub(super) fn loosen_tongues(world: &World) -> Result<()> {
    controllers(world, CONFIGURATION, "trace")?;
    for node in nodes(world) {
        for unit in UNITS {
            let directory = format!("/etc/systemd/system/{unit}.service.d");
            world.fleet.exec(&node, ["/usr/bin/mkdir", "-p", &directory])?;
            world.fleet.write_as(&node, 0, &format!("{directory}/planted.conf"), DROP_IN)?;
        }
    }
    restart_nodes(world)
}

pub(super) fn restore(world: &World) -> Result<()> {
    controllers(world, "", "info")?;
    for node in nodes(world) {
        for unit in UNITS {
            let file = format!("/etc/systemd/system/{unit}.service.d/planted.conf");
            world.fleet.exec(&node, ["/usr/bin/rm", "-f", &file])?;
        }
    }
    restart_nodes(world)
}

fn nodes(world: &World) -> Vec<String> {
    world.fleet.of_kind(Kind::Node).map(|node| node.name.clone()).collect()
}

fn controllers(world: &World, configuration: &str, level: &str) -> Result<()> {
    for controller in world.fleet.of_kind(Kind::Controller) {
        world.fleet.stop(&controller.name)?;
        world.fleet.configure(&controller.name, configuration)?;
        world.fleet.log_at(&controller.name, level)?;
        world.fleet.start(&controller.name)?;
    }
    until_whole(world)
}

fn restart_nodes(world: &World) -> Result<()> {
    for node in nodes(world) {
        world.fleet.exec(&node, ["/usr/bin/systemctl", "daemon-reload"])?;
        world.fleet.exec(&node, [["/usr/bin/systemctl", "restart"].as_slice(), &UNITS].concat())?;
    }
    until_whole(world)
}

fn until_whole(world: &World) -> Result<()> {
    until("the fleet to be whole", World::PATIENCE, || Ok(world.fleet.is_ready()?.then_some(())))
}
