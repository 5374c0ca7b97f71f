//! Profiles: which fleet to ask, and as whom. Keys stay in files of their own.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_client::Config;
use npanel_model::{ApiKeyId, Secret};
use serde::{Deserialize, Serialize};

use crate::{arguments::Connection, failure::Failure};

/// How long a person waits while no controller answers: an election takes up to three seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// One fleet, and a key to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The controllers' API addresses.
    pub(crate) api_urls: Vec<String>,
    /// The cluster's CA certificate; the machine's authorities if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The file that holds the API key.
    pub(crate) key_file: PathBuf,
}

/// All profiles, as the configuration file holds them.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The profile that is used if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The profiles by name.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// Where the configuration is: `$NPANEL_CONFIG`, else beneath `$XDG_CONFIG_HOME` or `~/.config`.
pub(crate) fn path() -> Result<PathBuf, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("NPANEL_CONFIG")
        .or_else(|| Some(set("XDG_CONFIG_HOME")?.join("npanel/config.toml")))
        .or_else(|| Some(set("HOME")?.join(".config/npanel/config.toml")))
        .ok_or_else(|| Failure::usage("neither NPANEL_CONFIG nor HOME says where the configuration is"))
}

impl Profiles {
    /// Reads the file; no file means no profiles.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| refused(error.message().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Replaces the file, readable by its owner alone.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).map_err(|error| Failure::usage(error.to_string()))?;
        replace(path, &text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    }

    /// The profile with this name, or the current one.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<Option<&Profile>, Failure> {
        match name.or(self.current.as_deref()) {
            None => Ok(None),
            Some(name) => match self.profiles.get(name) {
                Some(profile) => Ok(Some(profile)),
                None => Err(Failure::usage(format!("there is no profile {name:?}: see npanel profile list"))),
            },
        }
    }
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let staged = path.with_extension(format!("toml.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&staged, path)).inspect_err(|_| {
        // The first error is the one to tell; a left-over staged file holds no secret.
        let _ = fs::remove_file(&staged);
    })
}

/// What the client needs: the profile, overridden by what was typed or is in the environment.
pub(crate) fn client_config(connection: &Connection) -> Result<Config, Failure> {
    let profile = in_use(connection)?;
    if profile.api_urls.is_empty() || profile.key_file.as_os_str().is_empty() {
        return Err(Failure::usage(
            "no fleet to ask: add one with npanel profile add, or set NPANEL_API_URL and NPANEL_API_KEY_FILE",
        ));
    }
    let key = key(&profile.key_file)?;
    config(profile, key)
}

fn config(profile: Profile, key: Secret) -> Result<Config, Failure> {
    let config = Config::new(profile.api_urls, key).with_patience(PATIENCE);
    match &profile.ca_file {
        Some(file) => Ok(config.with_ca(read(file, "CA file")?)),
        None => Ok(config),
    }
}

/// The same for who has no credential yet: where the controllers are is enough.
pub(crate) fn config_without_key(connection: &Connection) -> Result<Config, Failure> {
    config_with(connection, Secret::new(""))
}

/// The same with a credential that no file holds yet.
pub(crate) fn config_with(connection: &Connection, key: Secret) -> Result<Config, Failure> {
    let profile = in_use(connection)?;
    if profile.api_urls.is_empty() {
        return Err(Failure::usage(
            "no fleet to sign in to: give --api-url https://<host>:8443 and --ca-file",
        ));
    }
    config(profile, key)
}

fn in_use(connection: &Connection) -> Result<Profile, Failure> {
    let complete = !connection.api_urls.is_empty() && connection.key_file.is_some();
    let profile = if complete && connection.profile.is_none() {
        Profile::default()
    } else {
        Profiles::read(&path()?)?.find(connection.profile.as_deref())?.cloned().unwrap_or_default()
    };
    Ok(overridden(profile, connection))
}

