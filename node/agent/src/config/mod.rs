//! `node.toml`: unknown keys are refused, and everything that is wrong is said at once.

mod endpoint;
mod fields;

use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use npanel_model::{AvailabilityZone, NodeLabel, NodeName, NodeRole};

pub use endpoint::{Endpoint, EndpointError};
use fields::Fields;

/// The node's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the daemon keeps its ledger and identity.
    pub data_directory: PathBuf,
    /// The node's name in the fleet.
    pub name: NodeName,
    /// Where its sites, databases and DNS are reached.
    pub address: IpAddr,
    /// Every controller.
    pub controllers: Vec<Endpoint>,
    /// What the node is for.
    pub roles: Vec<NodeRole>,
    /// Where it stands and what else is said of it.
    pub place: Place,
    /// Where health and metrics are served.
    pub telemetry: SocketAddr,
    /// Where the executor listens.
    pub executor_socket: PathBuf,
    /// The user that the unprivileged part runs as.
    pub user: String,
    /// How the log is written.
    pub log: LogFormat,
}

/// Where the node stands, and what else placement may go by. An operator's word in the fleet's state comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The part of the fleet that it fails with.
    pub availability_zone: Option<AvailabilityZone>,
    /// `key=value`.
    pub labels: Vec<NodeLabel>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It is not TOML.
    #[error("{path} is not TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// Values are missing, unknown or wrong.
    #[error("{path} cannot be used:{problems}")]
    Values {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Problems,
    },
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// The text of an ordinary file. A pipe would be waited for, and a device may have no end.
fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.is_file() {
        fs::read_to_string(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"))
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or with all that is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = text_of(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let table = text.parse::<toml::Table>().map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        Self::from_table(table).map_err(|problems| ConfigError::Values { path: path.to_owned(), problems })
    }

    fn from_table(table: toml::Table) -> Result<Self, Problems> {
        let mut fields = Fields::new(table);
        let data_directory = fields.absolute_path("data_directory", None);
        let name = fields.parsed("name", None);
        let address = fields.parsed("address", None);
        let controllers = fields.list("controllers");
        let roles: Vec<NodeRole> = fields.list("roles");
        let place = Place {
            availability_zone: fields.optional("availability_zone"),
            labels: fields.optional_list("labels"),
        };
        let mut telemetry = fields.section("telemetry");
        let listen = telemetry.parsed("listen", Some("127.0.0.1:9471"));
        fields.end_section(telemetry);
        let mut executor = fields.section("executor");
        let socket = executor.absolute_path("socket", Some(npanel_executor::DEFAULT_SOCKET));
        fields.end_section(executor);
        let mut log = fields.section("log");
        let format = log.parsed("format", Some("text"));
        fields.end_section(log);
        let user = fields.parsed("user", Some("npanel"));
        let problems = fields.end();
        match (data_directory, name, address, listen, socket, format, user) {
            (
                Some(data_directory),
                Some(name),
                Some(address),
                Some(telemetry),
                Some(executor_socket),
                Some(log),
                Some(user),
            ) if problems.is_empty() => {
                let mut config = Self {
                    data_directory,
                    name,
                    address,
                    controllers,
                    roles,
                    place,
                    telemetry,
                    executor_socket,
                    user,
                    log,
                };
                config.roles.sort();
                config.roles.dedup();
                Ok(config)
            }
            _ => Err(Problems(problems)),
        }
    }

    /// Where the identity is kept.
    pub fn identity_directory(&self) -> PathBuf {
        self.data_directory.join("identity")
    }

    /// Where the ledger is kept.
    pub fn ledger_directory(&self) -> PathBuf {
        self.data_directory.join("ledger")
    }
}

impl std::str::FromStr for LogFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("text or json (got {text:?})")),
        }
    }
}

#[cfg(test)]
mod tests;
