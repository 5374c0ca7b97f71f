//! Copies of a controller's database.

use std::path::{Path, PathBuf};

use npanel_audit::{Kept, Verified, verify_copy};

use super::shown::refused;
use crate::{failure::Failure, kept::KeptFile};

/// Verifies a copy of a controller's database against what was kept in these files.
pub(crate) fn offline(database: &Path, files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in files {
        let kept = KeptFile::read(file)?;
        all.push(kept.ok_or_else(|| Failure::usage(format!("{}: no such file", file.display())))?);
    }
    let key = all.iter().find_map(|file| file.key.clone());
    let kept: Vec<Kept> = all
        .into_iter()
        .map(|file| Kept { source: file.path.display().to_string(), checkpoint: file.checkpoint })
        .collect();
    let verified = verify_copy(database, key.as_ref(), &kept)
        .map_err(|error| Failure::usage(format!("{}: {}", database.display(), with_cause(&error))))?;
    if verified.faults.is_empty() {
        return Ok(told(&verified));
    }
    let faults: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
    Err(refused(faults.join("\n")))
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn told(verified: &Verified) -> Vec<String> {
    let Verified { entries, root, older, checkpoints, vouched, key, .. } = verified;
    let mut said = vec![
        format!("{entries} entries are as they were entered; the root of their tree is {root}"),
        format!("{checkpoints} checkpoints fit; the last of them vouches for the first {vouched} entries"),
    ];
    if *older > 0 {
        said.push(format!("{older} entries are older than the tree, which says nothing of them"));
    }
    said.push(match key {
        Some((key, true)) => format!("checked by the key that was kept, {key}"),
        Some((key, false)) => format!(
            "checked by the key that the copy itself names, {key}: whoever changed the copy may have changed that, too; \
             give a checkpoint that was kept outside (--checkpoint)"
        ),
        None => "there is no key, so no checkpoint vouches for anything".to_owned(),
    });
    said
}
