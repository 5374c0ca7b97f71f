//! Writing a backup to a file, so that what has the file's name is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use npanel_backup::Backup;
use npanel_client::Download;

use crate::{failure::Failure, output, session::Session};

/// It gets its name once it is whole, and is removed if it does not become so.
struct Partial {
    path: PathBuf,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Renamed, it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::Refused(format!("{}: {error}", path.display()))
}

/// Has a controller make a backup, writes it, reads it again, and only then gives it its name.
pub(crate) async fn to_file(file: &Path, session: &Session) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::usage(format!("{} exists already", file.display())));
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Err(Failure::usage(format!("there is no directory {}: make it first", directory.display())));
    }
    let download = session.client.backup().await?;
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    let partial = Partial { path: PathBuf::from(name) };
    write(download, &partial.path).await?;
    let backup = Backup::open(&partial.path).and_then(|backup| backup.check().map(|()| backup));
    let backup = backup.map_err(|error| Failure::Refused(error.to_string()))?;
    fs::hard_link(&partial.path, file).map_err(failed(file))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
    output::object(session.format, backup.manifest())
}

async fn write(mut download: Download, path: &Path) -> Result<(), Failure> {
    // For its owner only: it holds all that is in the state.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.map_err(failed(path))?;
    let (length, mut written) = (download.length(), 0);
    while let Some(piece) = download.piece().await? {
        file.write_all(&piece).map_err(failed(path))?;
        written += piece.len() as u64;
    }
    if length.is_some_and(|length| length != written) {
        let text = format!("the backup was cut off: {written} bytes of {} came", length.unwrap_or(0));
        return Err(Failure::Unreachable(text));
    }
    file.sync_all().map_err(failed(path))
}
