//! `npanel-scale`: what becomes of speed and size as a state grows.
//!
//! `npanel-scale fleet` (`make bench-scale`) has three controllers hold so many accounts; `npanel-scale state` says what applying
//! and reading cost by themselves, without consensus and network.

mod accounts;
mod bench;
mod measure;
mod snapshot;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures what becomes of speed and size as a state grows.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Measure three controllers with few accounts, and with many.
    Fleet {
        /// How many are many.
        #[arg(long, default_value_t = 1_000_000)]
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
        /// Where to fill it; a directory that is removed afterwards if not said.
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

fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    match Arguments::parse().action {
        Action::Fleet { accounts, seed } => bench::run(accounts, seed),
        Action::State { accounts, directory, as_it_is, seed } => {
            let temporary = tempfile::tempdir()?;
            let directory = directory.unwrap_or_else(|| temporary.path().join("state"));
            let directory = std::path::absolute(directory)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async {
                if as_it_is {
                    measure::one(&directory).await
                } else {
                    measure::all(&directory, &accounts, seed).await
                }
            })
        }
    }
}
