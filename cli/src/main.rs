//! `npanel`: nPanel from the command line.
//!
//! Commands say the API's action names: `dns.add_record` is `npanel dns add-record`, and a noun is never said
//! twice (`database.create_database` is `npanel database create`). Results go to standard output, everything
//! else to standard error. Exit status: 0 done, 1 refused, 2 usage or configuration, 3 no controller
//! reachable, 4 the time to wait ended.

mod arguments;
mod backup;
mod bulk;
mod command;
mod document;
mod download;
mod explanation;
mod export;
mod failure;
mod health;
mod kept;
mod output;
mod preview;
mod profile;
mod resolve;
mod row;
mod secret_input;
mod session;
mod summary;
mod tone;
mod verifying;
mod waiting;

use std::process::ExitCode;

use clap::Parser;

use crate::{arguments::Arguments, failure::Failure};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (format, dry_run) = (arguments.output, arguments.dry_run);
    let done = match command::run(arguments).await {
        Err(Failure::Previewed(preview)) => preview::print(format, &preview),
        Ok(()) if dry_run => Err(Failure::usage("--dry-run: this command changes nothing anyway")),
        done => done,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("npanel: {}", output::printable(&failure.to_string()));
            failure.exit_code()
        }
    }
}
