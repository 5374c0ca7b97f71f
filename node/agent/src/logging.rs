//! The log: on standard error, where the system's journal takes it.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to log. `NPANEL_LOG` chooses what (as `tracing-subscriber` reads it), information by default.
pub fn begin(format: LogFormat) {
    let filter = EnvFilter::try_from_env("NPANEL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
