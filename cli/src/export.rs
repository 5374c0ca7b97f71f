//! An export in a file.

use std::path::PathBuf;

use clap::Args;
use npanel_client::{Download, Error};
use serde::Serialize;

use crate::{download, failure::Failure, output, session::Session};

/// Where an export goes.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The file to write, such as acme.tar.gz; it must not be there. Only you can read it.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

/// Writes the export, and gives it its name once all of it is there.
pub(crate) async fn to_file(
    session: &Session,
    to: &ExportArguments,
    download: impl Future<Output = Result<Download, Error>>,
) -> Result<(), Failure> {
    let bytes = download::beside(&to.file, download).await?.name()?;
    output::object(session.format, &Written { file: to.file.display().to_string(), bytes })
}
