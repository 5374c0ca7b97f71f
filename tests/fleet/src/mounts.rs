//! Overlays of the image, and finding and undoing what is mounted below a directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Mounts `upper` over the read-only `lower` at `root`; all directories exist.
pub(crate) fn overlay(lower: &Path, upper: &Path, work: &Path, root: &Path) -> Result<()> {
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    mount(Some("overlay"), root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .with_context(|| format!("cannot mount the overlay {}", root.display()))
}

/// Unmounts everything at or below `directory`, the deepest first.
pub(crate) fn unmount_below(directory: &Path) -> Result<()> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("the list of mounts")?;
    for point in points_below(&text, directory) {
        umount2(&point, MntFlags::MNT_DETACH)
            .with_context(|| format!("cannot unmount {}", point.display()))?;
    }
    Ok(())
}

fn points_below(mountinfo: &str, directory: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(directory)).collect();
    below.reverse();
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_are_undone_the_last_first() {
        let text = "1 0 8:1 / / rw - ext4 a rw\n\
                    2 1 0:5 / /run/npanel-fleet/demo/n1 rw - overlay o rw\n\
                    3 2 0:6 / /run/npanel-fleet/demo/n1/tmp rw - tmpfs t rw\n\
                    4 1 0:7 / /run/npanel-fleet/demo2/n1 rw - overlay o rw\n";
        let found = points_below(text, Path::new("/run/npanel-fleet/demo"));
        assert_eq!(
            found,
            [Path::new("/run/npanel-fleet/demo/n1/tmp"), Path::new("/run/npanel-fleet/demo/n1")]
        );
    }
}
