//! A plan that changes while accounts have it, on real nodes.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_client::Wait;
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_sdk_types::{Account, CreateAccount, PlacementWish, UpdateAccount};

const LIMIT: Duration = Duration::from_secs(60);

/// A second PHP, as nodes find theirs: by its program. It is the first under another name.
const OTHER: &str = "/usr/sbin/php-fpm8.3";

/// Has both nodes see what PHP they have.
fn until_nodes_have(world: &World, versions: &[&str]) -> Result<()> {
    for node in ["n1", "n2"] {
        world.fleet.exec(node, ["/usr/bin/systemctl", "restart", "npanel-node"])?;
        until("the node to tell its PHP", LIMIT, || {
            let known = world.node(node)?;
            let has = known.php_versions.iter().map(|version| version.as_str());
            Ok(has.eq(versions.iter().copied()).then_some(()))
        })?;
    }
    Ok(())
}

/// The PHP that runs the account's sites.
fn runs(world: &World, site: &Site) -> Result<String> {
    let program = format!("/srv/npanel/php/{}/php-fpm", site.uid());
    Ok(world.fleet.exec(&site.node, ["/usr/bin/readlink", &program])?.trim().to_owned())
}

pub(crate) fn accounts_follow_their_plan_to_another_php_on_their_nodes(world: &World) -> Result<()> {
    let tenant = world.tenant("planner")?;
    let plan_id = world.plan(tenant, "planner")?;
    let on = |username: &str, node: &str| -> Result<Site> {
        let domain = format!("{username}.example");
        let wish = PlacementWish { node_id: Some(world.node(node)?.id), ..PlacementWish::default() };
        let body = CreateAccount {
            tenant_id: tenant,
            plan_id,
            username: username.parse()?,
            contact: None,
            domain: Some(domain.parse()?),
            document_root: None,
            create_zone: false,
            placement: Some(wish),
        };
        let site = world.site(world.create::<Account>(&body)?, &domain)?;
        site.put(world, "index.php", "<?php echo 'served';")?;
        Ok(site)
    };
    let sites = [on("follower1", "n1")?, on("follower2", "n2")?];
    let stays = on("follower3", "n1")?;
    let own = UpdateAccount { php_version: Some(Some("8.2".parse()?)), ..UpdateAccount::default() };
    world.block_on(world.client.update::<Account>(stays.account.id, &own, Wait::No))?;
    let to = |version: &str| {
        let plan = plan_id.to_string();
        world.fleet.npanel(&["plan", "update", &plan, "--php", version, "--wait"])
    };
    let refused = format!("{:?}", to("8.3"));
    ensure!(refused.contains("has no PHP 8.3"), "its nodes have none: {refused}");

    for node in ["n1", "n2"] {
        world.fleet.exec(node, ["/bin/cp", "/usr/sbin/php-fpm8.2", OTHER])?;
    }
    until_nodes_have(world, &["8.2", "8.3"])?;
    to("8.3")?;
    for site in &sites {
        ensure!(runs(world, site)? == OTHER, "{} did not follow", site.domain);
        ensure!(world.fetch(site, "/")?.body == "served", "{} is not served", site.domain);
    }
    ensure!(runs(world, &stays)? == "/usr/sbin/php-fpm8.2", "it has a version of its own");

    to("8.2")?;
    ensure!(runs(world, &sites[1])? == "/usr/sbin/php-fpm8.2", "it did not follow back");
    for node in ["n1", "n2"] {
        world.fleet.exec(node, ["/bin/rm", OTHER])?;
    }
    until_nodes_have(world, &["8.2"])
}

/// What systemd has of the account's slice.
fn slice(world: &World, site: &Site) -> Result<String> {
    let slice = format!("acct-{:02}-{}.slice", site.uid() % 100, site.uid());
    let wanted = "--property=MemoryMax,TasksMax,CPUQuotaPerSecUSec,IOReadBandwidthMax,IOWriteIOPSMax";
    world.fleet.exec(&site.node, ["/usr/bin/systemctl", "show", wanted, &slice])
}

pub(crate) fn a_plans_limits_reach_what_runs_and_outlast_a_restart_of_the_node(world: &World) -> Result<()> {
    let tenant = world.tenant("limiter")?;
    let plan_id = world.plan(tenant, "limiter")?;
    let body = CreateAccount {
        tenant_id: tenant,
        plan_id,
        username: "limited".parse()?,
        contact: None,
        domain: Some("limited.example".parse()?),
        document_root: None,
        create_zone: false,
        placement: None,
    };
    let site = world.site(world.create::<Account>(&body)?, "limited.example")?;
    site.put(world, "index.php", "<?php echo getmypid();")?;
    let before = world.fetch(&site, "/")?;
    ensure!(before.status == 200, "{before:?}");
    ensure!(slice(world, &site)?.contains("MemoryMax=infinity"), "{}", slice(world, &site)?);
    let plan = plan_id.to_string();
    let update = |limits: &[&str]| {
        let arguments = [&["plan", "update", &plan, "--wait"], limits].concat();
        world.fleet.npanel(&arguments)
    };
    update(&[
        "--memory-limit-mb",
        "512",
        "--processes",
        "99",
        "--cpu-percent",
        "150",
        "--io-mb-per-second",
        "20",
        "--io-operations-per-second",
        "1000",
    ])?;
    let expected = |told: &str| {
        let all = ["MemoryMax=536870912", "TasksMax=99", "CPUQuotaPerSecUSec=1.500000s"];
        let homes = ["IOReadBandwidthMax=/home 20971520", "IOWriteIOPSMax=/home 1000"];
        all.iter().chain(&homes).all(|one| told.lines().any(|line| line == *one))
    };
    ensure!(expected(&slice(world, &site)?), "{}", slice(world, &site)?);
    // What runs goes on: nothing was restarted for it.
    let after = world.fetch(&site, "/")?;
    ensure!(after.status == 200, "{after:?}");

    // A database server that is told to stop while it starts does not; now it has started.
    world.database(&site, "shop")?;
    world.fleet.stop(&site.node)?;
    world.restore()?;
    until("the site after a restart", LIMIT, || Ok(world.fetch(&site, "/").ok().filter(|page| page.status == 200)))?;
    ensure!(expected(&slice(world, &site)?), "after a restart: {}", slice(world, &site)?);

    update(&["--memory-limit-mb", "unlimited", "--io-mb-per-second", "unlimited"])?;
    let told = slice(world, &site)?;
    ensure!(told.contains("MemoryMax=infinity") && told.contains("TasksMax=99"), "{told}");
    ensure!(!told.contains("IOReadBandwidthMax=/home"), "{told}");
    Ok(())
}
