//! The commands, one file per noun.

pub(crate) mod account;
pub(crate) mod api;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod ca;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod controller;
pub(crate) mod cron;
pub(crate) mod database;
pub(crate) mod dns;
pub(crate) mod domain;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod identity_provider;
pub(crate) mod login;
pub(crate) mod man;
pub(crate) mod me;
pub(crate) mod node;
pub(crate) mod node_event;
pub(crate) mod operation;
pub(crate) mod placement;
pub(crate) mod plan;
pub(crate) mod plan_limits;
pub(crate) mod profile;
pub(crate) mod secrets;
pub(crate) mod session;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod webhook;

use crate::{
    arguments::{Arguments, Command, Consistency},
    failure::Failure,
    session::Session,
};

/// Does what was typed.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { connection, output, dry_run, consistency, command } = arguments;
    let session = || {
        let session = Session::open(&connection, output, dry_run)?;
        Ok::<_, Failure>(if consistency == Consistency::Stale { session.reading_stale() } else { session })
    };
    match command {
        Command::Tenant(command) => tenant::run(command, &session()?).await,
        Command::Plan(command) => plan::run(command, &session()?).await,
        Command::Account(command) => account::run(command, &session()?).await,
        Command::Domain(command) => domain::run(command, &session()?).await,
        Command::Database(command) => database::run(command, &session()?).await,
        Command::Dns(command) => dns::run(command, &session()?).await,
        Command::Cron(command) => cron::run(command, &session()?).await,
        Command::Controller(command) => controller::run(command, &session()?).await,
        Command::Node(command) => node::run(command, &session()?).await,
        Command::Explain(command) => explain::run(command, &session()?).await,
        Command::Token(command) => token::run(command, &session()?).await,
        Command::ApiKey(command) => api_key::run(command, &session()?).await,
        Command::User(command) => user::run(command, &session()?).await,
        Command::IdentityProvider(command) => identity_provider::run(command, &session()?).await,
        Command::Me(command) => me::run(command, &session()?).await,
        Command::Session(command) => session::run(command, &connection, &session()?).await,
        Command::Login(asked) => login::login(asked, &connection, output).await,
        Command::Logout => login::logout(&connection).await,
        Command::Operation(command) => operation::run(command, &session()?).await,
        Command::Secrets(command) => secrets::run(command, &session()?).await,
        Command::Ca(command) => ca::run(command, &session()?).await,
        Command::Audit(command) => match audit::verify_copy(&command, output) {
            Some(verified) => verified,
            None => audit::run(command, &session()?).await,
        },
        Command::NodeEvent(command) => node_event::run(command, &session()?).await,
        Command::Webhook(command) => webhook::run(command, &session()?).await,
        Command::Events(asked) => events::run(asked, &session()?).await,
        Command::Cluster(command) => cluster::run(command, &session()?).await,
        Command::Api(asked) => api::run(asked, &session()?, dry_run).await,
        Command::Man { out } => man::run(&out),
        Command::Profile(command) => profile::run(command, &connection, output),
        Command::Completions { shell } => completions::run(shell),
    }
}
