//! What can be typed.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use npanel_client::{Terms, Wait};
use npanel_model::{Limit, Revision, SuspensionKind, Timestamp};
use npanel_sdk_types::Suspend;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::StrDeserializer},
};

use crate::command::{
    account, api, api_key, audit, ca, cluster, controller, cron, database, dns, domain, events, explain,
    identity_provider, login, me, node, node_event, operation, plan, profile, secrets, session, tenant,
    token, user, webhook,
};
use crate::{failure::Failure, resolve, session::Session};

/// nPanel from the command line.
#[derive(Debug, Parser)]
#[command(name = "npanel", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// How results are printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, env = "NPANEL_OUTPUT")]
    pub(crate) output: Format,
    /// Change nothing: show what the command would come to.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// How fresh what is read must be.
    #[arg(long, global = true, value_enum, default_value_t = Consistency::Linearizable)]
    pub(crate) consistency: Consistency,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How fresh what is read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consistency {
    /// All that was acknowledged before.
    Linearizable,
    /// What the controller that answers has, also without a leader.
    Stale,
}

/// Whom to ask, where it is not the current profile.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The profile to use instead of the current one.
    #[arg(long, global = true, env = "NPANEL_PROFILE")]
    pub(crate) profile: Option<String>,
    /// The controllers' API addresses, instead of the profile's.
    #[arg(
        long = "api-url",
        global = true,
        env = "NPANEL_API_URL",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub(crate) api_urls: Vec<String>,
    /// The file that holds the API key, instead of the profile's.
    #[arg(long = "key-file", global = true, env = "NPANEL_API_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<std::path::PathBuf>,
    /// The file that holds the cluster's CA certificate, instead of the profile's.
    #[arg(long = "ca-file", global = true, env = "NPANEL_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<std::path::PathBuf>,
}

/// Why something is suspended.
#[derive(Debug, Args)]
pub(crate) struct SuspendArguments {
    /// Why, for people.
    #[arg(long, default_value = "")]
    reason: String,
    /// What kind of reason that is, for programs: billing, abuse, limit_exceeded or other.
    #[arg(long)]
    kind: Option<SuspensionKind>,
}

impl SuspendArguments {
    pub(crate) fn into_wire(self) -> Suspend {
        Suspend { reason: self.reason, kind: self.kind }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: the API's objects as JSON, of a list all pages in one array.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tenants: the platform, resellers and their resellers.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Plans: what an account gets.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Hosting accounts.
    #[command(subcommand)]
    Account(account::Command),
    /// Domains of accounts.
    #[command(subcommand)]
    Domain(domain::Command),
    /// Databases and their users.
    #[command(subcommand)]
    Database(database::Command),
    /// DNS zones and records.
    #[command(subcommand)]
    Dns(dns::Command),
    /// Scheduled jobs of accounts.
    #[command(subcommand)]
    Cron(cron::Command),
    /// The machines that do the hosting.
    #[command(subcommand)]
    Node(node::Command),
    /// Why something is where it is, or not as it should be.
    Explain(explain::Explain),
    /// Bootstrap tokens, with which machines enrol.
    #[command(subcommand)]
    Token(token::Command),
    /// API keys.
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Users: people who sign in.
    #[command(subcommand)]
    User(user::Command),
    /// Identity providers: others who say who signs in.
    #[command(subcommand)]
    IdentityProvider(identity_provider::Command),
    /// Yourself: who you are, your password, your second factor.
    #[command(subcommand)]
    Me(me::Command),
    /// What people are signed in by, and the access tokens of API keys.
    #[command(subcommand)]
    Session(session::Command),
    /// Sign in, in a browser or with a password, and use that from now on.
    Login(login::Login),
    /// End the session that login began.
    Logout,
    /// Operations: accepted writes and their way to convergence.
    #[command(subcommand)]
    Operation(operation::Command),
    /// What happens on nodes by itself.
    #[command(subcommand)]
    NodeEvent(node_event::Command),
    /// Addresses that are told what changes.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Show what changes, as it changes: one line for each object that is made, changed, removed or observed.
    Events(events::Events),
    /// Who did what, and the proofs that it is all there.
    #[command(subcommand)]
    Audit(audit::Command),
    /// The certificate authorities that machines and clients trust.
    #[command(subcommand)]
    Ca(ca::Command),
    /// The keys that secrets are sealed by.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// The controllers together.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// One of the controllers.
    #[command(subcommand)]
    Controller(controller::Command),
    /// Whom this program asks.
    #[command(subcommand)]
    Profile(profile::Command),
    /// Call any operation of the API by its name, and print the answer's JSON.
    Api(api::Api),
    /// Write the manual pages of this program, one for each command.
    Man {
        /// The directory to write them to, such as /usr/share/man/man1.
        #[arg(long, value_name = "DIR")]
        out: std::path::PathBuf,
    },
    /// Print a script that completes this program's commands on the command line.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// Whether to wait for the fleet.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct WaitArguments {
    /// Wait until the fleet has done it.
    #[arg(long)]
    wait: bool,
    /// How long to wait, such as 60, 90s or 5m.
    #[arg(long, requires = "wait", default_value = "60", value_parser = duration, value_name = "TIME")]
    timeout: Duration,
}

impl WaitArguments {
    /// How long to wait, if at all.
    pub(crate) fn timeout(self) -> Option<Duration> {
        self.wait.then_some(self.timeout)
    }
}

/// How something that exists is changed or removed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ChangeArguments {
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Only if it is still at this revision, as `get` shows it.
    #[arg(long, value_name = "REVISION", value_parser = revision)]
    if_match: Option<Revision>,
}

