//! Reading a backup, with nothing in it believed that was not checked.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{AUTHORITY, MANIFEST, Manifest, ManifestError, SECRETS, SIGNATURE, STATE, tail};

/// A manifest and sealed secrets are a few kilobytes.
const LONGEST_SMALL: u64 = 1024 * 1024;

/// Read so many bytes at a time.
const PIECE: usize = 1024 * 1024;

/// Why a file is of no use as a backup.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read, or what is in it not be written elsewhere.
    #[error("the backup cannot be read or written")]
    Io(#[from] io::Error),
    /// It is no archive, or not of these files.
    #[error("it is not a backup: {0}")]
    Form(String),
    /// Its manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It was cut off, or there is something behind it.
    #[error("the backup is {have} bytes long, and should be {made}: it is not whole")]
    Length {
        /// As its maker said.
        made: u64,
        /// As it is.
        have: u64,
    },
    /// It is not what was written.
    #[error("the state's SHA-256 is {have}, and its manifest says {made}: the backup is damaged")]
    Hash {
        /// As its maker said.
        made: String,
        /// As it is.
        have: String,
    },
}

/// A backup whose manifest has been read and whose length is right. Whether its signature is good, and by the right authority, is
/// for whoever restores it to judge.
#[derive(Debug)]
pub struct Backup {
    file: File,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    secrets: Vec<u8>,
    authority: Vec<u8>,
    signature: Vec<u8>,
    state_at: u64,
}

fn form(error: &io::Error) -> Unusable {
    Unusable::Form(error.to_string())
}

impl Backup {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is not a backup, or not whole.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        let mut file = File::open(path)?;
        let have = file.metadata()?.len();
        let mut archive = tar::Archive::new(&mut file);
        let mut entries = archive.entries_with_seek().map_err(|error| form(&error))?;
        let mut next = |name: &str| {
            let entry = entries.next().ok_or_else(|| Unusable::Form(format!("it has no {name}")))?;
            let entry = entry.map_err(|error| form(&error))?;
            if &*entry.path_bytes() == name.as_bytes() {
                Ok(entry)
            } else {
                let other = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                Err(Unusable::Form(format!("{name} is expected, and there is {other:?}")))
            }
        };
        let manifest_bytes = small(next(MANIFEST)?)?;
        let manifest = Manifest::parse(&manifest_bytes)?;
        let secrets = small(next(SECRETS)?)?;
        let (authority, signature) = (small(next(AUTHORITY)?)?, small(next(SIGNATURE)?)?);
        let (state_at, bytes) = {
            let state = next(STATE)?;
            (state.raw_file_position(), state.size())
        };
        let made = state_at + manifest.state_bytes + tail(manifest.state_bytes).len() as u64;
        if have != made || bytes != manifest.state_bytes {
            return Err(Unusable::Length { made, have });
        }
        Ok(Self { file, manifest, manifest_bytes, secrets, authority, signature, state_at })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its secrets are bound to, and its authority signed.
    pub fn manifest_digest(&self) -> [u8; 32] {
        Manifest::digest(&self.manifest_bytes)
    }

    /// The secrets, sealed.
    pub fn secrets(&self) -> &[u8] {
        &self.secrets
    }

    /// The certificate, in PEM, of the authority that is said to have signed it.
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// That authority's signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Reads all of the state and compares its hash.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    pub fn check(&self) -> Result<(), Unusable> {
        self.copy_state(&mut io::sink())
    }

    /// Writes the state to a new file, which is on disk then. What there is of it after an error is of no use.
    ///
    /// # Errors
    /// If it is damaged, or cannot be read or written.
    pub fn extract_state(&self, to: &Path) -> Result<(), Unusable> {
        let mut state = File::create_new(to)?;
        self.copy_state(&mut state)?;
        Ok(state.sync_all()?)
    }

    fn copy_state(&self, to: &mut impl Write) -> Result<(), Unusable> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.state_at))?;
        let (mut rest, mut hasher, mut piece) = (self.manifest.state_bytes, Sha256::new(), vec![0; PIECE]);
        while rest > 0 {
            let wanted = rest.min(PIECE as u64) as usize;
            file.read_exact(&mut piece[..wanted])?;
            hasher.update(&piece[..wanted]);
            to.write_all(&piece[..wanted])?;
            rest -= wanted as u64;
        }
        let have: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let made = self.manifest.state_sha256.clone();
        if have == made { Ok(()) } else { Err(Unusable::Hash { made, have }) }
    }
}

