//! Writing what is downloaded to a file, so that what has the file's name is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use npanel_client::{Download, Error};

use crate::failure::Failure;

/// A file that gets its name once it is whole, and is removed if it does not become so.
pub(crate) struct Partial<'a> {
    file: &'a Path,
    directory: &'a Path,
    path: PathBuf,
    bytes: u64,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        // By its name, it stays.
        let _ = fs::remove_file(&self.path);
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::Refused(format!("{}: {error}", path.display()))
}

/// Asks for the download, if the file can be written, and writes it beside the file's name.
pub(crate) async fn beside(
    file: &Path,
    download: impl Future<Output = Result<Download, Error>>,
) -> Result<Partial<'_>, Failure> {
    if file.exists() {
        return Err(Failure::usage(format!("{} exists already", file.display())));
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Err(Failure::usage(format!("there is no directory {}: make it first", directory.display())));
    }
    let download = download.await?;
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    let mut partial = Partial { file, directory, path: PathBuf::from(name), bytes: 0 };
    partial.bytes = write(download, &partial.path).await?;
    Ok(partial)
}

impl Partial<'_> {
    /// Where it is so far.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, unless something else has it. How many bytes it has.
    pub(crate) fn name(self) -> Result<u64, Failure> {
        fs::hard_link(&self.path, self.file).map_err(failed(self.file))?;
        File::open(self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(failed(self.directory))?;
        Ok(self.bytes)
    }
}

async fn write(mut download: Download, path: &Path) -> Result<u64, Failure> {
    // For its owner only: what is downloaded is not for everybody.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.map_err(failed(path))?;
    let length = download.length();
    let bar = bar(length);
    while let Some(piece) = download.piece().await? {
        file.write_all(&piece).map_err(failed(path))?;
        bar.inc(piece.len() as u64);
    }
    let written = bar.position();
    bar.finish_and_clear();
    if length.is_some_and(|length| length != written) {
        let text = format!("the download was cut off: {written} bytes of {} came", length.unwrap_or(0));
        return Err(Failure::Unreachable(text));
    }
    file.sync_all().map_err(failed(path))?;
    Ok(written)
}

/// On standard error, and only at a terminal.
fn bar(length: Option<u64>) -> ProgressBar {
    let (bar, shown) = match length {
        Some(length) => (ProgressBar::new(length), "{bar:30} {bytes} of {total_bytes}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} in {elapsed}"),
    };
    if let Ok(style) = ProgressStyle::with_template(shown) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
