//! A disk with a place in the machine's files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use nix::mount::{MntFlags, umount2};

use crate::{
    disk::{Disk, Loss, Temper},
    faults::{Times, When},
    serving::{Serving, lock},
};

/// Why a disk is not there.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// This machine has no FUSE, or does not let this process use it.
    #[error("no file system can be mounted at {at}: {source}")]
    Mount {
        /// Where.
        at: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk could not be taken away.
    #[error("{at} cannot be unmounted")]
    Unmount {
        /// Where.
        at: PathBuf,
        /// Why.
        source: nix::errno::Errno,
    },
}

/// Why this machine cannot mount such a disk, if it cannot: for tests, which then say so and pass.
#[must_use]
pub fn unavailable() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("only root may mount a file system".to_owned());
    }
    let opened = fs::File::options().read(true).write(true).open("/dev/fuse");
    opened.err().map(|error| format!("/dev/fuse cannot be used: {error}"))
}

/// A disk that loses what was not synced when its power goes. Unmounted when dropped.
#[derive(Debug)]
pub struct LossyDisk {
    at: PathBuf,
    disk: Arc<Mutex<Disk>>,
    session: Option<BackgroundSession>,
    chance: fastrand::Rng,
    ignored_syncs: Option<String>,
}

impl LossyDisk {
    /// Mounts an empty one at a directory that is there. What power cuts leave of it is drawn from the seed.
    ///
    /// # Errors
    /// If it cannot be mounted: see [`unavailable`].
    pub fn mount(at: &Path, seed: u64) -> Result<Self, MountError> {
        let mut mounted = Self {
            at: at.to_owned(),
            disk: Arc::new(Mutex::new(Disk::empty())),
            session: None,
            chance: fastrand::Rng::with_seed(seed),
            ignored_syncs: None,
        };
        mounted.serve()?;
        Ok(mounted)
    }

    fn serve(&mut self) -> Result<(), MountError> {
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("lossy-disk".to_owned()), MountOption::DefaultPermissions];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(Serving::new(Arc::clone(&self.disk)), &self.at, &config);
        self.session = Some(session.map_err(|source| MountError::Mount { at: self.at.clone(), source })?);
        Ok(())
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// The power goes now: every request fails from here on.
    pub fn cut(&self) {
        lock(&self.disk).faults.cut();
    }

    /// The power goes at this moment; `None`: it does not go by itself any more.
    pub fn cut_when(&self, when: Option<When>) {
        lock(&self.disk).faults.cut_when(when);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        lock(&self.disk).faults.is_cut()
    }

    /// The power is back: what a cut may have left is mounted in place of what there was. Whoever used the disk must have ended.
    /// With it go all faults, but not the size of the disk.
    ///
    /// # Errors
    /// If it cannot be unmounted or mounted.
    pub fn power_on(&mut self) -> Result<Loss, MountError> {
        let temper = Temper::drawn(&mut self.chance);
        self.power_on_with(temper)
    }

    /// As [`Self::power_on`], with the temper that is asked for.
    ///
    /// # Errors
    /// If it cannot be unmounted or mounted.
    pub fn power_on_with(&mut self, temper: Temper) -> Result<Loss, MountError> {
        self.cut();
        self.unmount()?;
        let (mut survivor, loss) = lock(&self.disk).survivor(temper, &mut self.chance);
        survivor.faults.ignore_syncs(self.ignored_syncs.clone());
        self.disk = Arc::new(Mutex::new(survivor));
        self.serve()?;
        Ok(loss)
    }

    /// Leaves so many bytes free; `None`: as many as anyone could want.
    pub fn set_free(&self, bytes: Option<u64>) {
        lock(&self.disk).set_free(bytes);
    }

    /// Syncs of files and directories fail whose path, from the root of the disk, has this part in it.
    pub fn fail_syncs(&self, part: &str, times: Times) {
        lock(&self.disk).faults.fail_syncs(Some((part.to_owned(), times)));
    }

    /// Syncs do not fail any more.
    pub fn let_syncs_be(&self) {
        lock(&self.disk).faults.fail_syncs(None);
    }

    /// Syncs of files and directories with this part in their path do nothing from here on and say that all is well, as if the program
    /// had left them out: for tests of tests. A power cut does not end it.
    pub fn ignore_syncs(&mut self, part: &str) {
        self.ignored_syncs = Some(part.to_owned());
        lock(&self.disk).faults.ignore_syncs(self.ignored_syncs.clone());
    }

    /// How many syncs have failed since the power came.
    #[must_use]
    pub fn failed_syncs(&self) -> u32 {
        lock(&self.disk).faults.failed_syncs()
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        let Some(session) = self.session.take() else { return Ok(()) };
        // Whoever still has a file open finds it dead.
        let unmounted = umount2(&self.at, MntFlags::MNT_DETACH);
        drop(session);
        unmounted.map_err(|source| MountError::Unmount { at: self.at.clone(), source })
    }
}

impl Drop for LossyDisk {
    fn drop(&mut self) {
        self.cut();
        // Another may have unmounted it already.
        let _ = self.unmount();
    }
}
