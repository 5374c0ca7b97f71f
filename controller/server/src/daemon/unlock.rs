//! The machine's key: in a file of this machine, or sealed by a key management service that is asked once, at the start.
//!
//! With the service, `machine.kms` holds the key as the service sealed it, and there is no `machine.key`. A controller that runs needs
//! the service no more. Where the configuration names another place than the key has, the start makes a new key there: the one before
//! has been elsewhere. Whatever moment such a change is cut short at, the next start goes on with it.

use std::{fs, io, path::Path, time::Duration};

use anyhow::{Context, bail};
use npanel_cloud::{Kms, KmsError};
use npanel_pki::{ClusterSecrets, MachineKey, SecretsFileError};

use super::{files::secrets_path, run::notify_waiting};
use crate::config::KeyPlace;

/// How long is waited after the first failure, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A try takes up to this, beside the pause.
const ONE_TRY: Duration = Duration::from_secs(30);

/// The key itself.
pub(crate) const KEY: &str = "machine.key";

/// The key as a key management service sealed it.
pub(crate) const SEALED_KEY: &str = "machine.kms";

/// A key that is not on disk yet.
pub(super) struct NewKey {
    key: MachineKey,
    /// As the service sealed it, if it is to.
    sealed: Option<Vec<u8>>,
}

impl NewKey {
    pub(super) async fn make(place: &KeyPlace) -> anyhow::Result<Self> {
        match place {
            KeyPlace::File | KeyPlace::BackToFile(_) => {
                Ok(Self { key: MachineKey::generate(), sealed: None })
            }
            KeyPlace::Kms(kms) => Self::sealed(kms).await,
        }
    }

    async fn sealed(kms: &Kms) -> anyhow::Result<Self> {
        let key = MachineKey::generate();
        let sealed = kms.encrypt(key.expose()).await.context("the machine's key cannot be sealed")?;
        Ok(Self { key, sealed: Some(sealed) })
    }

    pub(super) fn save(self, root: &Path) -> anyhow::Result<MachineKey> {
        match &self.sealed {
            None => self.key.save(&root.join(KEY))?,
            Some(sealed) => MachineKey::save_sealed(&root.join(SEALED_KEY), sealed)?,
        }
        Ok(self.key)
    }
}

/// The key of the controller at `root`, in the place where it is to be from now on.
///
/// # Errors
/// If there is none, the service does not open it, or the configuration does not name the service that has it.
pub(super) async fn open(root: &Path, place: &KeyPlace) -> anyhow::Result<MachineKey> {
    let (file, sealed) = (root.join(KEY), root.join(SEALED_KEY));
    match (place, MachineKey::load_sealed(&sealed)?, MachineKey::load(&file)?) {
        (_, None, None) => bail!(
            "the machine's key is gone ({} or {SEALED_KEY}): without it the cluster's secrets cannot be opened; remove this controller \
             and have it join anew",
            file.display()
        ),
        (KeyPlace::File | KeyPlace::BackToFile(_), None, Some(key)) => Ok(key),
        (KeyPlace::Kms(kms), Some(sealed), None) => opened(kms, &sealed).await,
        (KeyPlace::Kms(kms), None, Some(by_file)) => {
            let key = NewKey::sealed(kms).await?.save(root)?;
            moved(root, key, &by_file, &file)
        }
        (KeyPlace::Kms(kms), Some(sealed), Some(by_file)) => {
            moved(root, opened(kms, &sealed).await?, &by_file, &file)
        }
        (KeyPlace::BackToFile(kms), Some(by_kms), by_file) => {
            let by_kms = opened(kms, &by_kms).await?;
            let key = match by_file {
                Some(key) => key,
                None => NewKey { key: MachineKey::generate(), sealed: None }.save(root)?,
            };
            moved(root, key, &by_kms, &sealed)
        }
        (KeyPlace::File, Some(_), _) => bail!(
            "the machine's key is sealed by a key management service ({}), which the configuration does not name: write it into [keys], \
             with back_to_file = true if the key is to be in a file again",
            sealed.display()
        ),
    }
}

/// [`open`], again and again for as long as it is the service that does not open it, each time later.
///
/// # Errors
/// As [`open`], except for what the service says.
pub(super) async fn open_patiently(root: &Path, place: &KeyPlace) -> anyhow::Result<MachineKey> {
    let mut pause = FIRST_PAUSE;
    loop {
        match open(root, place).await {
            Err(error) if error.downcast_ref::<KmsError>().is_some() => {
                tracing::error!(
                    error = format!("{error:#}"),
                    again_in_seconds = pause.as_secs(),
                    "this controller cannot start before the key management service opens the machine's key; it goes on trying. \
                     See to it that the service is reached and that the keys in keys_file may use its key: npanel-controller check"
                );
                let why = format!("waits for the key management service: {error:#}");
                notify_waiting(&why.replace('\n', " "), pause + ONE_TRY);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            settled => return settled,
        }
    }
}

/// Whether the service opens the key that it sealed, or, if it has not sealed any yet, seals and opens something.
///
/// # Errors
/// As the service says.
pub(crate) async fn opens(root: &Path, kms: &Kms) -> anyhow::Result<()> {
    let sealed = match MachineKey::load_sealed(&root.join(SEALED_KEY))? {
        Some(sealed) => sealed,
        None => kms.encrypt(&[0; 32]).await?,
    };
    opened(kms, &sealed).await.map(drop)
}

async fn opened(kms: &Kms, sealed: &[u8]) -> anyhow::Result<MachineKey> {
    let bytes = kms.decrypt(sealed).await.context("the machine's key cannot be opened")?;
    Ok(MachineKey::from_bytes(&bytes)?)
}

/// Has the cluster's secrets sealed by `key`, if they still are by the one `before`, whose file then goes.
fn moved(root: &Path, key: MachineKey, before: &MachineKey, its_file: &Path) -> anyhow::Result<MachineKey> {
    let secrets = secrets_path(root);
    match ClusterSecrets::load(&secrets, &key) {
        Ok(_) => {}
        Err(SecretsFileError::Seal(_)) => {
            if let Some(found) = ClusterSecrets::load(&secrets, before)? {
                found.save(&secrets, &key)?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    let removed = fs::remove_file(its_file).and_then(|()| fs::File::open(root)?.sync_all());
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", its_file.display()));
        }
        _ => {
            tracing::info!(gone = %its_file.display(), "the machine has a new key, in the place that the configuration names");
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
