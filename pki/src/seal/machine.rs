//! A machine's own key.

use std::{fmt, path::Path};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SealError, SecretsFileError, aead};
use crate::{file, secret::random_bytes};

/// The key by which a machine seals what rests on its disk: thirty-two bytes. Kept in a file for its owner only, so that a copy of the
/// data without this file is of no use, or in one that a key management service has to open.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MachineKey([u8; 32]);

impl fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineKey([redacted])")
    }
}

impl MachineKey {
    /// A new key, kept nowhere yet.
    pub fn generate() -> Self {
        Self(*random_bytes())
    }

    /// The key of these thirty-two bytes.
    ///
    /// # Errors
    /// If there are more or fewer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretsFileError> {
        bytes.try_into().map(Self).map_err(|_| SecretsFileError::MachineKey)
    }

    /// Its bytes, for whoever seals it.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Keeps it in a file for its owner only.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SecretsFileError> {
        Ok(file::replace(path, &self.0, file::PRIVATE)?)
    }

    /// The key in that file, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a key.
    pub fn load(path: &Path) -> Result<Option<Self>, SecretsFileError> {
        file::read(path)?.map(|bytes| Self::from_bytes(&bytes)).transpose()
    }

    /// Keeps one as somebody else has sealed it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_sealed(path: &Path, sealed: &[u8]) -> Result<(), SecretsFileError> {
        Ok(file::replace(path, sealed, file::PRIVATE)?)
    }

    /// One as somebody else has sealed it, if there is that file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load_sealed(path: &Path) -> Result<Option<Vec<u8>>, SecretsFileError> {
        Ok(file::read(path)?.map(|sealed| sealed.to_vec()))
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
    fn a_key_is_kept_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("machine.key");
        assert!(MachineKey::load(&path).expect("no file").is_none());
        let key = MachineKey::generate();
        key.save(&path).expect("saved");
        let loaded = MachineKey::load(&path).expect("a file").expect("a key");
        assert_eq!(key.0, loaded.0);
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_not_a_key_is_refused_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("machine.key");
        std::fs::write(&path, b"short").expect("written");
        assert!(matches!(MachineKey::load(&path), Err(SecretsFileError::MachineKey)));
        assert_eq!(std::fs::read(&path).expect("read"), b"short");
    }
}
