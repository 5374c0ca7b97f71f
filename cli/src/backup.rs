//! A backup in a file, which is verified before it has its name.

use std::path::Path;

use npanel_backup::Backup;

use crate::{download, failure::Failure, output, session::Session};

/// Has a controller make a backup, writes it, reads it again, and only then gives it its name.
pub(crate) async fn to_file(file: &Path, session: &Session) -> Result<(), Failure> {
    let partial = download::beside(file, session.client.backup()).await?;
    let backup = Backup::open(partial.path()).and_then(|backup| backup.check().map(|()| backup));
    let backup = backup.map_err(|error| Failure::Refused(error.to_string()))?;
    partial.name()?;
    output::object(session.format, backup.manifest())
}
