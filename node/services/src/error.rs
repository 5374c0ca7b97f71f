//! What can go wrong with a service.

use npanel_host::{AccountError, ChildError, FileError, SystemdError};
use npanel_model::PhpVersion;

use crate::template::RenderError;

/// Why a service could not be brought to the state that was asked for. No text in it holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A file could not be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The account's user or home is refused.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A unit could not be started, stopped or looked at.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A program could not be run.
    #[error(transparent)]
    Run(#[from] ChildError),
    /// A value cannot be written in the service's syntax.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The service's own checker refused the configuration.
    #[error("{service} refuses its configuration: {detail}")]
    Refused {
        /// The service.
        service: &'static str,
        /// What it said.
        detail: String,
    },
    /// The service does not show what it was configured to.
    #[error("{service} does not show what it should: {detail}")]
    Unverified {
        /// The service.
        service: &'static str,
        /// What was expected and found.
        detail: String,
    },
    /// The web server's user or group is not there: the base has not been set up.
    #[error("the user or group {0} is not there")]
    NoUser(&'static str),
    /// A PHP version that is not installed.
    #[error("PHP {version} is not installed (there are: {installed})")]
    UnknownPhp {
        /// The version.
        version: PhpVersion,
        /// What is installed.
        installed: String,
    },
    /// The system gives no random numbers, or no cipher can be used.
    #[error("there are no random numbers or ciphers")]
    NoRandomness,
    /// A key or certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// MariaDB refused or cannot be reached. Its text is not repeated where a statement holds a secret.
    #[error("mariadb: {0}")]
    Database(#[from] sqlx::Error),
    /// There is no room for what a service would have to write.
    #[error("{service}: less than a megabyte is free at {at}")]
    Full {
        /// The service.
        service: &'static str,
        /// Where it keeps its data.
        at: &'static str,
    },
    /// A statement with a secret in it failed.
    #[error("mariadb: cannot set a user's password ({0})")]
    Password(String),
    /// PowerDNS's database could not be made.
    #[error("cannot make PowerDNS's database: {0}")]
    ZoneDatabase(#[from] rusqlite::Error),
    /// PowerDNS cannot be reached.
    #[error("powerdns: {0}")]
    DnsUnreachable(#[from] reqwest::Error),
    /// PowerDNS refused.
    #[error("powerdns answers {status}: {detail}")]
    DnsRefused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
}

impl ServiceError {
    /// The answer of a checker that was run: its refusal, or that it could not be run.
    pub(crate) fn checked(service: &'static str, error: ChildError) -> Self {
        match error {
            ChildError::Failed { stderr, .. } => Self::Refused { service, detail: stderr },
            other => Self::Run(other),
        }
    }
}
