//! `npanel profile`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use crate::{
    arguments::{Connection, Format},
    failure::Failure,
    output,
    profile::{Profile, Profiles, path},
    row::Row,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a fleet, or change one: needs --api-url and --key-file. The first one is used from then on.
    Add {
        /// What to call it.
        name: String,
    },
    /// List the profiles.
    List,
    /// Use a profile from now on.
    Use {
        /// Which one.
        name: String,
    },
    /// Forget a profile. Its files stay.
    Remove {
        /// Which one.
        name: String,
    },
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    current: bool,
    #[serde(flatten)]
    profile: Profile,
}

impl Row for Line {
    const COLUMNS: &[&str] = &["", "NAME", "API", "KEY FILE", "CA FILE"];
    fn cells(&self) -> Vec<String> {
        vec![
            if self.current { "*" } else { "" }.to_owned(),
            self.name.clone(),
            self.profile.api_urls.join("\n"),
            self.profile.key_file.display().to_string(),
            self.profile.ca_file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string()),
        ]
    }
}

pub(crate) fn run(command: Command, connection: &Connection, format: Format) -> Result<(), Failure> {
    let path = path()?;
    let mut profiles = Profiles::read(&path)?;
    match command {
        Command::List => return output::list(format, &lines(profiles)),
        Command::Add { name } => {
            profiles.profiles.insert(name.clone(), described(connection)?);
            profiles.current.get_or_insert(name);
        }
        Command::Use { name } => {
            profiles.find(Some(&name))?;
            profiles.current = Some(name);
        }
        Command::Remove { name } => {
            profiles.find(Some(&name))?;
            profiles.profiles.remove(&name);
            if profiles.current.take_if(|current| *current == name).is_some() {
                eprintln!("npanel: no profile is in use now (npanel profile use NAME)");
            }
        }
    }
    profiles.write(&path)
}

fn lines(profiles: Profiles) -> Vec<Line> {
    let current = profiles.current;
    let line = |(name, profile)| Line { current: current.as_ref() == Some(&name), name, profile };
    profiles.profiles.into_iter().map(line).collect()
}

fn described(connection: &Connection) -> Result<Profile, Failure> {
    if connection.api_urls.is_empty() {
        return Err(Failure::usage("a profile needs at least one --api-url https://<host>:8443"));
    }
    let key_file = connection.key_file.as_deref();
    let key_file = key_file.ok_or_else(|| Failure::usage("a profile needs a --key-file"))?;
    Ok(Profile {
        api_urls: connection.api_urls.clone(),
        ca_file: connection.ca_file.as_deref().map(absolute).transpose()?,
        key_file: absolute(key_file)?,
    })
}

/// The file, wherever one may stand when it is read.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    file.canonicalize().map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}