impl ChangeArguments {
    /// What the client is told. Waiting is done by the program itself, so that there is something to look at.
    pub(crate) fn terms(self) -> Terms {
        Terms { wait: Wait::No, if_match: self.if_match }
    }
}

pub(crate) fn revision(text: &str) -> Result<Revision, String> {
    let digits = text.trim_matches('"');
    digits.parse().map(Revision).map_err(|_| format!("a revision is a number (got {text:?})"))
}

/// Which of a list, by how they stand.
#[derive(Debug, Clone, Args)]
pub(crate) struct StandingArguments {
    /// Only those that stand so: converging, ready, failed or deleting.
    #[arg(long, value_parser = ["converging", "ready", "failed", "deleting"])]
    status: Option<String>,
    /// Only those on this node (name or id).
    #[arg(long)]
    node: Option<String>,
    /// Only those that are being deleted (true), or are not (false).
    #[arg(long)]
    deleted: Option<bool>,
    #[command(flatten)]
    age: AgeArguments,
}

/// In which order a list is.
#[derive(Debug, Clone, Args)]
pub(crate) struct SortArguments {
    /// In which order: name (of accounts: username) or created_at, with - before it the other way round. The oldest come first if it
    /// is not said.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true,
        value_parser = ["name", "-name", "username", "-username", "created_at", "-created_at"])]
    sort: Option<String>,
}

impl SortArguments {
    pub(crate) fn filter(self) -> Filter {
        ("sort", self.sort)
    }
}

/// A filter of a list, as the API calls it.
pub(crate) type Filter = (&'static str, Option<String>);

/// Which of a list, by how old they are.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AgeArguments {
    /// Only those made within this time, such as 2h or 7d.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    newer_than: Option<Duration>,
}

impl AgeArguments {
    pub(crate) fn filter(self) -> Filter {
        ("created_since", self.newer_than.map(|age| ago(age).to_string()))
    }
}

/// Which of a list of what accounts have.
#[derive(Debug, Clone, Args)]
pub(crate) struct OwnedArguments {
    /// Only those of this account (user name or id).
    #[arg(long)]
    account: Option<String>,
    /// Only those of this tenant itself (name or id).
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    standing: StandingArguments,
}

impl OwnedArguments {
    pub(crate) async fn filters(self, session: &Session) -> Result<Vec<Filter>, Failure> {
        let account = match &self.account {
            Some(account) => Some(resolve::account(&session.client, account).await?.to_string()),
            None => None,
        };
        let tenant = match &self.tenant {
            Some(tenant) => Some(resolve::tenant(&session.client, tenant).await?.to_string()),
            None => None,
        };
        let mut filters = self.standing.filters(session).await?;
        filters.extend([("account_id", account), ("tenant_id", tenant)]);
        Ok(filters)
    }
}

impl StandingArguments {
    pub(crate) async fn filters(self, session: &Session) -> Result<Vec<Filter>, Failure> {
        let node = match &self.node {
            Some(node) => Some(resolve::node(&session.client, node).await?.to_string()),
            None => None,
        };
        let deleted = self.deleted.map(|is| is.to_string());
        Ok(vec![("status", self.status), ("node_id", node), ("deleted", deleted), self.age.filter()])
    }
}

