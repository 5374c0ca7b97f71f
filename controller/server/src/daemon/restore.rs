//! `npanel-controller restore`: a new first controller from a backup.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use npanel_backup::{Backup, Manifest};
use npanel_model::{ControllerId, Timestamp};
use npanel_pki::{ClusterSecrets, KeyFingerprint, RecoveryKey, backup_vouched_by};
use npanel_state::{FEATURE_LEVEL, Snapshot, Standing, Store};

use super::{anew::begin_anew, files::Files};
use crate::{backup::missing_key, config::Config};

/// What `restore` made.
#[derive(Debug)]
pub struct Restored {
    /// This machine's controller.
    pub id: ControllerId,
    /// The cluster.
    pub cluster: String,
    /// Its epoch from now on.
    pub epoch: u64,
    /// The time of the state: what was changed after it is lost.
    pub state_of: Timestamp,
    /// The CA's certificate, for clients of the API.
    pub ca_file: PathBuf,
}

/// What is known of a backup that was read to its end.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself: true, if the authority that signed it is the right one.
    pub manifest: Manifest,
    /// The pin of that authority.
    pub signed_by: KeyFingerprint,
    /// Whether the pin was given, so that it is known to be the right one.
    pub is_pinned: bool,
    /// Whether the recovery key was given, and opens it.
    pub is_opened: bool,
}

/// Reads all of a backup and says whether a controller could be made of it, without making one.
///
/// # Errors
/// What is wrong with it, or with the recovery key or the authority's pin, if one is given.
pub fn check_backup(
    config: &Config,
    file: &Path,
    key: Option<&RecoveryKey>,
    pin: Option<KeyFingerprint>,
) -> anyhow::Result<Checked> {
    let (backup, signed_by) = open(file, pin)?;
    let secrets = key.map(|key| secrets(&backup, key, signed_by)).transpose()?;
    let scratch = config.data_directory.join("backup.check");
    clear(&scratch)?;
    let state = unpack(&backup, &scratch);
    let opened = state.and_then(|state| secrets.map_or(Ok(()), |secrets| opens(&secrets, &state)));
    clear(&scratch)?;
    opened?;
    let manifest = backup.manifest().clone();
    Ok(Checked { manifest, signed_by, is_pinned: pin.is_some(), is_opened: key.is_some() })
}

/// Makes this machine the first controller of the cluster that a backup is of, if the authority with this pin has signed it. The
/// other controllers are joined anew.
///
/// # Errors
/// If the machine is a controller already, or the backup is not whole, or the key is not the one that it is sealed to, or no pin is
/// given, or another authority has signed it; nothing is then left.
pub async fn restore(
    config: &Config,
    file: &Path,
    key: &RecoveryKey,
    pin: Option<KeyFingerprint>,
) -> anyhow::Result<Restored> {
    let staged = Files::stage(&config.data_directory, &config.machine_key).await?;
    let (backup, signed_by) = open(file, pin)?;
    ensure!(
        pin.is_some(),
        "the backup is signed by the authority with the pin {signed_by}, and nothing here says that it is yours: whoever can write to \
         where backups are kept can leave one there that is signed by an authority of their own. Give the pin of yours: --ca-pin PIN. \
         npanel-controller init and npanel cluster status have shown it, every bootstrap token ends with it, and it is the key's in \
         ca.pem on every node (docs/operations/backup-and-restore.md)"
    );
    let secrets = secrets(&backup, key, signed_by)?;
    let cluster = backup.manifest().cluster_id.clone();
    let scratch = staged.files().root().join("unpacked");
    let state = tokio::task::spawn_blocking({
        let scratch = scratch.clone();
        move || unpack(&backup, &scratch)
    })
    .await??;
    opens(&secrets, &state)?;
    let begun = begin_anew(config, &staged, &state, &secrets, None).await?;
    clear(&scratch)?;
    let files = staged.commit()?;
    Ok(Restored {
        id: begun.id,
        cluster,
        epoch: begun.epoch,
        state_of: begun.state_of,
        ca_file: files.identity().authorities_path(),
    })
}

/// A backup, and the pin of the authority that signed it: the one that is asked for, if there is one.
fn open(file: &Path, pin: Option<KeyFingerprint>) -> anyhow::Result<(Backup, KeyFingerprint)> {
    let backup = Backup::open(file).with_context(|| file.display().to_string())?;
    let signed_by = backup_vouched_by(
        backup.authority(),
        &backup.manifest_digest(),
        backup.secrets(),
        backup.signature(),
    )?;
    if let Some(pin) = pin.filter(|pin| *pin != signed_by) {
        bail!(
            "the backup is signed by the authority with the pin {signed_by}, and not by {pin}: it is another cluster's, or forged, or from \
             when the cluster had another authority, whose pin is then the one to give"
        );
    }
    let level = backup.manifest().feature_level;
    if level > FEATURE_LEVEL {
        bail!(
            "the backup is of the feature level {level}, and this version knows {FEATURE_LEVEL}: use a newer version"
        );
    }
    Ok((backup, signed_by))
}

fn secrets(backup: &Backup, key: &RecoveryKey, signed_by: KeyFingerprint) -> anyhow::Result<ClusterSecrets> {
    let (got, wanted) = (key.public().to_string(), &backup.manifest().recovery_key);
    ensure!(got == *wanted, "the backup is sealed to the recovery key {wanted}, and this one is {got}");
    let opened = key.open(&backup.manifest_digest(), backup.secrets());
    let secrets = opened.context("the backup was changed: its secrets do not belong to its manifest")?;
    let inside = secrets.authority()?.pin();
    ensure!(
        inside == signed_by,
        "the backup is signed by the authority with the pin {signed_by}, and the one in it has {inside}: it is not one that a controller made"
    );
    Ok(secrets)
}

/// Makes sure that the secrets open what is sealed in the state.
fn opens(secrets: &ClusterSecrets, state: &Path) -> anyhow::Result<()> {
    if let Some(missing) = missing_key(&Standing::of_file(state)?, secrets) {
        bail!(
            "the backup lacks the cluster key of version {}, by which secrets in its state are sealed: use another one",
            missing.version
        );
    }
    Ok(())
}

/// Takes the state out of a backup, and makes sure that it is what the manifest says.
fn unpack(backup: &Backup, into: &Path) -> anyhow::Result<PathBuf> {
    // A machine that is no controller has no data directory yet.
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let state = into.join("state.db");
    backup.extract_state(&state)?;
    let (manifest, found) = (backup.manifest(), Snapshot::of_file(&state)?);
    ensure!(
        found.cluster == manifest.cluster_id,
        "the backup is of the cluster {}, and its state of {}",
        manifest.cluster_id,
        found.cluster
    );
    let place = found.applied.position.map_or((0, 0), |at| (at.term, at.index));
    let said = (manifest.term, manifest.index);
    ensure!(place == said, "the backup is of (term, index) {said:?}, and its state of {place:?}");
    let content =
        Store::content_hash_of(&state)?.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let made = &manifest.content_sha256;
    ensure!(content == *made, "the content's hash is {content}, and was {made} when the backup was made");
    Ok(state)
}

fn clear(scratch: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", scratch.display()))
        }
        _ => Ok(()),
    }
}