fn small(mut entry: tar::Entry<'_, impl Read>) -> Result<Vec<u8>, Unusable> {
    if entry.size() > LONGEST_SMALL {
        return Err(Unusable::Form(format!("a file of {} bytes is expected to be small", entry.size())));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(|error| form(&error))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use npanel_model::{ControllerId, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::{FORMAT, Vouched, head};

    fn manifest(state: &[u8]) -> Manifest {
        Manifest {
            format: FORMAT,
            cluster_id: "c".to_owned(),
            epoch: 1,
            term: 3,
            index: 70,
            feature_level: 3,
            version: "0.1.0".to_owned(),
            controller_id: ControllerId(2),
            made_at: Timestamp::from_millis(1_790_000_000_000),
            state_bytes: state.len() as u64,
            state_sha256: Sha256::digest(state).iter().map(|byte| format!("{byte:02x}")).collect(),
            content_sha256: "00".repeat(32),
            recovery_key: "key".to_owned(),
        }
    }

    fn archive(manifest: &Manifest, state: &[u8]) -> Vec<u8> {
        let manifest = manifest.to_bytes();
        let vouched =
            Vouched { manifest: &manifest, secrets: b"sealed", authority: b"ca", signature: b"by it" };
        let mut bytes = head(vouched, state.len() as u64, 1_790_000_000);
        bytes.extend_from_slice(state);
        bytes.extend(tail(state.len() as u64));
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Backup, Unusable> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        Backup::open(file.path()).and_then(|backup| backup.check().map(|()| backup))
    }

    #[test]
    fn what_is_written_is_read_and_any_tar_lists_it() {
        for length in [0, 1, 511, 512, 513, 3 * PIECE + 7] {
            let state: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let bytes = archive(&manifest(&state), &state);
            let backup = read(&bytes).expect("whole");
            assert_eq!((backup.manifest(), backup.secrets()), (&manifest(&state), &b"sealed"[..]));
            assert_eq!((backup.authority(), backup.signature()), (&b"ca"[..], &b"by it"[..]));
            let directory = tempfile::tempdir().expect("a directory");
            let to = directory.path().join("state.db");
            backup.extract_state(&to).expect("written");
            assert_eq!(std::fs::read(to).expect("there"), state);
            let mut plain = tar::Archive::new(bytes.as_slice());
            let names: Vec<_> = plain
                .entries()
                .expect("an archive")
                .map(|entry| {
                    String::from_utf8(entry.expect("an entry").path_bytes().into_owned()).expect("a name")
                })
                .collect();
            assert_eq!(names, [MANIFEST, SECRETS, AUTHORITY, SIGNATURE, STATE]);
        }
    }

    #[test]
    fn a_later_form_is_refused_with_both_numbers() {
        let later = Manifest { format: FORMAT + 1, ..manifest(b"x") };
        let refused = read(&archive(&later, b"x")).expect_err("a later form").to_string();
        assert!(
            refused.contains(&format!("form {}", FORMAT + 1)) && refused.contains("newer version"),
            "{refused}"
        );
    }

    #[test]
    fn one_from_before_backups_were_signed_is_refused_and_says_why() {
        let unsigned = Manifest { format: 1, ..manifest(b"x") };
        let refused = read(&archive(&unsigned, b"x")).expect_err("an older form").to_string();
        assert!(refused.contains("form 1") && refused.contains("nobody signed"), "{refused}");
    }

    #[test]
    fn what_is_no_backup_is_refused() {
        for other in [&b""[..], b"hello", &[0; 4096]] {
            assert!(matches!(read(other), Err(Unusable::Form(_))), "{other:?}");
        }
        assert!(matches!(read(b"hello"), Err(Unusable::Form(_))));
    }

    proptest! {
        #[test]
        fn one_that_was_cut_off_is_refused_wherever(cut in 1usize..6000) {
            let state = vec![7; 3000];
            let mut bytes = archive(&manifest(&state), &state);
            let cut = cut.min(bytes.len());
            bytes.truncate(bytes.len() - cut);
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_changed_state_is_refused(at in 0usize..3000, bit in 0u8..8) {
            let state = vec![7; 3000];
            let mut bytes = archive(&manifest(&state), &state);
            let from = bytes.len() - tail(3000).len() - 3000;
            bytes[from + at] ^= 1 << bit;
            let refused = read(&bytes);
            prop_assert!(matches!(refused, Err(Unusable::Hash { .. })), "{:?}", refused);
        }

        #[test]
        fn whatever_else_is_changed_the_state_is_not_another(at in 0usize..6000, bit in 0u8..8) {
            let state = vec![7; 3000];
            let mut bytes = archive(&manifest(&state), &state);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(backup) = read(&bytes) {
                let directory = tempfile::tempdir().expect("a directory");
                let to = directory.path().join("state.db");
                backup.extract_state(&to).expect("checked before");
                prop_assert_eq!(std::fs::read(to).expect("there"), state);
            }
        }
    }
}
