//! A full disk beneath the homes, and beneath the databases: what cannot be done says why, what is there goes on, and
//! when there is room again it is done without a hand.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::{NodeConditionKind, Privileges};
use npanel_sdk_types::{
    Condition, CreateDatabase, CreateDatabaseUser, Database, DatabaseUser, Domain, Grant, Status,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Of a retry, whose longest wait is a minute, on a busy machine.
const RETRIED: Duration = Duration::from_secs(150);

/// A directory of a node on a file system of its own with some megabytes to spare, while this is there.
struct Small<'a> {
    world: &'a World,
    node: &'a str,
    directory: &'static str,
    users: Users,
    mounted: Cell<bool>,
}

/// Units that hold files open in a directory.
#[derive(Clone, Copy)]
enum Users {
    /// They are started by themselves.
    Service(&'static str),
    /// They come with the node's daemons.
    Accounts(&'static str),
}

impl<'a> Small<'a> {
    /// Moves the directory's contents onto a file system with 24 MB to spare, and fills that up.
    ///
    /// It is filled while nothing runs that could free a block of it afterwards, unless what uses it needs room to
    /// start.
    fn fill(world: &'a World, node: &'a str, directory: &'static str, users: Users) -> Result<Self> {
        let small = Self { world, node, directory, users, mounted: Cell::new(true) };
        let mount = format!(
            "cp -a {directory} /root/kept
             mount -t tmpfs -o size=$(($(du -sm {directory} | cut -f1) + 24))m,mode=$(stat -c %a {directory}) \\
                 tmpfs {directory}
             chown --reference=/root/kept {directory}; cp -a /root/kept/. {directory}/; rm -rf /root/kept"
        );
        let fill = format!("dd if=/dev/zero of={directory}/.filler bs=4k 2>/dev/null || sync");
        match users {
            Users::Accounts(_) => small.at_rest(&format!("{mount}\n{fill}"))?,
            Users::Service(_) => {
                small.at_rest(&mount)?;
                world.shell(node, &fill)?;
            }
        }
        Ok(small)
    }

    /// Runs lines while nothing uses the directory.
    fn at_rest(&self, lines: &str) -> Result<()> {
        let (stops, starts) = match self.users {
            Users::Service(unit) => (unit, unit),
            Users::Accounts(units) => (units, ""),
        };
        let lines = format!(
            "set -e; systemctl stop npanel-node npanel-executor {stops}
             {lines}
             systemctl start {starts} npanel-executor npanel-node"
        );
        self.world.shell(self.node, &lines)?;
        until("the fleet to be whole", LIMIT, || Ok(self.world.fleet.is_ready()?.then_some(())))
    }

    fn empty(&self) -> Result<()> {
        self.world.shell(self.node, &format!("rm {}/.filler", self.directory)).map(drop)
    }

    /// Moves everything back.
    fn unmount(&self) -> Result<()> {
        self.mounted.set(false);
        let at = self.directory;
        self.at_rest(&format!(
            "if mountpoint -q {at}; then
                 rm -f {at}/.filler; cp -a {at} /root/kept; umount -l {at}
                 find {at} -mindepth 1 -delete; cp -a /root/kept/. {at}/; rm -rf /root/kept
             fi"
        ))
    }

    fn until_it_says_so(&self, name: &str) -> Result<()> {
        until(&format!("{} to say that {name} has no room", self.node), LIMIT, || {
            let said = self.world.node(self.node)?.conditions;
            let says = said.iter().any(|one| one.kind == NodeConditionKind::DiskPressure && one.subject.contains(name));
            Ok(says.then_some(()))
        })
    }

    fn until_well(&self) -> Result<()> {
        until(&format!("nothing to be wrong with {}", self.node), RETRIED, || {
            Ok(self.world.node(self.node)?.conditions.is_empty().then_some(()))
        })
    }
}

impl Drop for Small<'_> {
    /// The scenarios after a failed one have their disk.
    fn drop(&mut self) {
        if self.mounted.get() {
            let undone = self.unmount();
            eprintln!("{} of {} is put back: {undone:?}", self.directory, self.node);
        }
    }
}

fn is_full(status: Status, conditions: &[Condition]) -> bool {
    status == Status::Failed && conditions.iter().any(|one| one.reason == "DiskFull")
}

pub(crate) fn a_site_on_a_full_disk_of_homes_says_so_and_is_made_when_there_is_room(world: &World) -> Result<()> {
    let site = world.host("homefull", "homefull.example")?;
    let php = Users::Accounts("'npanel-php*@*.socket' 'npanel-php*@*.service'");
    let small = Small::fill(world, &site.node, "/home", php)?;
    let added = world.post_domain(&site.account, "more.homefull.example")?;
    until("the site to say that there is no room", LIMIT, || {
        let found = world.block_on(world.client.get::<Domain>(added.id))?.convergence;
        Ok(is_full(found.status, &found.conditions).then_some(()))
    })?;
    small.until_it_says_so("homes")?;
    let page = world.fetch(&site, "/")?;
    ensure!(page.status == 200, "the site went down with the disk: {page:?}");
    small.empty()?;
    world.until_served(&added, RETRIED)?;
    let (first, added) = (world.fetch(&site, "/")?, world.fetch_from(site.address, added.name.as_str(), "/")?);
    ensure!(added.status == 200 && !added.body.is_empty(), "half a page: {added:?}");
    ensure!(first.status == 200, "{first:?}");
    let half = world.shell(&site.node, "find /home -name '.new-*' -o -name '.npanel*'")?;
    ensure!(half.is_empty(), "half files: {half}");
    small.until_well()?;
    small.unmount()
}

pub(crate) fn a_database_on_a_full_disk_says_so_and_is_made_when_there_is_room(world: &World) -> Result<()> {
    let site = world.host("datafull", "datafull.example")?;
    let there = world.database(&site, "there")?;
    let small = Small::fill(world, &site.node, "/var/lib/mysql", Users::Service("mariadb"))?;
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
    let beside = world.post_domain(&site.account, "beside.datafull.example")?;
    world.until_served(&beside, LIMIT)?;
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
