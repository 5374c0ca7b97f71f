//! A full disk beneath the homes, and beneath the databases: what cannot be done says why, what is there goes on, and
//! when there is room again it is done without a hand.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_model::{NodeConditionKind, Privileges};
use npanel_sdk_types::{
    Condition, CreateDatabase, CreateDatabaseUser, CreateDomain, Database, DatabaseUser, Domain, Grant, Node, Status,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Of a retry, whose longest wait is a minute, on a busy machine.
const RETRIED: Duration = Duration::from_secs(150);

/// A directory of a node on a file system of its own with some megabytes to spare, while this is used.
struct Small<'a> {
    world: &'a World,
    node: &'a str,
    directory: &'static str,
    /// Units that hold files open in it.
    users: &'static str,
}

impl Small<'_> {
    fn shell(&self, line: &str) -> Result<String> {
        self.world.fleet.exec(self.node, ["/bin/sh", "-c", line])
    }

    /// Moves the directory's contents onto it.
    fn mount(&self) -> Result<()> {
        let (at, users) = (self.directory, self.users);
        // What is an account's comes with the node's daemons.
        let starts = if users.contains('*') { "" } else { users };
        self.shell(&format!(
            "set -e; systemctl stop npanel-node npanel-executor {users}; cp -a {at} /root/kept
             mount -t tmpfs -o size=$(($(du -sm {at} | cut -f1) + 24))m,mode=$(stat -c %a {at}) tmpfs {at}
             chown --reference=/root/kept {at}; cp -a /root/kept/. {at}/; rm -rf /root/kept
             systemctl start {starts} npanel-executor npanel-node"
        ))?;
        until("the fleet to be whole", LIMIT, || Ok(self.world.fleet.is_ready()?.then_some(())))
    }

    fn fill(&self) -> Result<()> {
        self.shell(&format!("dd if=/dev/zero of={}/filler bs=4k 2>/dev/null; sync; true", self.directory)).map(drop)
    }

    fn empty(&self) -> Result<()> {
        self.shell(&format!("rm {}/filler", self.directory)).map(drop)
    }

    /// Moves everything back.
    fn unmount(&self) -> Result<()> {
        let (at, users) = (self.directory, self.users);
        // What is an account's comes with the node's daemons.
        let starts = if users.contains('*') { "" } else { users };
        self.shell(&format!(
            "set -e; systemctl stop npanel-node npanel-executor {users}; cp -a {at} /root/kept; umount -l {at}
             find {at} -mindepth 1 -delete; cp -a /root/kept/. {at}/; rm -rf /root/kept
             systemctl start {starts} npanel-executor npanel-node"
        ))
        .map(drop)
    }

    fn node(&self) -> Result<Node> {
        let found = self.world.block_on(self.world.client.list::<Node>(&[("name", self.node.to_owned())]))?.items;
        found.into_iter().next().context("no such node")
    }

    fn until_it_says_so(&self, name: &str) -> Result<()> {
        until(&format!("{} to say that {name} has no room", self.node), LIMIT, || {
            let said = self.node()?.conditions;
            let says = said.iter().any(|one| one.kind == NodeConditionKind::DiskPressure && one.subject.contains(name));
            Ok(says.then_some(()))
        })
    }

    fn until_well(&self) -> Result<()> {
        until(&format!("nothing to be wrong with {}", self.node), RETRIED, || {
            Ok(self.node()?.conditions.is_empty().then_some(()))
        })
    }
}

fn is_full(status: Status, conditions: &[Condition]) -> bool {
    status == Status::Failed && conditions.iter().any(|one| one.reason == "DiskFull")
}

fn add_domain(world: &World, site: &Site, name: &str) -> Result<Domain> {
    let body =
        CreateDomain { account_id: site.account.id, name: name.parse()?, document_root: None, create_zone: false };
    Ok(world.block_on(world.client.create::<Domain>(&body, Wait::No))?.object)
}