/// What is shown to the controllers: an API key, or a session's token.
pub(crate) fn token(connection: &Connection) -> Result<Secret, Failure> {
    key(&in_use(connection)?.key_file)
}

/// The id and the secret of the API key in use.
pub(crate) fn api_key(connection: &Connection) -> Result<(ApiKeyId, Secret), Failure> {
    let key = token(connection)?;
    let parts = key.expose().strip_prefix("npk_").and_then(|key| key.split_once('.'));
    let read = parts.and_then(|(id, secret)| Some((id.parse().ok()?, Secret::new(secret))));
    read.ok_or_else(|| Failure::usage("the profile in use has no API key"))
}

/// Where a session's token is kept: beside the profiles.
fn session_file(name: &str) -> Result<PathBuf, Failure> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if name.is_empty() || !is_plain {
        return Err(Failure::usage("a profile for a session is named by letters, digits, - and _"));
    }
    Ok(path()?.with_file_name(format!("{name}.session")))
}

/// Keeps a session's token in a file for its owner alone, and a profile that uses it from now on.
pub(crate) fn keep_session(name: &str, connection: &Connection, token: &Secret) -> Result<(), Failure> {
    let (path, key_file) = (path()?, session_file(name)?);
    replace(&key_file, token.expose())
        .map_err(|error| Failure::usage(format!("{}: {error}", key_file.display())))?;
    let mut profiles = Profiles::read(&path)?;
    let profile = Profile { key_file, ..in_use(connection)? };
    profiles.profiles.insert(name.to_owned(), profile);
    profiles.current = Some(name.to_owned());
    profiles.write(&path)
}

/// Removes the token of the profile in use.
pub(crate) fn forget_session(connection: &Connection) -> Result<(), Failure> {
    let file = in_use(connection)?.key_file;
    fs::remove_file(&file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

fn overridden(profile: Profile, connection: &Connection) -> Profile {
    let urls = &connection.api_urls;
    Profile {
        api_urls: if urls.is_empty() { profile.api_urls } else { urls.clone() },
        ca_file: connection.ca_file.clone().or(profile.ca_file),
        key_file: connection.key_file.clone().unwrap_or(profile.key_file),
    }
}

fn key(file: &Path) -> Result<Secret, Failure> {
    let text = String::from_utf8(read(file, "key file")?)
        .map_err(|_| Failure::usage(format!("the key file {} is not text", file.display())))?;
    Ok(Secret::new(text.trim()))
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::usage(format!("the {what} {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn profile(url: &str) -> Profile {
        Profile { api_urls: vec![url.into()], ca_file: Some("/ca".into()), key_file: "/key".into() }
    }

    #[test]
    fn profiles_survive_the_file_and_are_private() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("npanel/config.toml");
        assert_eq!(Profiles::read(&path).expect("none yet"), Profiles::default());
        let profiles = Profiles {
            current: Some("lab".into()),
            profiles: BTreeMap::from([("lab".into(), profile("https://c1:8443"))]),
        };
        profiles.write(&path).expect("written");
        profiles.write(&path).expect("replaced");
        assert_eq!(Profiles::read(&path).expect("read"), profiles);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(profiles.find(None).expect("current"), Some(&profile("https://c1:8443")));
        assert!(profiles.find(Some("other")).is_err());
    }

    #[test]
    fn what_was_typed_wins_over_the_profile() {
        let connection = Connection {
            profile: None,
            api_urls: vec!["https://c2:8443".into()],
            key_file: None,
            ca_file: Some("/other".into()),
        };
        let expected = Profile { ca_file: Some("/other".into()), ..profile("https://c2:8443") };
        assert_eq!(overridden(profile("https://c1:8443"), &connection), expected);
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.toml");
        fs::write(&path, "curent = \"x\"\n").expect("written");
        let failure = Profiles::read(&path).expect_err("a typing error");
        assert!(failure.to_string().contains("curent"), "{failure}");
    }
}
