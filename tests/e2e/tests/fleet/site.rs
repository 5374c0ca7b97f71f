//! One request to the API is a site that answers.

use anyhow::{Result, ensure};
use npanel_e2e::World;

const PAGE: &str = r#"<?php
$database = new PDO("mysql:host=localhost;dbname=@NAME@", "@USER@", "@PASSWORD@");
$database->exec("CREATE TABLE line (text VARCHAR(50))");
$database->exec("INSERT INTO line VALUES ('from the database')");
echo posix_geteuid(), " ", $database->query("SELECT text FROM line")->fetchColumn();
"#;

pub(crate) fn a_new_account_is_a_site_that_answers(world: &World) -> Result<()> {
    let site = world.host("sitea", "site-a.example")?;
    let database = world.database(&site, "shop")?;
    let page = PAGE
        .replace("@NAME@", &database.name)
        .replace("@USER@", &database.user)
        .replace("@PASSWORD@", &database.password);
    site.put(world, "index.php", &page)?;
    let answer = world.fetch(&site, "/")?;
    let expected = format!("{} from the database", site.uid());
    ensure!(answer.status == 200 && answer.body == expected, "{answer:?} is not {expected:?}");
    Ok(())
}

pub(crate) fn its_address_is_told_by_every_name_server(world: &World) -> Result<()> {
    let site = world.host("siteb", "site-b.example")?;
    for server in world.name_servers() {
        let answers = world.lookup(server, &site.domain, "A")?;
        ensure!(answers == [site.address.to_string()], "{server} says {answers:?}, not {}", site.address);
    }
    Ok(())
}
