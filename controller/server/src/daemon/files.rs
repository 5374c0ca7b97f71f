//! What a controller keeps, all beneath `<data_directory>/controller`.
//!
//! `init` and `join` build it aside and rename it into place, so that a failure in between leaves nothing.

use std::{
    fs,
    ops::Deref,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use npanel_pki::{ClusterSecrets, Credentials, IdentityFiles, MachineKey};

use super::unlock::{self, NewKey};
use crate::config::KeyPlace;

/// Says beside the identity that this controller was removed from the cluster.
pub(crate) const REMOVED: &str = "removed";

const MISSING: &str = "this machine is not a controller yet: run `npanel-controller init` or `join` first";

/// The cluster's secrets, sealed by the machine's key.
pub(super) fn secrets_path(root: &Path) -> PathBuf {
    root.join("secrets.sealed")
}

/// A controller's directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

/// A controller's directory with the machine's key, which opens the cluster's secrets in it.
#[derive(Debug, Clone)]
pub(super) struct Unlocked {
    files: Files,
    key: Arc<MachineKey>,
}

impl Deref for Unlocked {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

/// A controller's directory that is not in place yet. Removed when dropped before [`Staged::commit`].
pub(super) struct Staged {
    files: Unlocked,
    place: PathBuf,
    committed: bool,
}

impl Files {
    pub(super) fn of(data_directory: &Path) -> Self {
        Self { root: data_directory.join("controller") }
    }

    /// Begins a new controller.
    pub(super) async fn stage(data_directory: &Path, key: &KeyPlace) -> anyhow::Result<Staged> {
        let place = Self::of(data_directory).root;
        if place.exists() {
            bail!(
                "{} exists: this machine is a controller already (to start anew, move that directory away)",
                place.display()
            );
        }
        Self::stage_beside(data_directory, key).await
    }

    /// Begins a controller that is to take the place of the one that is there.
    pub(super) async fn stage_beside(data_directory: &Path, key: &KeyPlace) -> anyhow::Result<Staged> {
        // First, for it may fail.
        let key = NewKey::make(key).await?;
        let place = Self::of(data_directory).root;
        fs::create_dir_all(data_directory)
            .with_context(|| format!("cannot make {}", data_directory.display()))?;
        let root = data_directory.join("controller.new");
        if root.exists() {
            // An earlier try that failed: nothing refers to it.
            fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
        }
        let files = Self { root };
        for directory in [files.root.clone(), files.root.join("identity")] {
            let made = fs::DirBuilder::new().mode(0o700).create(&directory);
            made.with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let key = Arc::new(key.save(&files.root)?);
        Ok(Staged { files: Unlocked { files, key }, place, committed: false })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the cluster's member has the state.
    pub(super) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(super) fn identity(&self) -> IdentityFiles {
        IdentityFiles::new(self.root.join("identity"))
    }

    pub(super) fn save_identity(&self, credentials: &Credentials) -> anyhow::Result<()> {
        self.identity().save(credentials).context("cannot save the identity")
    }

    fn removed_path(&self) -> PathBuf {
        self.root.join(REMOVED)
    }

    /// Remembers for ever that this controller was removed from the cluster.
    pub(super) fn mark_removed(&self) -> anyhow::Result<()> {
        let written = fs::File::create(self.removed_path()).and_then(|file| file.sync_all());
        written
            .and_then(|()| fs::File::open(&self.root)?.sync_all())
            .context("the removal cannot be remembered")
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed_path().exists()
    }

    pub(super) fn credentials(&self) -> anyhow::Result<Credentials> {
        self.identity().load().context("cannot load the identity")?.context(MISSING)
    }

    /// With the machine's key. A key management service that has to open it is asked once.
    pub(super) async fn unlock(self, key: &KeyPlace) -> anyhow::Result<Unlocked> {
        let key = unlock::open(&self.root, key).await?;
        Ok(Unlocked { files: self, key: Arc::new(key) })
    }

    /// With the machine's key. A key management service that has to open it is waited for.
    pub(super) async fn unlock_patiently(self, key: &KeyPlace) -> anyhow::Result<Unlocked> {
        let key = unlock::open_patiently(&self.root, key).await?;
        Ok(Unlocked { files: self, key: Arc::new(key) })
    }
}

impl Unlocked {
    pub(super) fn save(&self, credentials: &Credentials, secrets: &ClusterSecrets) -> anyhow::Result<()> {
        self.save_identity(credentials)?;
        self.save_secrets(secrets)
    }

    pub(super) fn save_secrets(&self, secrets: &ClusterSecrets) -> anyhow::Result<()> {
        secrets.save(&secrets_path(&self.root), &self.key).context("cannot save the cluster's secrets")
    }

    pub(super) fn secrets(&self) -> anyhow::Result<ClusterSecrets> {
        ClusterSecrets::load(&secrets_path(&self.root), &self.key)?.context(MISSING)
    }
}

impl Staged {
    pub(super) fn files(&self) -> &Unlocked {
        &self.files
    }

    /// Puts the directory into its place.
    pub(super) fn commit(mut self) -> anyhow::Result<Files> {
        let files = Files { root: self.place.clone() };
        fs::rename(self.files.root(), &self.place)
            .with_context(|| format!("cannot rename {} into place", self.files.root().display()))?;
        self.committed = true;
        self.sync()?;
        Ok(files)
    }

    /// Puts the directory into the place of the one that is there, which is kept beside it under a name of its own. Returns that.
    pub(super) fn commit_instead(mut self, name: &str) -> anyhow::Result<PathBuf> {
        self.take_name(name)?;
        self.exchange()?;
        self.sync()?;
        Ok(self.files.root().to_owned())
    }

    /// Gives the directory the name under which the one that is there is to be kept: once they are exchanged all is done, and the
    /// next try takes nothing that is kept for one that failed.
    fn take_name(&mut self, name: &str) -> anyhow::Result<()> {
        let (new, kept) = (self.files.root(), self.place.with_file_name(name));
        fs::rename(new, &kept).with_context(|| format!("cannot rename {}", new.display()))?;
        self.files.files.root = kept;
        self.sync()
    }

    /// In one step: there is a controller at every moment.
    fn exchange(&mut self) -> anyhow::Result<()> {
        let new = self.files.root();
        nix::fcntl::renameat2(
            nix::fcntl::AT_FDCWD,
            new,
            nix::fcntl::AT_FDCWD,
            &self.place,
            nix::fcntl::RenameFlags::RENAME_EXCHANGE,
        )
        .with_context(|| format!("cannot put {} into place", new.display()))?;
        self.committed = true;
        Ok(())
    }

    fn sync(&self) -> anyhow::Result<()> {
        match self.place.parent() {
            Some(parent) => Ok(fs::File::open(parent)?.sync_all()?),
            None => Ok(()),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // Left behind, it is removed by the next try.
            let _ = fs::remove_dir_all(self.files.root());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A controller with something to lose, and another that is to take its place.
    async fn staged(data: &Path) -> Staged {
        let old = Files::of(data).root;
        fs::create_dir(&old).expect("a directory");
        fs::write(old.join("log"), b"old").expect("written");
        Files::stage_beside(data, &KeyPlace::File).await.expect("staged")
    }

    /// Whether what was there is there still, whichever its name, after another try has begun.
    async fn keeps_the_old(data: &Path) -> bool {
        drop(Files::stage_beside(data, &KeyPlace::File).await.expect("staged"));
        let mut all = fs::read_dir(data).expect("a list").flatten();
        all.any(|one| fs::read(one.path().join("log")).is_ok_and(|log| log == b"old"))
    }

    #[tokio::test]
    async fn whenever_a_replacement_is_cut_short_what_was_there_is_kept() {
        for steps in 0..=2 {
            let data = tempfile::tempdir().expect("a directory");
            let mut staged = staged(data.path()).await;
            if steps > 0 {
                staged.take_name("controller.before-7").expect("named");
            }
            if steps > 1 {
                staged.exchange().expect("exchanged");
            }
            // As a crash does: nothing is tidied up.
            std::mem::forget(staged);
            assert!(keeps_the_old(data.path()).await, "after {steps} steps");
            assert!(Files::of(data.path()).root.exists(), "there is a controller after {steps} steps");
        }
    }

    #[tokio::test]
    async fn a_replacement_keeps_what_was_there_under_its_name() {
        let data = tempfile::tempdir().expect("a directory");
        let kept = staged(data.path()).await.commit_instead("controller.before-7").expect("replaced");
        assert_eq!(fs::read(kept.join("log")).expect("kept"), b"old");
        assert!(Files::of(data.path()).root.join("identity").exists());
        assert!(!data.path().join("controller.new").exists());
    }

    #[test]
    fn the_unit_starts_once_there_is_the_identity_that_init_and_join_make() {
        let unit = include_str!("../../../../packaging/systemd/npanel-controller.service");
        let identity = Files::of(Path::new("/var/lib/npanel")).identity().identity_path();
        let condition = format!("\nConditionPathExists={}\n", identity.display());
        assert!(unit.contains(&condition), "{condition} is not in {unit}");
    }
}
