//! `npanel-controller`: makes, joins and runs a controller.

use std::{convert::Infallible, io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use npanel_model::{Fqdn, Secret};
use npanel_pki::BootstrapToken;
use npanel_server::{
    check,
    config::{Config, FEATURE_LEVELS},
    daemon, openapi,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A controller of an nPanel fleet.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/npanel/controller.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new cluster with this machine as its first controller, and print the first administrator's key.
    Init {
        #[command(flatten)]
        file: ConfigFile,
        /// The domain in which the fleet's name servers are named: <node>.<domain>.
        #[arg(long, value_name = "DOMAIN", default_value = "nodes.npanel.internal")]
        name_server_domain: Fqdn,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Make this machine one more controller of a cluster.
    Join {
        #[command(flatten)]
        file: ConfigFile,
        /// A bootstrap token for the role "controller". Better given as NPANEL_TOKEN: arguments are visible to
        /// every user of the machine.
        #[arg(long, env = "NPANEL_TOKEN", hide_env_values = true, value_parser = secret)]
        token: Secret,
        /// The fleet address of a controller.
        #[arg(long, value_name = "HOST:PORT")]
        controller: String,
    },
    /// Run the daemon.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Go up to this feature level only, as an older version does; else as the configuration says.
        #[arg(long, value_name = "LEVEL", value_parser = feature_level)]
        max_feature_level: Option<u32>,
    },
    /// Judge the configuration and this machine, without starting anything: what is wrong and what to do about it.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Print the hash of the state's content: the same on all controllers of one version that are at the same place.
    ContentHash {
        #[command(flatten)]
        file: ConfigFile,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Print the API's OpenAPI document.
    Openapi,
}

/// Parsed only afterwards: an error of the command line would repeat the value.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn feature_level(text: &str) -> Result<u32, String> {
    let (least, most) = (FEATURE_LEVELS.start(), FEATURE_LEVELS.end());
    let level = text.parse().ok().filter(|level| FEATURE_LEVELS.contains(level));
    level.ok_or_else(|| format!("this version knows the levels {least} to {most}"))
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    npanel_pki::tls::install_provider();
    log_to_standard_error();
    match execute(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            // One line for people: the error and what caused it.
            let _ = writeln!(std::io::stderr(), "npanel-controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// As much as RUST_LOG says, `info` if it says nothing; JSON when NPANEL_LOG_FORMAT is `json`.
fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The consensus library tells its whole life at info.
        tracing_subscriber::EnvFilter::new("info,openraft=warn")
    });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if std::env::var("NPANEL_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.init();
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    match command {
        Command::Init { file, name_server_domain, output } => {
            let config = Config::load(&file.config)?;
            let founded = runtime.block_on(daemon::found(&config, &name_server_domain))?;
            print(&founded_text(&founded, output))
        }
        Command::Join { file, token, controller } => {
            let token: BootstrapToken = token.expose().parse()?;
            let config = Config::load(&file.config)?;
            let joined = runtime.block_on(daemon::join(&config, &token, &controller))?;
            print(&format!(
                "This machine is controller {}. Start it: systemctl enable --now npanel-controller\n\
                 The CA for clients of the API: {}\n",
                joined.id,
                joined.ca_file.display()
            ))
        }
        Command::Run { file, max_feature_level } => {
            let mut config = Config::load(&file.config)?;
            config.max_feature_level = max_feature_level.unwrap_or(config.max_feature_level);
            runtime.block_on(daemon::run(config))
        }
        Command::Check { file, output } => {
            let report = runtime.block_on(check::check(&file.config));
            print(&match output {
                Output::Text => report.table(),
                Output::Json => report.json(),
            })?;
            return Ok(report.exit_code().into());
        }
        Command::ContentHash { file, output } => {
            let content = daemon::content(&Config::load(&file.config)?)?;
            print(&content_text(&content, output))
        }
        Command::Openapi => print(&openapi::document()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn content_text(content: &daemon::Content, output: Output) -> String {
    let daemon::Content { index, hash } = content;
    match output {
        Output::Json => format!("{}\n", serde_json::json!({ "index": index, "sha256": hash })),
        Output::Text => format!("applied up to {index}: {hash}\n"),
    }
}

fn founded_text(founded: &daemon::Founded, output: Output) -> String {
    let (key, ca) = (founded.api_key.expose(), founded.ca_file.display());
    match output {
        Output::Json => {
            let fields = serde_json::json!({
                "cluster_id": founded.cluster.to_string(),
                "ca_pin": founded.pin.to_string(),
                "api_key": key,
                "ca_file": ca.to_string(),
            });
            format!("{fields}\n")
        }
        Output::Text => format!(
            "The cluster {} is made. Start it: systemctl enable --now npanel-controller\n\n\
             The first administrator's API key, shown this once:\n  {key}\n\n\
             The CA for clients of the API: {ca}\n\
             The CA's pin, also part of every bootstrap token: {}\n",
            founded.cluster, founded.pin
        ),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_a_document_shows_is_one() {
        let shown = npanel_documents::commands("npanel-controller");
        assert!(shown.len() > 3, "{shown:?}");
        for mut shown in shown {
            // Documents give it in the environment.
            if shown.words.get(1).is_some_and(|word| word == "join") {
                shown.words.extend(["--token", "t"].map(str::to_owned));
            }
            if let Err(error) = Arguments::try_parse_from(&shown.words) {
                panic!("{}: {:?}: {error}", shown.document, shown.words);
            }
        }
    }
}
