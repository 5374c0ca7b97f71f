//! Sites, databases and DNS do not need a controller.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{Kind, until};

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn a_node_restarted_with_every_controller_down_serves_its_last_intent(world: &World) -> Result<()> {
    let site = world.host("stable", "stable.example")?;
    let database = world.database(&site, "shop")?;
    let page = format!(
        r#"<?php $d = new PDO("mysql:host=localhost;dbname={}", "{}", "{}");
        echo "row ", $d->query("SELECT 41 + 1")->fetchColumn();"#,
        database.name, database.user, database.password
    );
    site.put(world, "index.php", &page)?;
    ensure!(world.fetch(&site, "/")?.body == "row 42", "it does not answer before");

    for controller in world.fleet.of_kind(Kind::Controller) {
        world.fleet.kill(&controller.name)?;
    }
    ensure!(world.fetch(&site, "/")?.body == "row 42", "it needs a controller");
    world.fleet.restart(&site.node)?;

    until("the page after the restart", LIMIT, || Ok((world.fetch(&site, "/")?.body == "row 42").then_some(())))?;
    until("the A record after the restart", LIMIT, || {
        let answers = world.lookup(site.address, &site.domain, "A")?;
        Ok((answers == [site.address.to_string()]).then_some(()))
    })
}
