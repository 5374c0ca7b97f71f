//! `npanel api-key`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::{AccessRole, ActionPattern, Label, Network, Timestamp};
use npanel_sdk_types::{ApiKey, CreateApiKey, UpdateApiKey};

use crate::{
    arguments::{AgeArguments, ChangeArguments, duration},
    command::tenant,
    failure::Failure,
    output, resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an API key. It is shown once.
    Create {
        /// What people call it.
        #[arg(long)]
        name: Label,
        /// The tenant that it acts for (name or id); your own if absent.
        #[arg(long)]
        tenant: Option<String>,
        /// What it may do: '*', '<noun>.*' or an action. Repeatable.
        #[arg(long = "action", required = true, value_name = "PATTERN")]
        actions: Vec<ActionPattern>,
        /// The role that it is confined to, such as support for one that only looks.
        #[arg(long)]
        role: Option<AccessRole>,
        /// The only accounts that it may see (user name or id). Repeatable.
        #[arg(long = "account", value_name = "ACCOUNT")]
        accounts: Vec<String>,
        /// The only networks that it may be used from, such as 192.0.2.0/24. Repeatable.
        #[arg(long = "network", value_name = "NETWORK")]
        networks: Vec<Network>,
        /// When it ends from now, such as 90d; never if absent.
        #[arg(long, value_parser = duration, value_name = "TIME")]
        expires_in: Option<Duration>,
    },
    /// List API keys.
    List {
        /// Only those of this tenant (name or id).
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show an API key (never its secret).
    Get {
        /// Its name or id.
        key: String,
    },
    /// Change an API key's name or end; never its secret.
    Update {
        /// Its name or id.
        key: String,
        /// What people call it.
        #[arg(long)]
        name: Option<Label>,
        /// When it ends from now, such as 90d.
        #[arg(long, value_parser = duration, value_name = "TIME", conflicts_with = "never_expires")]
        expires_in: Option<Duration>,
        /// Let it never end.
        #[arg(long)]
        never_expires: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Put a new secret in the place of an API key's, shown once; the one before counts for a while yet.
    Rotate {
        /// Its name or id.
        key: String,
        /// How long the secret before counts, at most 7d.
        #[arg(long, value_parser = duration, value_name = "TIME", default_value = "1d")]
        overlap: Duration,
    },
    /// Revoke an API key.
    Delete {
        /// Its name or id.
        key: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { name, tenant, actions, role, accounts, networks, expires_in } => {
            let tenant_id = tenant::optional(session, tenant.as_deref()).await?;
            let expires_at = expires_in.map(|left| Timestamp::now().plus(left));
            let accounts = resolve::accounts(&session.client, &accounts).await?;
            let body = CreateApiKey { tenant_id, name, actions, role, accounts, networks, expires_at };
            session.create::<ApiKey>(&body).await
        }
        Command::List { tenant, age } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            session.list::<ApiKey>([("tenant_id", tenant.map(|id| id.to_string())), age.filter()]).await
        }
        Command::Get { key } => session.get::<ApiKey>(resolve::api_key(&session.client, &key).await?).await,
        Command::Update { key, name, expires_in, never_expires, change } => {
            let id = resolve::api_key(&session.client, &key).await?;
            let end = expires_in.map(|left| Some(Timestamp::now().plus(left)));
            let body = UpdateApiKey { name, expires_at: if never_expires { Some(None) } else { end } };
            session.update::<ApiKey>(id, &body, change).await
        }
        Command::Rotate { key, overlap } => {
            let id = resolve::api_key(&session.client, &key).await?;
            let overlap_seconds = u32::try_from(overlap.as_secs()).unwrap_or(u32::MAX);
            let key = session.client.rotate_api_key(id, Some(overlap_seconds)).await?;
            output::object(session.format, &key)
        }
        Command::Delete { key, change } => {
            session.delete::<ApiKey>(resolve::api_key(&session.client, &key).await?, change).await
        }
    }
}
