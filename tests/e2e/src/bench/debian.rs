//! Programs that ours are held against, as Debian packages them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use npanel_fleet::cache_directory;

/// The machine's own, or that of Debian's package, unpacked: installing it would start it. `path` is the program's, from the root.
pub(crate) fn program(package: &str, path: &str) -> Result<PathBuf> {
    let installed = Path::new("/").join(path);
    if installed.exists() {
        return Ok(installed);
    }
    let unpacked = cache_directory()?.join(package);
    let program = unpacked.join(path);
    if !program.exists() {
        unpack(package, &unpacked)?;
    }
    Ok(program)
}

fn unpack(package: &str, to: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(cache_directory()?)?;
    let fetched = Command::new("/usr/bin/apt-get")
        .args(["download", "--quiet", package])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .status()?;
    ensure!(fetched.success(), "{package} cannot be fetched: is there a Debian mirror in apt's sources?");
    let file = fs::read_dir(folder.path())?.next().context("no package was fetched")??.path();
    let opened = Command::new("/usr/bin/dpkg-deb").arg("--extract").arg(file).arg(to).status()?;
    ensure!(opened.success(), "the package {package} cannot be unpacked");
    Ok(())
}
