//! A machine's own key.

use std::{fmt, path::Path};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SealError, SecretsFileError, aead};
use crate::{file, secret::random_bytes};

/// The key by which a machine seals what rests on its disk: thirty-two bytes in a file for its owner only. So a
/// copy of the data without this file is of no use.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MachineKey([u8; 32]);

impl fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineKey([redacted])")
    }
}

impl MachineKey {
    /// Loads the key, and makes it if there is none.
    ///
    /// # Errors
    /// If the file cannot be read or made, or is not a key.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretsFileError> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        file::create(path, random_bytes().as_slice(), file::PRIVATE)?;
        Self::load(path)?.ok_or(SecretsFileError::MachineKey)
    }

    fn load(path: &Path) -> Result<Option<Self>, SecretsFileError> {
        let Some(bytes) = file::read(path)? else { return Ok(None) };
        let bytes = bytes.as_slice().try_into().map_err(|_| SecretsFileError::MachineKey)?;
        Ok(Some(Self(bytes)))
    }

    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        aead::seal(&self.0, None, &[b"npanel machine", name.as_bytes()], plain)
    }

    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        aead::open(&self.0, &[b"npanel machine", name.as_bytes()], sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("machine.key");
        let first = MachineKey::load_or_create(&path).expect("made");
        let second = MachineKey::load_or_create(&path).expect("loaded");
        assert_eq!(first.0, second.0);
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_not_a_key_is_refused_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("machine.key");
        std::fs::write(&path, b"short").expect("written");
        assert!(matches!(MachineKey::load_or_create(&path), Err(SecretsFileError::MachineKey)));
        assert_eq!(std::fs::read(&path).expect("read"), b"short");
    }
}
