//! `npanel-scale`: fills states, and measures the state alone.
//!
//! `npanel-scale fill` makes the snapshot that `make bench-scale` has controllers start from; `npanel-scale state` says what
//! applying and reading cost as a state grows, without consensus and network.

mod measure;
mod snapshot;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Fills states with accounts, and measures the state alone.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fill a copy of a stopped controller's state, and put the snapshot of it where the controller takes it from at its start.
    Fill {
        /// The controller's state: its `CURRENT` is read.
        #[arg(long)]
        state: PathBuf,
        /// Where to fill the copy; there must be nothing.
        #[arg(long)]
        work: PathBuf,
        /// Where the snapshot goes, under the name by which controllers know it.
        #[arg(long)]
        snapshots: PathBuf,
        /// How many accounts to make.
        #[arg(long)]
        accounts: u64,
        /// The same seed makes the same rows.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measure a state by itself at each size.
    State {
        /// The sizes, in accounts; smallest first.
        #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
        accounts: Vec<u64>,
        /// Where to fill it; a directory that is removed afterwards if not said. One that was filled is gone on with.
        #[arg(long)]
        directory: Option<PathBuf>,
        /// Measure what is in the directory, without filling it further.
        #[arg(long, requires = "directory")]
        as_it_is: bool,
        /// The same seed makes the same rows.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    match Arguments::parse().action {
        Action::Fill { state, work, snapshots, accounts, seed } => {
            snapshot::fill(&state, &work, &snapshots, accounts, seed).await
        }
        Action::State { accounts, directory, as_it_is, seed } => {
            let temporary = tempfile::tempdir()?;
            let directory = directory.unwrap_or_else(|| temporary.path().join("state"));
            let directory = std::path::absolute(directory)?;
            if as_it_is {
                measure::one(&directory).await
            } else {
                measure::all(&directory, &accounts, seed).await
            }
        }
    }
}