/// Reads a limit: a number, or "unlimited".
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "unlimited" => Ok(Limit::Unlimited),
        text => text.parse().map(Limit::AtMost).map_err(|_| format!("a number, or unlimited (got {text:?})")),
    }
}

/// Reads a duration: a whole number of seconds, or of the unit s, m, h or d.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("a time is a number and s, m, h or d, such as 15m (got {text:?})");
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let seconds: u64 = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    let number: u64 = digits.parse().map_err(|_| refused())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refused)
}

fn ago(age: Duration) -> Timestamp {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(millis))
}

/// A time: how long ago, or by the calendar.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(age) = duration(text) {
        return Ok(ago(age));
    }
    let written: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    Timestamp::deserialize(written).map_err(|_| {
        format!("a time is an age such as 2h or 7d, or such as 2026-11-23T12:00:00Z (got {text:?})")
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};
    use npanel_model::Action;

    use super::*;

    #[test]
    fn a_time_is_an_age_or_of_the_calendar() {
        let asked = Timestamp::now();
        let hour_ago = time("1h").expect("an age");
        assert!(asked.since(hour_ago) <= Duration::from_secs(3_600), "{hour_ago}");
        assert_eq!(time("2026-11-23T12:00:00Z").expect("a time").to_string(), "2026-11-23T12:00:00Z");
        assert!(time("yesterday").expect_err("no time").contains("\"yesterday\""));
    }

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    /// How the command line says an action: `dns.add_record` is `dns add-record`, a noun is not said twice,
    /// and `database.list_databases` is `database list`.
    fn words(action: Action) -> (String, String) {
        let (noun, verb) = action.as_str().split_once('.').expect("noun and verb");
        let verb = verb
            .strip_suffix(&format!("_{noun}"))
            .or(verb.strip_suffix(&format!("_{noun}s")))
            .unwrap_or(verb);
        (noun.replace('_', "-"), verb.replace('_', "-"))
    }

    #[test]
    fn every_action_of_the_api_has_its_command() {
        let command = Arguments::command();
        for action in Action::ALL {
            let by_machines = [
                Action::NodeEnrol,
                Action::NodeReplace,
                Action::ControllerJoin,
                Action::IdentityRenew,
                Action::ClusterRestore,
                // And by people in a browser.
                Action::SessionConfirmDevice,
                Action::SessionIdentify,
            ];
            // Options of that to look, and of that to remove.
            if [Action::SessionImpersonateToWrite, Action::AccountErase].contains(action) {
                continue;
            }
            if by_machines.contains(action) {
                continue;
            }
            if *action == Action::SessionDevice {
                assert!(command.find_subcommand("login").is_some(), "npanel login");
                continue;
            }
            if *action == Action::EventList {
                assert!(command.find_subcommand("events").is_some(), "npanel events");
                continue;
            }
            let (noun, verb) = words(*action);
            let found = command.find_subcommand(&noun).and_then(|group| group.find_subcommand(&verb));
            assert!(found.is_some(), "npanel {noun} {verb}");
        }
    }

    #[test]
    fn every_command_that_a_document_shows_is_one() {
        let shown = npanel_documents::commands("npanel");
        let whole = shown.iter().filter(|shown| shown.is_whole).count();
        assert!(whole > 10 && shown.len() > whole + 10, "{shown:?}");
        let wrong = |shown: &npanel_documents::Shown| {
            let error = Arguments::try_parse_from(&shown.words).err()?;
            // What a sentence names may lack what is not its matter.
            let names_only = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::DisplayHelp
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            (shown.is_whole || !names_only)
                .then(|| format!("{}: {}: {error}", shown.document, shown.words.join(" ")))
        };
        let wrong: Vec<_> = shown.iter().filter_map(wrong).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("60"), Ok(Duration::from_secs(60)));
        for text in ["", "m", "1x", "-1s", "1.5h", "99999999999999999999d", "5mm", "ä"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_timeout_without_waiting_is_a_mistake() {
        let base = ["npanel", "account", "delete", "alice"];
        assert!(Arguments::try_parse_from(base.iter().chain(&["--wait", "--timeout", "5s"])).is_ok());
        assert!(Arguments::try_parse_from(base.iter().chain(&["--timeout", "5s"])).is_err());
    }
}
