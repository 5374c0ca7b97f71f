//! `npanel-controller`: makes, joins and runs a controller.

use std::{convert::Infallible, io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use npanel_model::{Fqdn, Secret};
use npanel_pki::{BootstrapToken, KeyFingerprint, RecoveryKey};
use npanel_server::{
    check,
    config::{Config, FEATURE_LEVELS},
    daemon, openapi, permissions,
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
    /// Make this machine the first controller of a cluster that is lost, from a backup of its state. Nodes keep all that they
    /// have.
    Restore {
        #[command(flatten)]
        file: ConfigFile,
        /// The backup.
        #[arg(long, value_name = "FILE")]
        backup: PathBuf,
        /// The recovery key that the backup is sealed to. Better given as NPANEL_RECOVERY_KEY: arguments are visible to every
        /// user of the machine.
        #[arg(
            long, env = "NPANEL_RECOVERY_KEY", hide_env_values = true, value_parser = secret,
            required_unless_present = "check"
        )]
        recovery_key: Option<Secret>,
        /// The pin of the authority that must have signed the backup: the cluster's CA, as npanel-controller init and npanel cluster
        /// status have shown it; every bootstrap token ends with it. Without it nothing is restored, for anybody can make a backup.
        #[arg(long, value_name = "PIN")]
        ca_pin: Option<KeyFingerprint>,
        /// Make nothing: read all of the backup and say whether a controller could be made of it.
        #[arg(long)]
        check: bool,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// The last resort when a majority of the controllers is lost for good: make this one, whose daemon is stopped, the only one,
    /// with all that is in its log. What others had and it had not is lost.
    Recover {
        #[command(flatten)]
        file: ConfigFile,
        /// Change nothing: say how far this controller's log goes. The one with the highest term, and then index, has the most.
        #[arg(long)]
        dry_run: bool,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Make a key to which the secrets in backups are sealed. It is kept by people; controllers are given its public half.
    RecoveryKey {
        /// How to print the result.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
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
    /// Print who may take which route.
    Permissions,
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
        Command::Restore { file, backup, recovery_key, ca_pin, check, output } => {
            let config = Config::load(&file.config)?;
            let key = recovery_key.map(|key| key.expose().parse::<RecoveryKey>()).transpose()?;
            match (key, check) {
                (key, true) => {
                    let checked = daemon::check_backup(&config, &backup, key.as_ref(), ca_pin)?;
                    print(&checked_text(&checked, output))
                }
                (Some(key), false) => {
                    let restored = runtime.block_on(daemon::restore(&config, &backup, &key, ca_pin))?;
                    print(&restored_text(&restored, output))
                }
                (None, false) => anyhow::bail!("the recovery key is missing"),
            }
        }
        Command::Recover { file, dry_run: true, output } => {
            let end = runtime.block_on(daemon::log_end(&Config::load(&file.config)?))?;
            print(&log_end_text(&end, output))
        }
        Command::Recover { file, dry_run: false, output } => {
            let recovered = runtime.block_on(daemon::recover(&Config::load(&file.config)?))?;
            print(&recovered_text(&recovered, output))
        }
        Command::RecoveryKey { output } => print(&recovery_key_text(&RecoveryKey::generate()?, output)),
        Command::Openapi => print(openapi::document()),
        Command::Permissions => print(&permissions::document()),
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
    let recovery = founded.recovery_key.as_ref().map(Secret::expose);
    match output {
        Output::Json => {
            let fields = serde_json::json!({
                "cluster_id": founded.cluster.to_string(),
                "ca_pin": founded.pin.to_string(),
                "api_key": key,
                "recovery_key": recovery,
                "ca_file": ca.to_string(),
            });
            format!("{fields}\n")
        }
        Output::Text => {
            let recovery = recovery.map_or_else(String::new, |recovery| {
                format!(
                    "The recovery key, without which no backup can be restored, shown this once (keep it outside of the \
                     fleet):\n  {recovery}\n\n"
                )
            });
            format!(
                "The cluster {} is made. Start it: systemctl enable --now npanel-controller\n\n\
             The first administrator's API key, shown this once:\n  {key}\n\n\
             {recovery}\
             The CA for clients of the API: {ca}\n\
             The CA's pin, also part of every bootstrap token, and asked for when a backup is restored: {}\n",
                founded.cluster, founded.pin
            )
        }
    }
}

fn checked_text(checked: &daemon::Checked, output: Output) -> String {
    let manifest = &checked.manifest;
    if let Output::Json = output {
        return format!(
            "{}\n",
            serde_json::json!({
                "manifest": manifest, "key_opens_it": checked.is_opened,
                "signed_by": checked.signed_by.to_string(), "is_pinned": checked.is_pinned,
            })
        );
    }
    let signed = if checked.is_pinned {
        "It is signed by the authority with the pin that was given.".to_owned()
    } else {
        format!(
            "Warning: it is signed by the authority with the pin {}, and whether that is yours was not tried: anybody can make a \
             backup. Give the pin of your CA: --ca-pin PIN.",
            checked.signed_by
        )
    };
    let key = if checked.is_opened {
        "The recovery key opens it.".to_owned()
    } else {
        format!("Whether a recovery key opens it was not tried; it is sealed to {}.", manifest.recovery_key)
    };
    format!(
        "The backup is whole: cluster {}, epoch {}, term {}, index {}, made at {} by controller {}, version {}.\n{signed}\n{key}\n",
        manifest.cluster_id,
        manifest.epoch,
        manifest.term,
        manifest.index,
        manifest.made_at,
        manifest.controller_id,
        manifest.version
    )
}

fn restored_text(restored: &daemon::Restored, output: Output) -> String {
    let daemon::Restored { id, cluster, epoch, state_of, ca_file } = restored;
    match output {
        Output::Json => {
            let fields = serde_json::json!({
                "controller_id": id, "cluster_id": cluster, "epoch": epoch, "state_of": state_of, "ca_file": ca_file,
            });
            format!("{fields}\n")
        }
        Output::Text => format!(
            "The cluster {cluster} goes on from its state of {state_of}; what was changed after that is lost.\n\
             This machine is its only controller, {id}, in epoch {epoch}. \
             Start it: systemctl enable --now npanel-controller\n\
             Then join the others anew, and see docs/operations/backup-and-restore.md for what to look after.\n\
             The CA for clients of the API: {}\n",
            ca_file.display()
        ),
    }
}

fn log_end_text(end: &daemon::LogEnd, output: Output) -> String {
    let daemon::LogEnd { id, cluster, term, index, applied_index } = end;
    match output {
        Output::Json => {
            let fields = serde_json::json!({
                "controller_id": id, "cluster_id": cluster.to_string(), "term": term, "index": index,
                "applied_index": applied_index,
            });
            format!("{fields}\n")
        }
        Output::Text => format!(
            "controller {id} of cluster {cluster}: the log ends at term {term}, index {index}; applied up to {applied_index}\n"
        ),
    }
}

fn recovered_text(recovered: &daemon::Recovered, output: Output) -> String {
    let daemon::Recovered { id, epoch, from: (term, index), state_of, kept, missing_cluster_key } = recovered;
    match output {
        Output::Json => {
            let fields = serde_json::json!({
                "controller_id": id, "epoch": epoch, "term": term, "index": index, "state_of": state_of, "kept": kept,
                "missing_cluster_key": missing_cluster_key,
            });
            format!("{fields}\n")
        }
        Output::Text => format!(
            "Controller {id} is the only one of its cluster now, in epoch {epoch}, with all of its log (up to term {term}, index \
             {index}, of {state_of}).\n\
             Start it: systemctl start npanel-controller. Then join others; what the lost ones had is never to be started again.\n\
             What this controller had before is in {}.\n{}",
            kept.display(),
            missing_cluster_key.map(missing_key_text).unwrap_or_default()
        ),
    }
}

fn missing_key_text(version: u64) -> String {
    format!(
        "\nWARNING: this controller does not have the cluster key of version {version}, by which secrets in its state are sealed: the \
         keys of tenants' data, and with them the passwords of database users and the secrets of webhooks, cannot be opened, and \
         whatever needs one fails. Another controller that had the key has it in its data directory: before others join, recover \
         on that one instead, or restore a backup.\n"
    )
}

fn recovery_key_text(key: &RecoveryKey, output: Output) -> String {
    let (private, public) = (key.reveal(), key.public());
    match output {
        Output::Json => {
            let fields =
                serde_json::json!({ "recovery_key": private.expose(), "public": public.to_string() });
            format!("{fields}\n")
        }
        Output::Text => format!(
            "The recovery key, shown this once; keep it outside of the fleet:\n  {}\n\n\
             Backups from now on are sealed to it once the cluster knows its public half:\n  \
             npanel cluster update --recovery-key {public}\n",
            private.expose()
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
    fn what_was_recovered_without_the_cluster_key_says_so() {
        let recovered = |missing_cluster_key| daemon::Recovered {
            id: npanel_model::ControllerId(2),
            epoch: 7,
            from: (3, 4),
            state_of: npanel_model::Timestamp::now(),
            kept: "/var/lib/npanel/controller.before-7".into(),
            missing_cluster_key,
        };
        let text = |missing| recovered_text(&recovered(missing), Output::Text);
        assert!(!text(None).contains("WARNING"));
        assert!(
            text(Some(5)).contains("WARNING: this controller does not have the cluster key of version 5")
        );
        let json = recovered_text(&recovered(Some(5)), Output::Json);
        assert!(json.contains(r#""missing_cluster_key":5"#), "{json}");
    }

    #[test]
    fn every_command_that_a_document_shows_is_one() {
        let shown = npanel_documents::commands("npanel-controller");
        assert!(shown.len() > 3, "{shown:?}");
        for mut shown in shown {
            // Documents give them in the environment.
            match shown.words.get(1).map(String::as_str) {
                Some("join") => shown.words.extend(["--token", "t"].map(str::to_owned)),
                Some("restore") => shown.words.extend(["--recovery-key", "k"].map(str::to_owned)),
                _ => {}
            }
            if let Err(error) = Arguments::try_parse_from(&shown.words) {
                // What a sentence names may lack what is not its matter.
                let names_only = error.kind() == clap::error::ErrorKind::MissingRequiredArgument;
                assert!(!shown.is_whole && names_only, "{}: {:?}: {error}", shown.document, shown.words);
            }
        }
    }
}
