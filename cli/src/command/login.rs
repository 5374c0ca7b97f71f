//! `npanel login` and `npanel logout`: a profile whose key file holds a session's token.

use clap::Args;
use npanel_client::{Client, Error};
use npanel_model::{LoginName, Secret, SessionId};
use npanel_sdk_types::{CreateSession, Session};

use crate::{
    arguments::{Connection, Format},
    failure::Failure,
    output, profile, secret_input,
};

/// Sign in with a password, and use that from now on.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your e-mail address.
    login: LoginName,
    /// What to call the profile that it is kept in.
    #[arg(long, default_value = "login")]
    name: String,
}

/// Asks for the password, and for a code if one is needed; keeps the session's token in a file that only its owner can read.
pub(crate) async fn login(asked: Login, connection: &Connection, format: Format) -> Result<(), Failure> {
    let client = Client::new(profile::config_without_key(connection)?)?;
    let mut request = CreateSession {
        login: asked.login,
        password: secret_input::secret("Password: ")?,
        code: None,
        expires_in_seconds: None,
    };
    let session = match client.sign_in(&request).await {
        Err(Error::Refused(problem)) if problem.code == "second_factor_required" => {
            request.code = Some(secret_input::secret("Code of your authenticator: ")?);
            client.sign_in(&request).await?
        }
        other => other?,
    };
    let token = session.token.clone().ok_or_else(|| Failure::usage("the controller gave no token"))?;
    profile::keep_session(&asked.name, connection, &token)?;
    output::object(format, &Session { token: None, ..session })
}

/// Ends the session of the profile in use, and forgets its token.
pub(crate) async fn logout(connection: &Connection) -> Result<(), Failure> {
    let token = profile::token(connection)?;
    let id = session_of(&token)
        .ok_or_else(|| Failure::usage("the profile in use has an API key, and no session"))?;
    let client = Client::new(profile::client_config(connection)?)?;
    match client.delete::<Session>(id, npanel_client::Wait::No).await {
        Ok(_) => {}
        // It has ended already.
        Err(Error::Refused(problem)) if problem.status == 401 => {}
        Err(error) => return Err(error.into()),
    }
    profile::forget_session(connection)
}

fn session_of(token: &Secret) -> Option<SessionId> {
    token.expose().strip_prefix("nps_")?.split_once('.')?.0.parse().ok()
}
