//! Checkers that refuse, a disk that is full, a node that is cut off: each ends converged, or says what is wrong.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use npanel_client::Wait;
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_model::{DatabaseUserId, Megabytes, NodeConditionKind, PhpVersion, Secret};
use npanel_sdk_types::{
    Account, CronJob, DatabaseUser, Domain, NodeCondition,
    SetCronJobs, SetPassword, Status, Suspend, UpdateAccount,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
/// Of a retry: its longest wait is a minute.
const RETRIED: Duration = Duration::from_secs(120);

fn account(world: &World, account: &Account) -> Result<Account> {
    Ok(world.block_on(world.client.get::<Account>(account.id))?)
}

fn conditions(world: &World, name: &str) -> Result<Vec<NodeCondition>> {
    Ok(world.node(name)?.conditions)
}

fn until_condition(world: &World, node: &str, kind: NodeConditionKind, words: &str) -> Result<()> {
    until(&format!("{node} to say {kind}"), LIMIT, || {
        let found = conditions(world, node)?;
        let says = |one: &NodeCondition| {
            one.kind == kind && format!("{} {} {}", one.subject, one.reason, one.message).contains(words)
        };
        Ok(found.iter().any(says).then_some(()))
    })
}

fn until_well(world: &World, node: &str) -> Result<()> {
    until(&format!("nothing to be wrong with {node}"), RETRIED, || {
        Ok(conditions(world, node)?.is_empty().then_some(()))
    })
}

/// In the place of PHP: refuses one account's configuration, and is PHP otherwise.
const CHOOSY: &str = "mv /usr/sbin/php-fpm8.2 /usr/sbin/php-fpm8.2.real && printf '%s\\n' '#!/bin/sh' \
    'for a in \"$@\"; do case \"$a\" in /srv/npanel/php/*|/run/npanel-foresight/*) if /usr/bin/grep -q /home/refused \"$a\"; then \
     echo \"ERROR: this one is not to my taste\" >&2; exit 78; fi;; esac; done' \
    'exec /usr/sbin/php-fpm8.2.real \"$@\"' > /usr/sbin/php-fpm8.2 && chmod 0755 /usr/sbin/php-fpm8.2";
const PLAIN: &str = "mv /usr/sbin/php-fpm8.2.real /usr/sbin/php-fpm8.2";

/// What a dry run says that the account's node would say against it.
fn foreseen(world: &World, username: &str) -> Result<String> {
    let (tenant, plan) = world.platform()?;
    let body = json!({"tenant_id": tenant, "plan_id": plan, "username": username}).to_string();
    let key = world.administrator_key()?;
    let answer = world.raw("c1", "POST", "/v1/accounts?dry_run=true", Some(&key), Some(&body))?;
    let objects = answer.body["objects"].as_array().with_context(|| format!("{answer:?}"))?;
    let account = objects.iter().find(|one| one["object_kind"] == "account").context("no account")?;
    ensure!(account["answer"] == "answered", "{account}");
    Ok(account["message"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn the_account_that_a_checker_refuses_is_singled_out(world: &World) -> Result<()> {
    for node in ["n1", "n2"] {
        world.shell(node, CHOOSY)?;
    }
    until("a dry run to tell what the checker says", LIMIT, || {
        let told = foreseen(world, "refused")?.contains("not to my taste");
        Ok((told && foreseen(world, "taste1")?.is_empty()).then_some(()))
    })?;
    let refused = world.post_account("refused", None)?;
    let others: Vec<Account> = ["taste1", "taste2", "taste3", "taste4"]
        .iter()
        .map(|name| world.post_account(name, None))
        .collect::<Result<_>>()?;
    for other in &others {
        world.until_ready(other, LIMIT)?;
    }
    until("the refused one to say why", LIMIT, || {
        let found = account(world, &refused)?.convergence;
        let says = |one: &npanel_sdk_types::Condition| {
            one.reason == "CheckRefused" && one.message.contains("not to my taste")
        };
        Ok((found.status == Status::Failed && found.conditions.iter().any(says)).then_some(()))
    })?;
    for node in ["n1", "n2"] {
        world.shell(node, PLAIN)?;
    }
    world.until_ready(&refused, RETRIED)
}

pub(crate) fn a_base_that_is_refused_is_told_and_the_last_good_one_goes_on(world: &World) -> Result<()> {
    let site = world.host("basis", "basis.example")?;
    let node = site.node.clone();
    world.shell(&node, "mv /etc/nginx/mime.types /etc/nginx/mime.types.away")?;
    // What is running is good; the file is to be put right, and the checker refuses the right one too.
    world.shell(&node, "echo '# by hand' >> /etc/nginx/npanel.conf")?;
    until_condition(world, &node, NodeConditionKind::ConfigurationFailed, "mime.types")?;
    ensure!(world.fetch(&site, "/")?.status == 200, "the site went down with a refused configuration");
    // A dry run says so too, of the node that it concerns.
    let key = world.administrator_key()?;
    let path = format!("/v1/accounts/{}/suspend?dry_run=true", site.account.id);
    let ahead = world.raw("c1", "POST", &path, Some(&key), Some("{}"))?.body["warnings"].to_string();
    ensure!(ahead.contains(&node) && ahead.contains("mime.types"), "{ahead}");
    let other = world.post_account("basis2", None)?;
    world.until_ready(&other, LIMIT)?;
    world.shell(&node, "mv /etc/nginx/mime.types.away /etc/nginx/mime.types")?;
    until_well(world, &node)
}

pub(crate) fn a_node_whose_ledger_has_no_room_says_so_and_goes_on_when_it_has(world: &World) -> Result<()> {
    let site = world.host("filler", "filler.example")?;
    let node = site.node.clone();
    let small = "systemctl stop npanel-node && cp -a /var/lib/npanel /var/lib/npanel.saved \
        && mount -t tmpfs -o size=4m,mode=0700 tmpfs /var/lib/npanel \
        && cp -a /var/lib/npanel.saved/. /var/lib/npanel/ && systemctl start npanel-node";
    world.shell(&node, small)?;
    until("the fleet to be whole", LIMIT, || Ok(world.fleet.is_ready()?.then_some(())))?;
    world.shell(&node, "dd if=/dev/zero of=/var/lib/npanel/filler bs=4k 2>/dev/null; true")?;
    let before = world.shell(&node, "systemctl show -P MainPID npanel-node")?;
    let added = world.post_domain(&site.account, "more.filler.example")?;
    until_condition(world, &node, NodeConditionKind::LedgerUnwritable, "ledger")?;
    until_condition(world, &node, NodeConditionKind::DiskPressure, "ledger")?;
    ensure!(world.fetch(&site, "/")?.status == 200, "the site went down with the ledger's disk");
    let half = world.shell(&node, "find /var/lib/npanel/ledger -name '.new-*'")?;
    ensure!(half.is_empty(), "half files: {half}");
    world.shell(&node, "rm /var/lib/npanel/filler")?;
    world.until_served(&added, RETRIED)?;
    let after = world.shell(&node, "systemctl show -P MainPID npanel-node")?;
    ensure!(before == after, "the daemon has crashed");
    until_well(world, &node)?;
    world.shell(
        &node,
        "systemctl stop npanel-node && rm -rf /var/lib/npanel.saved && cp -a /var/lib/npanel /var/lib/npanel.saved \
         && umount /var/lib/npanel && cp -a /var/lib/npanel.saved/. /var/lib/npanel/ \
         && rm -rf /var/lib/npanel.saved && systemctl start npanel-node",
    )?;
    Ok(())
}

/// An account of its own for each kind of change.
const CUT: [&str; 8] = ["gone1", "gone2", "resting", "revived", "newer", "keys", "wider", "planned"];

/// A second PHP on the node, which is the first one under another name, and the fleet knows of it.
fn add_php(world: &World, node: &str) -> Result<()> {
    world.shell(node, "cp /usr/sbin/php-fpm8.2 /usr/sbin/php-fpm8.4 && systemctl restart npanel-node")?;
    let version: PhpVersion = "8.4".parse()?;
    until(&format!("{node} to say that it has PHP {version}"), LIMIT, || {
        Ok(world.node(node)?.php_versions.contains(&version).then_some(()))
    })
}

fn use_php(world: &World, site: &Site, version: Option<&str>, wait: Wait) -> Result<()> {
    let version = version.map(str::parse).transpose()?;
    let change = UpdateAccount { php_version: Some(version), ..UpdateAccount::default() };
    world.block_on(world.client.update::<Account>(site.account.id, &change, wait))?;
    Ok(())
}

/// What an hour of changes comes to, one after another: of each object only the last one counts.
fn change_much(world: &World, sites: &[Site], user: DatabaseUserId) -> Result<(String, Vec<Domain>)> {
    let [gone1, gone2, resting, revived, newer, keys, wider, planned] = sites else { bail!("not the accounts") };
    let why = Suspend { reason: "unpaid".to_owned(), kind: None };
    for site in [gone1, gone2] {
        world.block_on(world.client.delete::<Account>(site.account.id, Wait::No))?;
    }
    world.block_on(world.client.suspend::<Account>(resting.account.id, &why, Wait::No))?;
    world.block_on(world.client.unsuspend::<Account>(revived.account.id, Wait::No))?;
    for version in [Some("8.4"), None, Some("8.4")] {
        use_php(world, newer, version, Wait::No)?;
    }
    let mut password = String::new();
    for number in 0..3 {
        password = format!("changed-while-cut-off-{number}");
        let body = SetPassword { password: Some(Secret::new(password.clone())) };
        world.block_on(world.client.set_database_password(user, &body, Wait::No))?;
    }
    let job = CronJob { schedule: "7 3 * * *".parse()?, command: "true".parse()? };
    let jobs = SetCronJobs { jobs: vec![job] };
    world.block_on(world.client.set_cron_jobs(keys.account.id, &jobs, Wait::No))?;
    let larger = world.sized_plan(planned.account.tenant_id, "cut-off-larger", Megabytes(2048))?;
    let change = UpdateAccount { plan_id: Some(larger), ..UpdateAccount::default() };
    world.block_on(world.client.update::<Account>(planned.account.id, &change, Wait::No))?;
    let mut added = Vec::new();
    for number in 0..5 {
        added.push(world.post_domain(&wider.account, &format!("sub{number}.{}", wider.domain))?);
    }
    // What was made meanwhile goes again before the node hears of it.
    let forgotten = added.pop().context("nothing was added")?;
    world.block_on(world.client.delete::<Domain>(forgotten.id, Wait::No))?;
    Ok((password, added))
}

pub(crate) fn a_node_that_was_cut_off_during_many_changes_catches_up(world: &World) -> Result<()> {
    let node = "n1";
    let id = world.node(node)?.id;
    add_php(world, node)?;
    let sites: Vec<Site> = CUT.iter().map(|name| world.host_on(name, id)).collect::<Result<_>>()?;
    let [gone1, gone2, resting, revived, newer, keys, ..] = &sites[..] else { bail!("not the accounts") };
    let database = world.database(keys, "shop")?;
    let users = world.block_on(world.client.list_all::<DatabaseUser>(&[("name", database.user.clone())]))?;
    let user = users.first().context("no database user")?.id;
    let why = Suspend { reason: "unpaid".to_owned(), kind: None };
    let converged = Wait::Converged(World::PATIENCE);
    world.block_on(world.client.suspend::<Account>(revived.account.id, &why, converged))?;
    world.fleet.cut(node)?;
    let (password, added) = change_much(world, &sites, user)?;
    ensure!(world.fetch(&sites[6], "/").is_err(), "it was not cut off");
    world.fleet.heal()?;

    for domain in &added {
        world.until_served(domain, RETRIED)?;
        let page = world.fetch_from(sites[6].address, domain.name.as_str(), "/")?;
        ensure!(page.status == 200, "{} answers {}", domain.name, page.status);
    }
    for site in &sites[2..] {
        world.until_ready(&site.account, RETRIED)?;
    }
    let unit = format!("npanel-cron-{}-*.timer", keys.uid());
    let (gone, other) = (&gone1.domain, &gone2.domain);
    let login = format!("mariadb -u{} -p{password} -e 'SELECT 1' {}", database.user, database.name);
    let old = format!("! mariadb -u{} -p{} -e 'SELECT 1' {}", database.user, database.password, database.name);
    for wanted in [
        format!("test ! -e /srv/npanel/sites/{gone} && test ! -e /srv/npanel/sites/{other}"),
        "! id gone1 && ! id gone2".to_owned(),
        format!("test ! -e /srv/npanel/sites/sub4.{}", sites[6].domain),
        format!("test $(readlink /srv/npanel/php/{}/php-fpm) = /usr/sbin/php-fpm8.4", newer.uid()),
        login,
        old,
        format!("test $(systemctl list-units --no-legend --state=active '{unit}' | wc -l) = 1"),
    ] {
        until(&wanted, RETRIED, || {
            let line = format!("({wanted}) > /dev/null 2>&1");
            Ok(world.fleet.exec_any(node, ["/bin/sh", "-c", &line])?.status.success().then_some(()))
        })?;
    }
    for (site, status) in [(resting, 503), (revived, 200), (newer, 200), (keys, 200)] {
        let page = world.fetch(site, "/")?;
        ensure!(page.status == status, "{} answers {} and not {status}", site.domain, page.status);
    }
    use_php(world, newer, None, converged)?;
    world.shell(node, "rm /usr/sbin/php-fpm8.4 && systemctl restart npanel-node")?;
    until_well(world, node)
}
