//! The node's daemons are killed again and again while it has much to do: in the end everything is as it was asked for,
//! and no daemon needs a hand.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_sdk_types::{
    Account, CreateDatabase, Database, Domain, Status, Suspend,
};

/// Each interrupts what was begun, and is waited for by a retry.
const KILLS: u64 = 14;
const LIMIT: Duration = Duration::from_secs(180);

/// Kills one of the daemons after a time that is another one each time, so that each stage of the work is met.
fn kill(world: &World, node: &str, number: u64) -> Result<()> {
    let unit = if number.is_multiple_of(2) { "npanel-executor" } else { "npanel-node" };
    let wait = (number * 137 + 40) % 900;
    let line = format!("sleep {}.{:03}; systemctl kill --kill-whom=all -s KILL {unit}; true", wait / 1000, wait % 1000);
    world.shell(node, &line)?;
    let up = ["/bin/sh", "-c", "systemctl is-active npanel-executor npanel-node"];
    until("both daemons to be up again", LIMIT, || Ok(world.fleet.exec_any(node, up)?.status.success().then_some(())))
}

pub(crate) fn daemons_that_are_killed_at_any_point_leave_everything_as_it_was_asked_for(world: &World) -> Result<()> {
    let first = world.host("struck0", "struck0.example")?;
    let node = first.node.clone();
    let id = world.node(&node)?.id;
    let (suspended, deleted) = (world.post_account("struck1", Some(id))?, world.post_account("struck2", Some(id))?);
    for account in [&suspended, &deleted] {
        world.until_ready(account, LIMIT)?;
    }
    // systemd stops starting what dies too often; here that is on purpose.
    let limits = "for u in npanel-node npanel-executor; do mkdir -p /run/systemd/system/$u.service.d; \
                  printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestartSec=100ms\\n' \
                  > /run/systemd/system/$u.service.d/kills.conf; done; systemctl daemon-reload";
    world.shell(&node, limits)?;
    let mut made: Vec<Account> =
        (0..KILLS).map(|number| world.post_account(&format!("blow{number}"), Some(id))).collect::<Result<_>>()?;
    for number in 0..KILLS {
        // More to do each time.
        let account = &made[usize::try_from(number)?];
        world.post_domain(account, &format!("more.{}.example", account.username))?;
        if number == 3 {
            let body = CreateDatabase { account_id: made[0].id, name: "shop".to_owned() };
            world.block_on(world.client.create::<Database>(&body, Wait::No))?;
            let why = Suspend { reason: "unpaid".to_owned(), kind: None };
            world.block_on(world.client.suspend::<Account>(suspended.id, &why, Wait::No))?;
            world.block_on(world.client.delete::<Account>(deleted.id, Wait::No))?;
            world.block_on(world.client.delete::<Account>(made[1].id, Wait::No))?;
        }
        kill(world, &node, number)?;
    }
    made.remove(1);
    for account in &made {
        let filter = [("account_id", account.id.to_string())];
        until(&format!("{} to be ready", account.username), LIMIT, || {
            let own = world.block_on(world.client.get::<Account>(account.id))?.convergence.status == Status::Ready;
            let domains = world.block_on(world.client.list_all::<Domain>(&filter))?;
            let served = domains.iter().all(|domain| domain.convergence.status == Status::Ready);
            Ok((own && served && domains.len() == 2).then_some(()))
        })?;
        let site = world.site(account.clone(), &format!("{}.example", account.username))?;
        for name in [site.domain.clone(), format!("more.{}", site.domain)] {
            ensure!(world.fetch_from(site.address, &name, "/")?.status == 200, "{name} is not served");
        }
    }
    for wanted in ["! id struck2", "! id blow1", "! test -e /srv/npanel/sites/blow1.example", "id struck1"] {
        until(wanted, LIMIT, || {
            let said = world.fleet.exec_any(&node, ["/bin/sh", "-c", &format!("{wanted} > /dev/null 2>&1")])?;
            Ok(said.status.success().then_some(()))
        })?;
    }
    let page = world.fetch(&world.site(suspended, "struck1.example")?, "/")?;
    ensure!(page.status == 503, "the suspended account is served: {page:?}");
    let half = "find /srv/npanel /home /etc/userdb -xdev -name '.new-*'";
    let half = world.shell(&node, half)?;
    ensure!(half.is_empty(), "half files: {half}");
    let undo = "rm /run/systemd/system/npanel-*.service.d/kills.conf; systemctl daemon-reload";
    world.shell(&node, undo)?;
    Ok(())
}
