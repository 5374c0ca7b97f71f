//! `npanel-node`: a node's two daemons, and the way into a fleet.

use std::{convert::Infallible, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use npanel_agent::{
    Config, agent, check,
    config::{Endpoint, LogFormat},
    enroll::{self, Enrolling},
    executor, leftovers, logging, release,
};
use npanel_model::{NodeName, Secret, Timestamp};
use npanel_pki::{BootstrapToken, tls};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// A node of an nPanel fleet.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes this machine a node: its key is made here and certified by a controller.
    Enroll {
        #[command(flatten)]
        place: Place,
        /// A bootstrap token, as `npanel token create` shows it. In the environment, other users do not see it.
        #[arg(long, env = "NPANEL_TOKEN", hide_env_values = true, value_parser = secret)]
        token: Secret,
        /// A controller to ask, HOST:PORT. Those of the configuration unless given; may be repeated.
        #[arg(long = "controller")]
        controllers: Vec<Endpoint>,
        /// The node's name. That of the configuration unless given.
        #[arg(long)]
        name: Option<NodeName>,
        /// Replaces an identity that is there.
        #[arg(long)]
        force: bool,
    },
    /// Runs the daemon that speaks to the fleet, without privileges.
    Agent {
        #[command(flatten)]
        place: Place,
    },
    /// Runs the daemon that does what needs root, for the agent.
    Executor {
        #[command(flatten)]
        place: Place,
    },
    /// Judges the configuration and this machine, without starting anything: what is wrong and what to do about it.
    Check {
        #[command(flatten)]
        place: Place,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Lists what lies on this machine and belongs to no object of the node; or removes it.
    DiscardLeftovers {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        data_loss: DataLoss,
    },
    /// Lets the agent carry out the many deletions that it holds.
    ReleaseDeletions {
        #[command(flatten)]
        place: Place,
    },
}

/// What is left over is data of somebody: without this, it is only listed.
#[derive(clap::Args)]
struct DataLoss {
    /// Databases are dropped, and homes moved aside to /home/.leftovers, where they may be deleted.
    #[arg(long)]
    accept_data_loss: bool,
}

/// Parsed only afterwards: an error of the command line would repeat the value.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(clap::Args)]
struct Place {
    /// The configuration.
    #[arg(long, default_value = "/etc/npanel/node.toml")]
    config: PathBuf,
}

impl Place {
    fn read(&self) -> anyhow::Result<Config> {
        Ok(Config::read(&self.config)?)
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("npanel-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    tls::install_provider();
    match command {
        Command::Check { place, output } => {
            let report = runtime()?.block_on(check::check(&place.config));
            match output {
                Output::Text => print!("{}", report.table()),
                Output::Json => print!("{}", report.json()),
            }
            return Ok(report.exit_code().into());
        }
        Command::Enroll { place, token, controllers, name, force } => {
            let token: BootstrapToken = token.expose().parse()?;
            let config = place.read()?;
            logging::begin(LogFormat::Text);
            let controllers = if controllers.is_empty() { config.controllers.clone() } else { controllers };
            let name = name.unwrap_or_else(|| config.name.clone());
            enroll::prepare(&config)?;
            let asked = Enrolling { token, name, controllers, force };
            let identity = runtime()?.block_on(enroll::enroll(&config, &asked))?;
            println!("enrolled as {identity}");
            anyhow::Ok(())
        }
        Command::Agent { place } => {
            let config = begin(&place)?;
            runtime()?.block_on(async { Ok(agent::run(&config, stop_signal()?).await?) })
        }
        Command::Executor { place } => {
            let config = begin(&place)?;
            runtime()?.block_on(async { Ok(executor::run(&config, stop_signal()?).await?) })
        }
        Command::DiscardLeftovers { place, data_loss } => {
            return discard_leftovers(&place.read()?, &data_loss);
        }
        Command::ReleaseDeletions { place } => {
            release::release_deletions(&place.read()?, Timestamp::now())?;
            println!(
                "Released: the daemon carries out within seconds the deletions that it has held until now, if any."
            );
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn discard_leftovers(config: &Config, data_loss: &DataLoss) -> anyhow::Result<ExitCode> {
    let list = leftovers::list(config).context("cannot read the daemon's list")?;
    print!("{list}");
    if list.is_empty() {
        println!("There are no leftovers.");
        return Ok(ExitCode::SUCCESS);
    }
    if !data_loss.accept_data_loss {
        println!("Nothing was removed: that takes --accept-data-loss.");
        return Ok(ExitCode::FAILURE);
    }
    leftovers::discard(config, Timestamp::now())?;
    println!("The daemon removes them within seconds; the node's condition Leftovers ends when it has.");
    Ok(ExitCode::SUCCESS)
}

fn begin(place: &Place) -> anyhow::Result<Config> {
    let config = place.read()?;
    logging::begin(config.log);
    Ok(config)
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("cannot start the runtime")
}

/// Cancelled by SIGTERM and SIGINT.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stopped.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_a_document_shows_is_one() {
        let shown = npanel_documents::commands("npanel-node");
        assert!(shown.len() > 3, "{shown:?}");
        for mut shown in shown {
            // Documents give it in the environment.
            if shown.words.get(1).is_some_and(|word| word == "enroll") {
                shown.words.extend(["--token", "t"].map(str::to_owned));
            }
            if let Err(error) = Cli::try_parse_from(&shown.words) {
                panic!("{}: {:?}: {error}", shown.document, shown.words);
            }
        }
    }
}
