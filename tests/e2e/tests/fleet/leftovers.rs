//! A machine whose node was given up for lost is enrolled anew, with all that it carried still on it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::NodeConditionKind;
use npanel_sdk_types::PlacementWish;

use crate::{
    cron,
    revocation::{enroll, token},
};

/// Earlier scenarios have left the node much to be rid of.
const LIMIT: Duration = Duration::from_secs(120);
const NODE: &str = "n2";

/// Of what the node says that it has leftovers.
pub(crate) fn leftovers(world: &World) -> Result<Vec<String>> {
    let said = world.node(NODE)?.conditions;
    let ours = said.into_iter().filter(|one| one.kind == NodeConditionKind::Leftovers);
    Ok(ours.map(|one| one.subject).collect())
}

fn is_there(world: &World, path: &str) -> Result<bool> {
    Ok(world.fleet.exec_any(NODE, ["/usr/bin/test", "-e", path])?.status.success())
}

fn databases(world: &World) -> Result<String> {
    world.fleet.exec(NODE, ["/usr/bin/mariadb", "-N", "-e", "SHOW DATABASES"])
}

pub(crate) fn a_machine_enrolled_anew_serves_nothing_of_old_and_gets_nothing_new_until_it_is_cleared(
    world: &World,
) -> Result<()> {
    let site = world.host_on("yesterday", world.node(NODE)?.id)?;
    site.put(world, "kept.txt", "precious")?;
    let database = world.database(&site, "shop")?;
    cron::set(world, &site, &[("*/7 3 * * *", "true")])?;
    ensure!(cron::timers(world, &site)?.len() == 1);
    ensure!(!world.lookup(site.address, &site.domain, "A")?.is_empty(), "it answers for no zone");

    world.fleet.npanel(&["node", "revoke", NODE, "--reason", "burnt"])?;
    world.fleet.npanel(&["node", "delete", NODE, "--force", "--accept-data-loss", "--wait"])?;
    enroll(world, &token(world, &["--name", NODE])?)?.ok().context("the machine does not enrol")?;

    until("it to say what lies there", LIMIT, || {
        let Ok(found) = leftovers(world) else { return Ok(None) };
        Ok(["accounts", "databases"].iter().all(|what| found.iter().any(|one| one == what)).then_some(()))
    })?;
    let (tenant, plan) = world.platform()?;
    let wish = PlacementWish { node_id: Some(world.node(NODE)?.id), ..PlacementWish::default() };
    let report = world.block_on(world.client.explain_placement(tenant, plan, &wish))?;
    let said = report.parts[0].nodes.iter().find(|verdict| Some(verdict.node_id) == wish.node_id);
    ensure!(report.parts[0].chosen.is_none(), "something new would go there: {report:?}");
    ensure!(said.is_some_and(|one| one.reason.contains("has leftovers")), "{said:?}");

    until("what it served to rest", LIMIT, || {
        let rests = cron::timers(world, &site)?.is_empty()
            && !is_there(world, &format!("/srv/npanel/sites/{}", site.domain))?
            && !is_there(world, &format!("/run/npanel-php/{}.sock", site.uid()))?
            && world.lookup(site.address, &site.domain, "A")?.is_empty();
        Ok(rests.then_some(()))
    })?;
    ensure!(is_there(world, &format!("{}/kept.txt", site.document_root()))?, "data went by itself");
    ensure!(databases(world)?.contains(&database.name), "data went by itself");

    let discard = ["/usr/bin/npanel-node", "discard-leftovers"];
    let listed = world.fleet.exec_any(NODE, discard)?;
    ensure!(!listed.status.success() && listed.stdout.contains("accounts: yesterday\n"), "{listed:?}");
    world.fleet.exec(NODE, discard.iter().chain(&["--accept-data-loss"]))?;
    until("nothing to be left", LIMIT, || Ok(leftovers(world)?.is_empty().then_some(())))?;
    let aside = format!("/home/.leftovers/{}/web/{}/kept.txt", site.uid(), site.domain);
    ensure!(is_there(world, &aside)? && !is_there(world, &site.home())?, "the home was not moved aside");
    ensure!(!databases(world)?.contains(&database.name), "the database stays");

    let new = world.host_on("tomorrow", world.node(NODE)?.id)?;
    new.put(world, "index.php", "<?php echo 'new';")?;
    ensure!(world.fetch(&new, "/")?.body == "new", "the cleared machine does not serve");
    Ok(())
}
