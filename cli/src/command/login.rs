//! `npanel login` and `npanel logout`: a profile whose key file holds a session's token.

use std::time::Duration;

use clap::Args;
use npanel_client::{Client, Error};
use npanel_model::{LoginName, Secret, SessionId};
use npanel_sdk_types::{AccessToken, CreateSession, DeviceAuthorization, Session};
use tokio::time::{Instant, sleep};

use crate::{
    arguments::{Connection, Format},
    failure::Failure,
    output, profile, secret_input,
};

/// Sign in, in a browser or with a password, and use that from now on.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your e-mail address, to sign in with a password here. Without it, a code and an address are shown: you sign in there, with a
    /// password or by an identity provider, and confirm that it is this program that waits.
    login: Option<LoginName>,
    /// What to call the profile that it is kept in.
    #[arg(long, default_value = "login")]
    name: String,
    /// The identity provider to sign in by (its id), where the page does not offer it by itself.
    #[arg(long, value_name = "ID", conflicts_with = "login")]
    provider: Option<npanel_model::IdentityProviderId>,
}

/// Keeps the session's token in a file that only its owner can read.
pub(crate) async fn login(asked: Login, connection: &Connection, format: Format) -> Result<(), Failure> {
    let client = Client::new(profile::config_without_key(connection)?)?;
    let session = match &asked.login {
        Some(login) => with_password(&client, login.clone()).await?,
        None => in_browser(&client, connection, asked.provider).await?,
    };
    let token = session.token.clone().ok_or_else(|| Failure::usage("the controller gave no token"))?;
    profile::keep_session(&asked.name, connection, &token)?;
    output::object(format, &Session { token: None, ..session })
}

/// Asks for the password, and for a code if one is needed.
async fn with_password(client: &Client, login: LoginName) -> Result<Session, Failure> {
    let password = secret_input::secret("Password: ")?;
    let mut request = CreateSession { login, password, code: None, expires_in_seconds: None };
    match client.sign_in(&request).await {
        Err(Error::Refused(problem)) if problem.code == "second_factor_required" => {
            request.code = Some(secret_input::secret("Code of your authenticator: ")?);
            Ok(client.sign_in(&request).await?)
        }
        other => Ok(other?),
    }
}

/// Shows a code, and waits until somebody has confirmed it.
async fn in_browser(
    client: &Client,
    connection: &Connection,
    provider: Option<npanel_model::IdentityProviderId>,
) -> Result<Session, Failure> {
    let asked = client.begin_device_login(&this_program()).await?;
    let with_provider = provider.map(|id| format!("&provider={id}")).unwrap_or_default();
    eprintln!("Open {}{with_provider}", asked.verification_uri_complete);
    eprintln!(
        "(or {} and type {}), sign in, and confirm. Waiting ...",
        asked.verification_uri, asked.user_code
    );
    let token = wait(client, &asked).await?.access_token;
    let id = session_of(&token).ok_or_else(|| Failure::usage("the controller gave no session"))?;
    let signed_in = Client::new(profile::config_with(connection, token.clone())?)?;
    let session = signed_in.get::<Session>(id).await?;
    Ok(Session { token: Some(token), ..session })
}

/// What the person who confirms is shown.
fn this_program() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(60).collect();
    if host.is_empty() { "npanel".to_owned() } else { format!("npanel on {host}") }
}

async fn wait(client: &Client, asked: &DeviceAuthorization) -> Result<AccessToken, Failure> {
    let end = Instant::now() + Duration::from_secs(asked.expires_in.into());
    let mut interval = Duration::from_secs(asked.interval.into());
    loop {
        sleep(interval).await;
        match client.collect_device_login(asked).await {
            Ok(token) => return Ok(token),
            Err(Error::Refused(problem)) if problem.code == "authorization_pending" => {}
            // RFC 8628, 3.5.
            Err(Error::Refused(problem)) if problem.code == "slow_down" => interval += Duration::from_secs(5),
            Err(error @ Error::Refused(_)) => return Err(error.into()),
            // A controller that cannot be reached for a moment is no answer.
            Err(error) if Instant::now() >= end => return Err(error.into()),
            Err(_) => {}
        }
        if Instant::now() >= end {
            return Err(Failure::Refused("nobody has confirmed it in time".to_owned()));
        }
    }
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
