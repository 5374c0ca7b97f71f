//! What goes wrong with a disk, and when.

use std::path::Path;

use nix::errno::Errno;

/// What a program does to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Makes a file or a directory, or one more name for a file.
    Create,
    /// Writes to a file.
    Write,
    /// Sets a file's length.
    Resize,
    /// Renames a file; its new name counts.
    Rename,
    /// Removes a file or a directory.
    Remove,
    /// Syncs a file.
    Sync,
    /// Syncs a directory.
    SyncDirectory,
}

/// The moment at which the power goes: with a step of which nobody hears any more whether it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Which kind of step; `None`: any.
    pub step: Option<Step>,
    /// A part of the path that it is done to, from the root of the disk. Empty: any.
    pub path: String,
    /// So many such steps pass before.
    pub passing: u32,
}

impl When {
    fn is_now(&mut self, step: Step, path: &Path) -> bool {
        let is_such =
            self.step.is_none_or(|wanted| wanted == step) && path.to_string_lossy().contains(&self.path);
        if !is_such {
            return false;
        }
        let is_now = self.passing == 0;
        self.passing = self.passing.saturating_sub(1);
        is_now
    }
}

/// How often something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next time.
    Once,
    /// From now on.
    Always,
}

/// Whether a disk goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    On,
    Last,
}

/// What is wrong, or will be.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    is_cut: bool,
    when: Option<When>,
    /// A part of the paths whose syncs fail, and how often.
    failing_syncs: Option<(String, Times)>,
    failed_syncs: u32,
    /// A part of the paths whose syncs do nothing, and say that all is well.
    ignored_syncs: Option<String>,
}

impl Faults {
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn cut_when(&mut self, when: Option<When>) {
        self.when = when;
    }

    pub(crate) fn fail_syncs(&mut self, failing: Option<(String, Times)>) {
        self.failing_syncs = failing;
    }

    pub(crate) fn ignore_syncs(&mut self, part: Option<String>) {
        self.ignored_syncs = part;
    }

    pub(crate) fn ignores_sync(&self, path: &Path) -> bool {
        self.ignored_syncs.as_ref().is_some_and(|part| path.to_string_lossy().contains(part))
    }

    /// How many syncs have failed by what was asked for.
    pub(crate) fn failed_syncs(&self) -> u32 {
        self.failed_syncs
    }

    /// Nothing is done without power.
    pub(crate) fn power(&self) -> Result<(), Errno> {
        if self.is_cut { Err(Errno::EIO) } else { Ok(()) }
    }

    /// Takes note of a step. With the last one the power goes.
    pub(crate) fn step(&mut self, step: Step, path: &Path) -> Result<Going, Errno> {
        self.power()?;
        let is_last = self.when.as_mut().is_some_and(|when| when.is_now(step, path));
        Ok(if is_last { Going::Last } else { Going::On })
    }

    pub(crate) fn fails_to_sync(&mut self, path: &Path) -> bool {
        let Some((part, times)) = &self.failing_syncs else { return false };
        let fails = path.to_string_lossy().contains(part);
        if fails {
            self.failed_syncs += 1;
            if *times == Times::Once {
                self.failing_syncs = None;
            }
        }
        fails
    }
}
