//! A node that is gone for good on a fleet at work: what it carried is on another, and its name is free again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_model::{NodeId, Part};
use npanel_sdk_types::{Account, Node};

use crate::leftovers::leftovers;

const LIMIT: Duration = Duration::from_secs(90);

/// The account as it is when every part of it is on this node.
fn placed_anew(world: &World, site: &Site, on: NodeId) -> Result<Account> {
    until("the account to be on the other node", LIMIT, || {
        let account = world.block_on(world.client.get::<Account>(site.account.id))?;
        let is_there = |part: Part| account.assignments.iter().any(|at| at.part == part && at.node_id == on);
        Ok([Part::Web, Part::Database].into_iter().all(is_there).then_some(account))
    })
}

/// The machine is taken in anew: under its name, with another identity, and cleared of what it carried.
fn enrolled_anew(world: &World, lost: &Node) -> Result<()> {
    let made = world.fleet.npanel(&["token", "create", "--role", "node", "--name", "n2"])?;
    let token = made["token"].as_str().context("no token in the answer")?;
    let asked = ["/usr/bin/npanel-node", "enroll", "--force", "--token", token];
    world.fleet.exec("n2", asked)?;
    world.fleet.exec("n2", ["/usr/bin/systemctl", "restart", "npanel-node"])?;
    until("the machine to be a node again", LIMIT, || {
        let nodes = world.fleet.npanel(&["node", "list"])?;
        let node = nodes.as_array().into_iter().flatten().find(|node| node["name"] == "n2");
        Ok(node.is_some_and(|node| node["status"] == "ready").then_some(()))
    })?;
    ensure!(world.node("n2")?.id != lost.id, "it is the node that was given up");
    until("it to say what lies there", LIMIT, || Ok((!leftovers(world)?.is_empty()).then_some(())))?;
    world.fleet.exec("n2", ["/usr/bin/npanel-node", "discard-leftovers", "--accept-data-loss"])?;
    until("nothing to be left", LIMIT, || Ok(leftovers(world)?.is_empty().then_some(())))
}

pub(crate) fn what_a_node_carried_that_is_gone_for_good_is_placed_anew_on_another(world: &World) -> Result<()> {
    let (other, lost) = (world.node("n1")?, world.node("n2")?);
    let site = world.host_on("castaway", lost.id)?;
    site.put(world, "index.php", "<?php echo 'from before';")?;
    ensure!(world.fetch(&site, "/")?.body == "from before", "it is not served");

    world.fleet.npanel(&["node", "revoke", "n2", "--reason", "burnt"])?;
    let unsaid = world.fleet.npanel(&["node", "delete", "n2", "--force"]);
    ensure!(format!("{unsaid:?}").contains("say that this is accepted"), "its data went unsaid: {unsaid:?}");
    world.fleet.npanel(&["node", "delete", "n2", "--force", "--accept-data-loss", "--wait"])?;

    let account = placed_anew(world, &site, other.id)?;
    world.until_ready(&account, LIMIT)?;
    let found = world.fleet.npanel(&["operation", "list", "--object", &account.id.to_string()])?;
    let operations = found.as_array().context("no list")?;
    let record = operations.iter().find(|operation| operation["action"] == "node.replace");
    let record = record.with_context(|| format!("no record of it: {found}"))?;
    until("its operation to be over", LIMIT, || {
        let now = world.fleet.npanel(&["operation", "get", record["id"].as_str().unwrap_or_default()])?;
        Ok((now["status"] == "succeeded").then_some(()))
    })?;

    // Empty, and reachable: under its name, where its name leads now.
    let there = world.site(account, &site.domain)?;
    ensure!(there.node == "n1", "it is said to be on {}", there.node);
    until("the name to lead there", LIMIT, || {
        let addresses = world.lookup(there.address, &site.domain, "A")?;
        Ok((addresses == [there.address.to_string()]).then_some(()))
    })?;
    ensure!(world.fetch(&there, "/")?.body != "from before", "whose data is that?");
    there.put(world, "index.php", "<?php echo 'from now on';")?;
    ensure!(world.fetch(&there, "/")?.body == "from now on", "it cannot be used");
    enrolled_anew(world, &lost)
}
