//! `npanel ca`.

use clap::Subcommand;
use npanel_sdk_types::{Ca, RetireCa};

use crate::{arguments::Format, failure::Failure, output, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the certificate authorities and which machines still need an old one.
    Status,
    /// Print the certificates that clients of the API are to trust, in PEM: the file for --ca-file.
    Bundle,
    /// Make a new certificate authority, which issues from now on. The old one stays trusted until all machines
    /// have moved over, which they do by themselves.
    Rotate,
    /// Trust the old certificate authority no longer. It happens by itself when no machine needs it.
    Retire {
        /// Also while machines need it: they are refused until they have renewed.
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Status => show(&client.ca().await?, session.format),
        Command::Bundle => output::print(client.ca().await?.bundle_pem.trim_end()),
        Command::Rotate => {
            show(&client.rotate_ca().await?, session.format)?;
            if session.format == Format::Table {
                output::print(
                    "machines move over by themselves; clients that trust the old CA file keep working, and should get\n\
                     the new one before the old is retired: npanel ca bundle > ca.pem",
                )?;
            }
            Ok(())
        }
        Command::Retire { force } => show(&client.retire_ca(&RetireCa { force }).await?, session.format),
    }
}

fn show(ca: &Ca, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::object(format, ca),
        Format::Table => output::list(format, &ca.authorities),
    }
}
