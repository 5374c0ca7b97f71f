//! Checkpoints of the audit that are kept outside of the fleet, each in a file with the key that it is checked by.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use npanel_audit::{Checkpoint, SignedCheckpoint, VerifierKey};

use crate::{failure::Failure, profile};

/// What a file holds: the key, an empty line, and the checkpoint; or a checkpoint alone, as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptFile {
    pub(crate) path: PathBuf,
    pub(crate) key: Option<VerifierKey>,
    pub(crate) checkpoint: SignedCheckpoint,
}

impl KeptFile {
    /// Reads a file; `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let refused =
            |reason: &dyn std::fmt::Display| Failure::usage(format!("{}: {reason}", path.display()));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(&error)),
        };
        let with_key = text.split_once("\n\n").and_then(|(key, note)| Some((key.parse().ok()?, note)));
        let (key, note) = with_key.map_or((None, text.as_str()), |(key, note)| (Some(key), note));
        let checkpoint = note.parse().map_err(|error| refused(&error))?;
        Ok(Some(Self { path: path.to_owned(), key, checkpoint }))
    }

    /// What it says, if its own key has signed it, or this one.
    pub(crate) fn believed(&self, key: &VerifierKey) -> Result<Checkpoint, Failure> {
        let checked = self.checkpoint.verify(self.key.as_ref().unwrap_or(key));
        checked.cloned().map_err(|error| Failure::Refused(format!("{}: {error}", self.path.display())))
    }
}

/// Keeps a checkpoint instead of what the file holds.
pub(crate) fn keep(path: &Path, key: &VerifierKey, checkpoint: &SignedCheckpoint) -> Result<(), Failure> {
    let refused = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(refused)?;
    }
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!(".{}", std::process::id()));
    let written = fs::File::create(&staged).and_then(|mut file| {
        write!(file, "{key}\n\n{checkpoint}")?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&staged, path)).map_err(refused)
}

/// Where the checkpoint of a log is kept if nobody says: beside the profiles.
pub(crate) fn usual_path(origin: &str) -> Result<PathBuf, Failure> {
    let name: String = origin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(profile::path()?.with_file_name(format!("{name}.checkpoint")))
}

#[cfg(test)]
mod tests {
    use npanel_audit::Hash;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deeper/kept");
        assert_eq!(KeptFile::read(&path).expect("none"), None);
        let key = VerifierKey::new("npanel/x", &[1; 32]).expect("a key");
        let checkpoint =
            Checkpoint { origin: "npanel/x".into(), size: 3, root: Hash::of(b"") }.signed(&key, &[2; 64]);
        keep(&path, &key, &checkpoint).expect("kept");
        let kept = KeptFile::read(&path).expect("read").expect("a file");
        assert_eq!((kept.key, kept.checkpoint), (Some(key), checkpoint.clone()));
        fs::write(&path, checkpoint.to_string()).expect("written");
        let alone = KeptFile::read(&path).expect("read").expect("a file");
        assert_eq!((alone.key, alone.checkpoint), (None, checkpoint));
        fs::write(&path, "nonsense").expect("written");
        assert!(KeptFile::read(&path).expect_err("no checkpoint").to_string().contains("kept"));
    }
}
