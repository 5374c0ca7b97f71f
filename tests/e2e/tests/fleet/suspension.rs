//! What is suspended is kept and not served, and comes back as it was; the neighbours notice nothing.

use anyhow::{Result, ensure};
use npanel_client::{Suspendable, Wait};
use npanel_e2e::{Site, SiteDatabase, World};
use npanel_sdk_types::{Account, CreateAccount, Domain, Suspend, SuspensionOf, Tenant};

const UNIT: &str = "npanel-php*@";

fn domain(world: &World, name: &str) -> Result<Domain> {
    let found = world.block_on(world.client.list_all::<Domain>(&[("name", name.to_owned())]))?;
    found.into_iter().next().ok_or_else(|| anyhow::anyhow!("there is no domain {name}"))
}

fn suspend<T: Suspendable>(world: &World, id: T::Id) -> Result<()> {
    let why = Suspend { reason: "unpaid".to_owned(), kind: None };
    let written = world.block_on(world.client.suspend::<T>(id, &why, Wait::Converged(World::PATIENCE)))?;
    ensure!(!written.timed_out, "the suspension did not converge");
    Ok(())
}

fn unsuspend<T: Suspendable>(world: &World, id: T::Id) -> Result<()> {
    let written = world.block_on(world.client.unsuspend::<T>(id, Wait::Converged(World::PATIENCE)))?;
    ensure!(!written.timed_out, "lifting the suspension did not converge");
    Ok(())
}

/// Whether the database user can log in.
fn logs_in(world: &World, site: &Site, database: &SiteDatabase) -> bool {
    let (user, password) = (format!("--user={}", database.user), format!("--password={}", database.password));
    let argv = ["/usr/bin/mariadb", &user, &password, "--execute=SELECT 1", &database.name];
    world.fleet.exec(&site.node, argv).is_ok()
}

/// The units of the account's PHP that run.
fn running(world: &World, site: &Site) -> Result<String> {
    let pattern = format!("{UNIT}{}.*", site.uid());
    let argv = ["/usr/bin/systemctl", "list-units", "--plain", "--no-legend", "--state=active", &pattern];
    world.fleet.exec(&site.node, argv)
}

/// The processes of the web server: a reload replaces its workers.
fn web_server(world: &World, site: &Site) -> Result<String> {
    world.fleet.exec(&site.node, ["/usr/bin/pgrep", "--exact", "nginx"])
}

pub(crate) fn a_suspended_account_is_not_served_and_comes_back_as_it_was(world: &World) -> Result<()> {
    let site = world.host("paused", "paused.example")?;
    let neighbour = world.host("unpaused", "unpaused.example")?;
    let database = world.database(&site, "shop")?;
    for site in [&site, &neighbour] {
        site.put(world, "index.php", "<?php echo 'served ', posix_geteuid();")?;
        ensure!(world.fetch(site, "/")?.status == 200, "{} is not served", site.domain);
    }
    ensure!(logs_in(world, &site, &database), "the database user cannot log in");
    let (workers, address) = (web_server(world, &site)?, world.lookup(site.address, &site.domain, "A")?);

    suspend::<Account>(world, site.account.id)?;
    for path in ["/", "/index.php", "/nothing-there", "/.well-known/x"] {
        let page = world.fetch(&site, path)?;
        let is_page = page.status == 503 && page.body.contains("This site is suspended");
        ensure!(is_page, "{path} answered {page:?}");
    }
    ensure!(running(world, &site)?.is_empty(), "PHP of a suspended account: {}", running(world, &site)?);
    ensure!(!logs_in(world, &site, &database), "a suspended account's database user logged in");
    ensure!(world.lookup(site.address, &site.domain, "A")? == address, "a suspended account's DNS changed");
    ensure!(domain(world, &site.domain)?.suspension.is_some_and(|found| found.of == SuspensionOf::Account));

    let page = world.fetch(&neighbour, "/")?;
    ensure!(page.body == format!("served {}", neighbour.uid()), "the neighbour: {page:?}");
    ensure!(web_server(world, &site)? == workers, "the web server was reloaded for a suspension");

    unsuspend::<Account>(world, site.account.id)?;
    let page = world.fetch(&site, "/")?;
    ensure!(page.body == format!("served {}", site.uid()), "{page:?}");
    ensure!(logs_in(world, &site, &database), "the database user cannot log in again");
    Ok(())
}