pub(crate) fn a_site_on_a_full_disk_of_homes_says_so_and_is_made_when_there_is_room(world: &World) -> Result<()> {
    let site = world.host("homefull", "homefull.example")?;
    let small = Small { world, node: &site.node, directory: "/home", users: "'npanel-php*@*.socket' 'npanel-php*@*.service'" };
    small.mount()?;
    small.fill()?;
    let added = add_domain(world, &site, "more.homefull.example")?;
    until("the site to say that there is no room", LIMIT, || {
        let found = world.block_on(world.client.get::<Domain>(added.id))?.convergence;
        Ok(is_full(found.status, &found.conditions).then_some(()))
    })?;
    small.until_it_says_so("homes")?;
    let page = world.fetch(&site, "/")?;
    ensure!(page.status == 200, "the site went down with the disk: {page:?}");
    small.empty()?;
    until("the site to be made", RETRIED, || {
        let found = world.block_on(world.client.get::<Domain>(added.id))?;
        Ok((found.convergence.status == Status::Ready).then_some(()))
    })?;
    let (first, added) = (world.fetch(&site, "/")?, world.fetch_from(site.address, added.name.as_str(), "/")?);
    ensure!(added.status == 200 && !added.body.is_empty(), "half a page: {added:?}");
    ensure!(first.status == 200, "{first:?}");
    let half = small.shell("find /home -name '.new-*' -o -name '.npanel*'")?;
    ensure!(half.is_empty(), "half files: {half}");
    small.until_well()?;
    small.unmount()
}

pub(crate) fn a_database_on_a_full_disk_says_so_and_is_made_when_there_is_room(world: &World) -> Result<()> {
    let site = world.host("datafull", "datafull.example")?;
    let there = world.database(&site, "there")?;
    let small = Small { world, node: &site.node, directory: "/var/lib/mysql", users: "mariadb" };
    small.mount()?;
    small.fill()?;
    let account_id = site.account.id;
    let database = CreateDatabase { account_id, name: "more".to_owned() };
    let database = world.block_on(world.client.create::<Database>(&database, Wait::No))?.object;
    let grants = vec![Grant { database_id: database.id, privileges: Privileges::All }];
    let user = CreateDatabaseUser { account_id, name: "more".to_owned(), password: None, grants };
    let user = world.block_on(world.client.create::<DatabaseUser>(&user, Wait::No))?.object;
    until("the database to say that there is no room", LIMIT, || {
        let found = world.block_on(world.client.get::<Database>(database.id))?.convergence;
        Ok(is_full(found.status, &found.conditions).then_some(()))
    })?;
    small.until_it_says_so("databases")?;
    // Neither the one that is there nor the site has stopped, and the node does other work.
    let logs_in = |name: &str, password: &str, database: &str| {
        let (name, password) = (format!("--user={name}"), format!("--password={password}"));
        let argv = ["/usr/bin/mariadb", &name, &password, "--execute=SELECT 1", database];
        world.fleet.exec(&site.node, argv).is_ok()
    };
    ensure!(logs_in(&there.user, &there.password, &there.name), "the database that was there does not answer");
    let beside = add_domain(world, &site, "beside.datafull.example")?;
    until("a site beside it to be made", LIMIT, || {
        let found = world.block_on(world.client.get::<Domain>(beside.id))?;
        Ok((found.convergence.status == Status::Ready).then_some(()))
    })?;
    small.empty()?;
    until("the database and its user to be made", RETRIED, || {
        let found = world.block_on(world.client.get::<DatabaseUser>(user.id))?;
        Ok((found.convergence.status == Status::Ready).then_some(()))
    })?;
    let password = user.password.context("no password was made")?;
    ensure!(logs_in(user.name.as_str(), password.expose(), database.name.as_str()), "the new user cannot log in");
    small.until_well()?;
    small.unmount()
}
