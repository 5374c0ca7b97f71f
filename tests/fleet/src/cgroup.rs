//! A control group per member: who is alive, freeze, thaw and kill all of it at once.
//!
//! cgroup v2 is used wherever it is mounted (also beside v1). On a machine with both, a member gets a group in the
//! named `systemd` hierarchy too: two systemds that shared one there would take each other's services for theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::wait::until;

const TOP: &str = "npanel-fleet";
const LIMIT: Duration = Duration::from_secs(20);

/// A control group by its path in every hierarchy in use, the v2 one first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cgroup {
    unified: PathBuf,
    named: Option<PathBuf>,
}

impl Cgroup {
    /// The group of a whole fleet; it may not exist.
    pub(crate) fn of_fleet(fleet: &str) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("the list of mounts")?;
        let (unified, named) = hierarchies(&mounts);
        let unified = unified.context("no cgroup v2 hierarchy is mounted; mount one on /sys/fs/cgroup")?;
        let below = |root: PathBuf| root.join(TOP).join(fleet);
        Ok(Self { unified: below(unified), named: named.map(below) })
    }

    /// The group of a member in this fleet's group.
    pub(crate) fn member(&self, name: &str) -> Self {
        Self { unified: self.unified.join(name), named: self.named.as_ref().map(|path| path.join(name)) }
    }

    pub(crate) fn create(&self) -> Result<()> {
        for path in self.paths() {
            fs::create_dir_all(path).with_context(|| format!("cannot make the group {}", path.display()))?;
        }
        Ok(())
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.unified.as_path()).chain(self.named.as_deref())
    }

    /// Whether any process lives in the group or below it; zombies do not count.
    pub(crate) fn is_populated(&self) -> bool {
        fs::read_to_string(self.unified.join("cgroup.events"))
            .is_ok_and(|events| events.contains("populated 1"))
    }

    /// Whether every process of the group stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        fs::read_to_string(self.unified.join("cgroup.events")).is_ok_and(|events| events.contains("frozen 1"))
    }

    /// The processes of the group and of all below it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        let mut open = vec![self.unified.clone()];
        while let Some(directory) = open.pop() {
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            found.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()));
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            open.extend(
                entries
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path()),
            );
        }
        found
    }

    /// Stops every process where it stands, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<()> {
        fs::write(self.unified.join("cgroup.freeze"), if frozen { "1" } else { "0" })
            .context("cgroup.freeze")?;
        until("the freezer", LIMIT, || Ok((self.is_frozen() == frozen).then_some(())))
    }

    /// SIGKILL to everything in the group; returns when nothing is left.
    pub(crate) fn kill(&self) -> Result<()> {
        if self.unified.exists() {
            fs::write(self.unified.join("cgroup.kill"), "1").context("cgroup.kill")?;
            self.wait_until_empty(LIMIT)?;
        }
        Ok(())
    }

    pub(crate) fn wait_until_empty(&self, limit: Duration) -> Result<()> {
        until("the processes to end", limit, || Ok((!self.is_populated()).then_some(())))
    }

    /// Removes the group and those below it; nothing may live in it.
    pub(crate) fn remove(&self) -> Result<()> {
        for path in self.paths() {
            // A group may stay busy for a moment after its last process is gone.
            until(&format!("{} to go", path.display()), LIMIT, || remove_tree(path).map(Some))?;
        }
        Ok(())
    }
}

fn remove_tree(path: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path).with_context(|| format!("cannot remove {}", path.display()))
}

/// The mount points of the v2 hierarchy and of the v1 hierarchy named `systemd` in a `mountinfo` text.
fn hierarchies(mountinfo: &str) -> (Option<PathBuf>, Option<PathBuf>) {
    let (mut unified, mut named) = (None, None);
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4) else { continue };
        let mut right = right.split(' ');
        match (right.next(), right.nth(1)) {
            (Some("cgroup2"), _) => unified = unified.or_else(|| Some(PathBuf::from(point))),
            (Some("cgroup"), Some(options)) if options.split(',').any(|option| option == "name=systemd") => {
                named = named.or_else(|| Some(PathBuf::from(point)));
            }
            _ => {}
        }
    }
    (unified, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hierarchies_of_a_mixed_machine_are_found() {
        let text = "30 20 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    31 20 0:27 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
                    32 20 0:28 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";
        let (unified, named) = hierarchies(text);
        assert_eq!(unified.unwrap(), Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(named.unwrap(), Path::new("/sys/fs/cgroup/systemd"));
    }

    #[test]
    fn a_pure_v2_machine_has_no_named_hierarchy() {
        let (unified, named) =
            hierarchies("29 23 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
        assert_eq!(unified.unwrap(), Path::new("/sys/fs/cgroup"));
        assert!(named.is_none());
    }
}
