//! `[backup]`: the bucket in which backups of the state are kept.

use super::{bucket, fields::Fields};
use crate::backup::BackupStore;

pub(super) fn read(fields: &mut Fields) -> Option<BackupStore> {
    let mut section = fields.section_if_there("backup")?;
    let bucket = bucket::read(&mut section);
    fields.end_section(section);
    bucket.map(|(bucket, prefix)| BackupStore { bucket, prefix })
}