pub(crate) fn a_domain_suspended_by_itself_stays_so_when_its_account_is_not(world: &World) -> Result<()> {
    let site = world.host("partly", "partly.example")?;
    let second = npanel_sdk_types::CreateDomain {
        account_id: site.account.id,
        name: "partly-too.example".parse()?,
        document_root: None,
        create_zone: true,
    };
    let second = world.create::<Domain>(&second)?;
    let status = |name: &str| world.fetch_from(site.address, name, "/").map(|page| page.status);
    suspend::<Domain>(world, second.id)?;
    ensure!((status("partly.example")?, status("partly-too.example")?) == (200, 503));
    suspend::<Account>(world, site.account.id)?;
    ensure!((status("partly.example")?, status("partly-too.example")?) == (503, 503));
    unsuspend::<Account>(world, site.account.id)?;
    ensure!((status("partly.example")?, status("partly-too.example")?) == (200, 503));
    unsuspend::<Domain>(world, second.id)?;
    ensure!((status("partly.example")?, status("partly-too.example")?) == (200, 200));
    Ok(())
}

pub(crate) fn a_suspension_outlasts_a_restart_of_the_node(world: &World) -> Result<()> {
    let site = world.host("asleep", "asleep.example")?;
    suspend::<Account>(world, site.account.id)?;
    world.fleet.stop(&site.node)?;
    world.restore()?;
    let page = npanel_fleet::until("the suspension page after a restart", World::PATIENCE, || {
        Ok(world.fetch(&site, "/").ok())
    })?;
    ensure!(page.status == 503, "{page:?}");
    ensure!(running(world, &site)?.is_empty(), "PHP of a suspended account runs after a restart");
    Ok(())
}

pub(crate) fn a_suspended_tenants_sites_rest_and_come_back_as_they_were(world: &World) -> Result<()> {
    let tenant = world.tenant("unpaid")?;
    let plan_id = world.plan(tenant, "unpaid")?;
    let on = |username: &str| -> Result<Site> {
        let domain = format!("{username}.example");
        let body = CreateAccount {
            tenant_id: tenant,
            plan_id,
            username: username.parse()?,
            contact: None,
            domain: Some(domain.parse()?),
            document_root: None,
            create_zone: false,
            placement: None,
        };
        let site = world.site(world.create::<Account>(&body)?, &domain)?;
        site.put(world, "index.php", "<?php echo 'served';")?;
        Ok(site)
    };
    let (first, own) = (on("unpaid1")?, on("unpaid2")?);
    let neighbour = world.host("paid", "paid.example")?;
    neighbour.put(world, "index.php", "<?php echo 'served';")?;
    suspend::<Account>(world, own.account.id)?;
    let status = |site: &Site| world.fetch(site, "/").map(|page| page.status);
    ensure!((status(&first)?, status(&own)?, status(&neighbour)?) == (200, 503, 200));

    suspend::<Tenant>(world, tenant)?;
    let page = world.fetch(&first, "/")?;
    ensure!(page.status == 503 && page.body.contains("This site is suspended"), "{page:?}");
    ensure!(running(world, &first)?.is_empty(), "PHP of a suspended tenant: {}", running(world, &first)?);
    ensure!((status(&own)?, status(&neighbour)?) == (503, 200));
    ensure!(domain(world, &first.domain)?.suspension.is_some_and(|found| found.of == SuspensionOf::Tenant));

    unsuspend::<Tenant>(world, tenant)?;
    ensure!(world.fetch(&first, "/")?.body == "served");
    ensure!(status(&own)? == 503, "it was suspended by itself");
    unsuspend::<Account>(world, own.account.id)?;
    ensure!(world.fetch(&own, "/")?.body == "served");
    Ok(())
}
