//! `npanel database`.

use std::io::Read;

use clap::{Args, Subcommand};
use npanel_model::{Privileges, Secret};
use npanel_sdk_types::{
    CreateDatabase, CreateDatabaseUser, Database, DatabaseUser, Grant, SetPassword, SetPrivileges,
};

use crate::{
    arguments::{ChangeArguments, OwnedArguments, SortArguments, WaitArguments},
    bulk::{self, BulkArguments},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a database.
    Create {
        /// The account (user name or id).
        #[arg(long)]
        account: String,
        /// Its own name; the account's user name and _ are put before it.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Make many databases of a file, each by itself, and say what became of each.
    CreateBulk(BulkArguments),
    /// List databases.
    List {
        #[command(flatten)]
        owned: OwnedArguments,
        #[command(flatten)]
        sort: SortArguments,
    },
    /// Show a database.
    Get {
        /// Its full name or id.
        database: String,
    },
    /// Drop a database.
    Delete {
        /// Its full name or id.
        database: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Create a database user.
    CreateUser(CreateUser),
    /// List database users.
    ListUsers(OwnedArguments),
    /// Show a database user.
    GetUser {
        /// Its full name or id.
        user: String,
    },
    /// Set a database user's password.
    SetPassword {
        /// Its full name or id.
        user: String,
        /// Read the password from standard input; otherwise one is made and shown once.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Set what a database user may do: exactly this.
    SetPrivileges {
        /// Its full name or id.
        user: String,
        /// What it may do where: <database>=all or <database>=read_only. Repeatable; none: nothing.
        #[arg(long = "grant", value_name = "DATABASE=PRIVILEGES", value_parser = grant)]
        grants: Vec<(String, Privileges)>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Drop a database user.
    DeleteUser {
        /// Its full name or id.
        user: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateUser {
    /// The account (user name or id).
    #[arg(long)]
    account: String,
    /// Its own name; the account's user name and _ are put before it.
    #[arg(long)]
    name: String,
    /// Read the password from standard input; otherwise one is made and shown once.
    #[arg(long)]
    password_stdin: bool,
    /// What it may do where: <database>=all or <database>=read_only. Repeatable.
    #[arg(long = "grant", value_name = "DATABASE=PRIVILEGES", value_parser = grant)]
    grants: Vec<(String, Privileges)>,
    #[command(flatten)]
    wait: WaitArguments,
}

fn grant(text: &str) -> Result<(String, Privileges), String> {
    let (database, privileges) = text.split_once('=').unwrap_or((text, Privileges::All.as_str()));
    let privileges = privileges.parse().map_err(|error: npanel_model::UnknownName| error.to_string())?;
    Ok((database.to_owned(), privileges))
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Create { account, name, wait } => {
            let account_id = resolve::account(client, &account).await?;
            session.create_converging::<Database>(&CreateDatabase { account_id, name }, wait).await
        }
        Command::CreateBulk(of) => bulk::create::<Database>(session, of).await,
        Command::List { owned, sort } => {
            let mut filters = owned.filters(session).await?;
            filters.push(sort.filter());
            session.list::<Database>(filters).await
        }
        Command::Get { database } => {
            session.get::<Database>(resolve::database(client, &database).await?).await
        }
        Command::Delete { database, change } => {
            session.delete::<Database>(resolve::database(client, &database).await?, change).await
        }
        Command::CreateUser(create) => create_user(create, session).await,
        Command::ListUsers(owned) => session.list::<DatabaseUser>(owned.filters(session).await?).await,
        Command::GetUser { user } => {
            session.get::<DatabaseUser>(resolve::database_user(client, &user).await?).await
        }
        Command::SetPassword { user, password_stdin, change } => {
            let id = resolve::database_user(client, &user).await?;
            let password = password_stdin.then(|| password(std::io::stdin().lock())).transpose()?;
            let written = client.set_database_password(id, &SetPassword { password }, change.terms()).await?;
            session.changed(id, written, change).await
        }
        Command::SetPrivileges { user, grants, change } => {
            let id = resolve::database_user(client, &user).await?;
            let body = SetPrivileges { grants: resolved(&grants, session).await? };
            let written = client.set_database_privileges(id, &body, change.terms()).await?;
            session.changed(id, written, change).await
        }
        Command::DeleteUser { user, change } => {
            session.delete::<DatabaseUser>(resolve::database_user(client, &user).await?, change).await
        }
    }
}

async fn resolved(grants: &[(String, Privileges)], session: &Session) -> Result<Vec<Grant>, Failure> {
    let mut resolved = Vec::new();
    for (database, privileges) in grants {
        let database_id = resolve::database(&session.client, database).await?;
        resolved.push(Grant { database_id, privileges: *privileges });
    }
    Ok(resolved)
}

async fn create_user(create: CreateUser, session: &Session) -> Result<(), Failure> {
    let grants = resolved(&create.grants, session).await?;
    let user = CreateDatabaseUser {
        account_id: resolve::account(&session.client, &create.account).await?,
        name: create.name,
        password: create.password_stdin.then(|| password(std::io::stdin().lock())).transpose()?,
        grants,
    };
    session.create_converging::<DatabaseUser>(&user, create.wait).await
}

/// A password as a pipe or a person gives it: the final line end is not part of it.
fn password(from: impl Read) -> Result<Secret, Failure> {
    let mut text = String::new();
    from.take(4096)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("the password on standard input: {error}")))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = Secret::new(password.strip_suffix('\r').unwrap_or(password));
    if password.expose().is_empty() {
        return Err(Failure::usage("there is no password on standard input"));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_final_line_end_is_dropped_from_a_password() {
        assert_eq!(password(&b" a b \n"[..]).expect("a password").expose(), " a b ");
        assert_eq!(password(&b"x\r\n"[..]).expect("a password").expose(), "x");
        assert!(password(&b"\n"[..]).is_err());
    }

    #[test]
    fn a_grant_is_a_database_and_what_is_allowed() {
        assert_eq!(grant("alice_shop=read_only"), Ok(("alice_shop".into(), Privileges::ReadOnly)));
        assert_eq!(grant("alice_shop"), Ok(("alice_shop".into(), Privileges::All)));
        assert!(grant("alice_shop=root").is_err());
    }
}
