//! `/etc/npanel/controller.toml`: unknown keys are refused, and every error is reported at once.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_model::NodeName;
use rustls::pki_types::ServerName;
use serde::Deserialize;

/// A controller's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything that it keeps is.
    pub data_directory: PathBuf,
    /// Its name among the controllers.
    pub name: NodeName,
    /// Where the API listens.
    pub api_listen: SocketAddr,
    /// The names and addresses that clients reach the API under.
    pub api_names: Vec<ServerName<'static>>,
    /// Where controllers and nodes are listened for.
    pub fleet_listen: SocketAddr,
    /// Where the other controllers and the nodes reach this one: `HOST:PORT`.
    pub fleet_advertise: String,
    /// Where health and metrics are served, without TLS.
    pub telemetry_listen: SocketAddr,
    /// How long nodes keep the data of what is deleted. Used by `init`; replicated from then on.
    pub retention: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_directory: PathBuf,
    name: String,
    api: Api,
    fleet: Fleet,
    telemetry: Telemetry,
    #[serde(default)]
    retention: Retention,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Api {
    listen: String,
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fleet {
    listen: String,
    advertise: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Telemetry {
    listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retention {
    deleted_data_seconds: u64,
}

impl Default for Retention {
    /// A week: long enough to notice that something is missed.
    fn default() -> Self {
        Self { deleted_data_seconds: 7 * 24 * 3600 }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used:", self.path.display())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// With every problem that there is.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let problem = |problems| ConfigError { path: path.to_owned(), problems };
        let text = fs::read_to_string(path).map_err(|error| problem(vec![error.to_string()]))?;
        Self::parse(&text).map_err(problem)
    }

    fn parse(text: &str) -> Result<Self, Vec<String>> {
        let unknown = unknown_keys(text);
        let file: File = toml::from_str(text).map_err(|error| {
            // The parser stops at the first error; the unknown keys are all there.
            if unknown.is_empty() { vec![error.to_string().trim().to_owned()] } else { unknown }
        })?;
        let mut problems = Vec::new();
        let mut check = |problem: String| problems.push(problem);
        if !file.data_directory.is_absolute() {
            check(format!("data_directory: an absolute path (got {:?})", file.data_directory));
        }
        let name = file.name.parse::<NodeName>().map_err(|error| check(format!("name: {error}"))).ok();
        let api_listen = address("api.listen", &file.api.listen, &mut check);
        let fleet_listen = address("fleet.listen", &file.fleet.listen, &mut check);
        let telemetry_listen = address("telemetry.listen", &file.telemetry.listen, &mut check);
        if file.api.names.is_empty() {
            check("api.names: at least one name or address that clients use".to_owned());
        }
        let mut api_names = Vec::new();
        for text in file.api.names {
            match ServerName::try_from(text.clone()) {
                Ok(name) => api_names.push(name),
                Err(_) => check(format!("api.names: a host name or IP address (got {text:?})")),
            }
        }
        if !is_host_and_port(&file.fleet.advertise) {
            check(format!("fleet.advertise: HOST:PORT (got {:?})", file.fleet.advertise));
        }
        match (name, api_listen, fleet_listen, telemetry_listen) {
            (Some(name), Some(api_listen), Some(fleet_listen), Some(telemetry_listen))
                if problems.is_empty() =>
            {
                Ok(Self {
                    data_directory: file.data_directory,
                    name,
                    api_listen,
                    api_names,
                    fleet_listen,
                    fleet_advertise: file.fleet.advertise,
                    telemetry_listen,
                    retention: Duration::from_secs(file.retention.deleted_data_seconds),
                })
            }
            _ => Err(problems),
        }
    }
}

/// The keys of the file that are not known, all of them.
fn unknown_keys(text: &str) -> Vec<String> {
    const KNOWN: &[(&str, &[&str])] = &[
        ("api", &["listen", "names"]),
        ("fleet", &["listen", "advertise"]),
        ("telemetry", &["listen"]),
        ("retention", &["deleted_data_seconds"]),
    ];
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let mut unknown = Vec::new();
    for (key, value) in &table {
        let section = KNOWN.iter().find(|(name, _)| name == key);
        match (section, value) {
            (None, _) if key == "data_directory" || key == "name" => {}
            (None, _) => unknown.push(format!("{key}: unknown key")),
            (Some((_, known)), toml::Value::Table(inner)) => {
                let strange = inner.keys().filter(|name| !known.contains(&name.as_str()));
                unknown.extend(strange.map(|name| format!("{key}.{name}: unknown key")));
            }
            (Some(_), _) => {}
        }
    }
    unknown
}

fn address(key: &str, text: &str, problem: &mut impl FnMut(String)) -> Option<SocketAddr> {
    text.parse().map_err(|_| problem(format!("{key}: ADDRESS:PORT (got {text:?})"))).ok()
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host).is_ok() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        data_directory = "/var/lib/npanel"
        name = "c1"
        [api]
        listen = "0.0.0.0:8443"
        names = ["c1.example.net", "10.88.0.1"]
        [fleet]
        listen = "0.0.0.0:8444"
        advertise = "10.88.0.1:8444"
        [telemetry]
        listen = "127.0.0.1:9470"
    "#;

    #[test]
    fn the_documented_file_is_accepted() {
        let config = Config::parse(GOOD).expect("a good configuration");
        assert_eq!(config.retention, Duration::from_secs(604_800));
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let bad = GOOD
            .replace("c1\"\n", "C 1\"\n")
            .replace("0.0.0.0:8443", "nowhere")
            .replace("10.88.0.1:8444", "x");
        let problems = Config::parse(&bad).expect_err("three errors");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn unknown_keys_are_all_named() {
        let bad = format!("colour = 1\n{GOOD}\n speed = 3\n[extra]\nx = 1\n");
        let problems = Config::parse(&bad).expect_err("unknown keys");
        assert_eq!(problems, ["colour: unknown key", "extra: unknown key", "telemetry.speed: unknown key"]);
    }
}
