//! `npanel session`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::{LoginName, Secret, SessionId};
use npanel_sdk_types::{CreateSession, Impersonate, Session as Wire};

use crate::{
    arguments::{Connection, duration},
    failure::Failure,
    output, profile, resolve, secret_input,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in with a password, and show the session with its token. `npanel login` does so and keeps it.
    Create {
        /// The user's e-mail address.
        #[arg(long)]
        login: LoginName,
        /// The authenticator's code, or a recovery code.
        #[arg(long)]
        code: Option<String>,
    },
    /// Get a short-lived access token for the API key that is in use.
    Token {
        /// What of the key's actions it is for: patterns, separated by spaces; all if absent.
        #[arg(long)]
        scope: Option<String>,
    },
    /// List sessions: your own, or those of the users that you manage.
    List {
        /// Only of this user (login or id).
        #[arg(long)]
        user: Option<String>,
        /// Only those that have not ended.
        #[arg(long)]
        alive: bool,
    },
    /// Show a session.
    Get {
        /// Its id.
        id: SessionId,
    },
    /// End a session.
    Delete {
        /// Its id.
        id: SessionId,
    },
    /// Act as another user for a while; on record with both names. Shows the session with its token.
    Impersonate {
        /// As whom (login or id).
        user: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        /// Write as the user, too, and not only look.
        #[arg(long)]
        may_write: bool,
        /// For how long, at most 1h.
        #[arg(long, value_parser = duration, value_name = "TIME", default_value = "15m")]
        expires_in: Duration,
    },
}

pub(crate) async fn run(command: Command, connection: &Connection, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Create { login, code } => {
            let request = CreateSession {
                login,
                password: secret_input::secret("Password: ")?,
                code: code.map(Secret::new),
                expires_in_seconds: None,
            };
            output::object(session.format, &client.sign_in(&request).await?)
        }
        Command::Token { scope } => {
            let (key, secret) = profile::api_key(connection)?;
            output::object(session.format, &client.access_token(key, &secret, scope.as_deref()).await?)
        }
        Command::List { user, alive } => {
            let user = match user {
                Some(user) => Some(resolve::user(client, &user).await?.to_string()),
                None => None,
            };
            session.list::<Wire>([("user_id", user), ("alive", alive.then(|| "true".to_owned()))]).await
        }
        Command::Get { id } => session.get::<Wire>(id).await,
        Command::Delete { id } => {
            client.delete::<Wire>(id, npanel_client::Wait::No).await?;
            session.removed(&id.to_string(), None)
        }
        Command::Impersonate { user, reason, may_write, expires_in } => {
            let id = resolve::user(client, &user).await?;
            let expires_in_seconds = Some(u32::try_from(expires_in.as_secs()).unwrap_or(u32::MAX));
            let request = Impersonate { reason, may_write, expires_in_seconds };
            output::object(session.format, &client.impersonate(id, &request).await?)
        }
    }
}
