//! `npanel me`.

use clap::Subcommand;
use npanel_model::Secret;
use npanel_sdk_types::{ChangePassword, ShowAgain};

use crate::{failure::Failure, output, secret_input, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who you are, and what you may do.
    Get,
    /// Change your own password; your other sessions end. Both are asked for, or read as two lines from standard input.
    SetPassword,
    /// Begin with a second factor: a key for an authenticator. The password is asked for, or read from standard input.
    BeginTotp,
    /// Show that the authenticator has the key; recovery codes are made.
    ConfirmTotp {
        /// The code that it shows.
        code: String,
    },
    /// Do without a second factor. The password is asked for, or read from standard input; or show a code.
    RemoveTotp {
        /// A code of the authenticator or a recovery code, in the place of the password.
        #[arg(long)]
        code: Option<String>,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Get => output::object(session.format, &client.me().await?),
        Command::SetPassword => {
            let current = secret_input::secret("Password so far: ")?;
            let new = secret_input::new_password("New password: ")?;
            output::object(session.format, &client.set_own_password(&ChangePassword { current, new }).await?)
        }
        Command::BeginTotp => output::object(session.format, &client.begin_totp(&shown(None)?).await?),
        Command::ConfirmTotp { code } => {
            output::object(session.format, &client.confirm_totp(Secret::new(code)).await?)
        }
        Command::RemoveTotp { code } => {
            client.remove_totp(&shown(code)?).await?;
            session.removed("totp", None)
        }
    }
}

/// That it is still the same person: a code, or else the password.
fn shown(code: Option<String>) -> Result<ShowAgain, Failure> {
    match code {
        Some(code) => Ok(ShowAgain { password: None, code: Some(Secret::new(code)) }),
        None => Ok(ShowAgain { password: Some(secret_input::secret("Password: ")?), code: None }),
    }
}
