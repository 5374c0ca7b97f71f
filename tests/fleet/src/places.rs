//! Where things are: the cache, a fleet's directories, the built binaries.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Everything costly to make lives here, outside the checkout: `$NPANEL_CACHE`, else `npanel` in the user's cache.
pub fn cache_directory() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("NPANEL_CACHE").filter(|value| !value.is_empty()) {
        return std::path::absolute(directory).context("NPANEL_CACHE");
    }
    if let Some(directory) = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        return Ok(Path::new(&directory).join("npanel"));
    }
    let home = std::env::var_os("HOME").context("neither NPANEL_CACHE, XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/npanel"))
}

/// The name of a fleet: lower-case letters, digits and hyphens, at most 24, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FleetName(String);

impl FleetName {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Sockets, mounts and the description of the running fleet.
    pub(crate) fn runtime(&self) -> PathBuf {
        Path::new("/run/npanel-fleet").join(&self.0)
    }

    /// Data, logs and the nodes' own files.
    pub(crate) fn disk(&self) -> Result<PathBuf> {
        Ok(cache_directory()?.join("fleets").join(&self.0))
    }
}

impl FromStr for FleetName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        ensure!(
            plain && text.len() <= 24 && text.starts_with(|first: char| first.is_ascii_lowercase()),
            "a fleet's name has 1 to 24 lower-case letters, digits or hyphens and begins with a letter, unlike {text:?}"
        );
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FleetName {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<FleetName> for String {
    fn from(name: FleetName) -> Self {
        name.0
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The directory that holds the freshly built programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// `$NPANEL_BINARIES`, else the directory of the running program (cargo puts tests one level deeper).
    pub fn locate() -> Result<Self> {
        if let Some(directory) = std::env::var_os("NPANEL_BINARIES") {
            return Ok(Self { directory: directory.into() });
        }
        let own = std::env::current_exe().context("the path of the running program")?;
        let mut directory = own.parent().context("the running program has no directory")?;
        if directory.ends_with("deps") {
            directory = directory.parent().context("the build directory has no parent")?;
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The path of a program, which must have been built.
    pub fn path(&self, program: &str) -> Result<PathBuf> {
        let path = self.directory.join(program);
        if !path.is_file() {
            bail!(
                "{} is missing: run `cargo build --workspace --bins` (or `make build`) first",
                path.display()
            );
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_directory_is_refused() {
        for bad in ["", "..", "a/b", "Demo", "-a", "1a", "a b", "a.b", "abcdefghijklmnopqrstuvwxy"] {
            assert!(bad.parse::<FleetName>().is_err(), "{bad:?}");
        }
        assert_eq!("e2e-4711".parse::<FleetName>().unwrap().as_str(), "e2e-4711");
    }
}
