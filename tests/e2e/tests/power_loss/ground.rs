//! Three controllers, each with its data on a lossy disk.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use npanel_e2e::World;
use npanel_fleet::{Content, Fleet, Kind, until};
use npanel_lossy_disk::LossyDisk;

use crate::Asked;

/// How long a controller may need to come back, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// So little is kept of the log that snapshots and purges are met within a minute, and one that was away for a moment gets a snapshot.
const LITTLE_IS_KEPT: &str =
    "[raft_log]\nsnapshot_after_entries = 150\nkept_entries = 30\npatience_seconds = 1\n";

/// What every node of the fleet stands on.
pub(crate) struct Ground {
    pub(crate) world: World,
    pub(crate) asked: Asked,
    disks: RefCell<BTreeMap<String, LossyDisk>>,
    lives: Cell<u32>,
}

impl Ground {
    pub(crate) fn boot(asked: Asked) -> Result<Self> {
        let mut disks = BTreeMap::new();
        let mut chance = fastrand::Rng::with_seed(asked.seed);
        let prepare = |fleet: &Fleet| {
            for member in fleet.of_kind(Kind::Controller) {
                fleet.configure(&member.name, LITTLE_IS_KEPT)?;
                let mut disk = LossyDisk::mount(&fleet.controller_data(&member.name)?, chance.u64(..))?;
                if let Ok(part) = std::env::var("NPANEL_UNSYNCED") {
                    disk.ignore_syncs(&part);
                }
                disks.insert(member.name.clone(), disk);
            }
            Ok(())
        };
        let world = World::boot_of("power", 3, 0, prepare)?;
        Ok(Self { world, asked, disks: RefCell::new(disks), lives: Cell::new(0) })
    }

    /// Draws that are this scenario's own.
    pub(crate) fn chance(&self, scenario: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.asked.seed.wrapping_add(scenario))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.disks.borrow().keys().cloned().collect()
    }

    /// Those that do not lead.
    pub(crate) fn followers(&self) -> Result<Vec<String>> {
        let leader = self.world.leader()?;
        Ok(self.names().into_iter().filter(|name| *name != leader).collect())
    }

    /// Does something with a controller's disk.
    pub(crate) fn with_disk<T>(&self, name: &str, work: impl FnOnce(&mut LossyDisk) -> T) -> Result<T> {
        let mut disks = self.disks.borrow_mut();
        Ok(work(disks.get_mut(name).with_context(|| format!("{name} has no disk"))?))
    }

    /// The power of these goes, all at one moment.
    pub(crate) fn cut(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.with_disk(name, |disk| disk.cut())?;
        }
        names.iter().try_for_each(|name| self.world.fleet.kill(name))
    }

    /// The power of this one is back; its disk is as the cut has left it, and its daemon is down.
    pub(crate) fn power_on(&self, name: &str) -> Result<()> {
        let loss = self.with_disk(name, LossyDisk::power_on)??;
        self.lives.set(self.lives.get() + 1);
        println!("    {name} has lost: {loss}");
        Ok(())
    }

    /// The power is back, and the daemons start.
    pub(crate) fn start(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.power_on(name)?;
            self.world.fleet.start(name)?;
        }
        names.iter().try_for_each(|name| self.until_ready(name))
    }

    /// How often the power has come back.
    pub(crate) fn lives(&self) -> u32 {
        self.lives.get()
    }

    pub(crate) fn is_ready(&self, name: &str) -> Result<bool> {
        let url = format!("http://{}:9470/readyz", self.world.fleet.member(name)?.address);
        let said = self.world.fleet.hub("/usr/bin/curl", ["--silent", "--max-time", "2", &url]);
        Ok(said.is_ok_and(|said| said.trim() == "ready"))
    }

    /// Waits until it serves; a daemon that has ended by itself is told of at once, with what it said.
    pub(crate) fn until_ready(&self, name: &str) -> Result<()> {
        let ended = until(&format!("{name} to be ready"), LIMIT, || {
            let is_up = self.world.fleet.is_up(name)?;
            Ok(if is_up { self.is_ready(name)?.then_some(false) } else { Some(true) })
        })?;
        if ended {
            let log = self.world.fleet.controller_data(name)?.with_file_name("controller.log");
            let log = std::fs::read_to_string(log)?;
            let last: Vec<&str> = log.lines().rev().take(6).collect();
            bail!(
                "{name} has ended by itself; it said last:\n{}",
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        Ok(())
    }

    /// Undoes what a scenario may have left.
    pub(crate) fn make_whole(&self) -> Result<()> {
        for name in self.names() {
            let is_cut = self.with_disk(&name, |disk| {
                disk.set_free(None);
                disk.let_syncs_be();
                disk.cut_when(None);
                disk.is_cut()
            })?;
            if is_cut {
                self.world.fleet.kill(&name)?;
                self.power_on(&name)?;
            }
        }
        self.world.restore()
    }

    /// All replicas have the same content once nothing is written any more, and the audit is whole.
    pub(crate) fn all_agree(&self) -> Result<()> {
        let mut compared = None;
        until("all controllers to be at one place", LIMIT, || {
            let all: Vec<Content> =
                self.names().iter().map(|name| self.world.fleet.content(name)).collect::<Result<_>>()?;
            let is_one = all.iter().all(|content| content.index == all[0].index);
            compared = is_one.then_some(all);
            Ok(compared.is_some().then_some(()))
        })?;
        let all = compared.context("they were at one place")?;
        ensure!(all.iter().all(|content| *content == all[0]), "the replicas differ: {all:?}");
        let kept = self.world.fleet.controller_data("c1")?.with_file_name("checkpoint");
        let kept = kept.to_str().context("a path")?;
        let said = self.world.fleet.npanel(&["audit", "verify", "--entries", "--checkpoint", kept]);
        match said {
            // There is one a minute.
            Err(error) if format!("{error:#}").contains("no checkpoint") => Ok(()),
            said => {
                let said = said?.to_string();
                ensure!(said.contains("are as they were entered"), "{said}");
                Ok(())
            }
        }
    }
}
