//! `npanel user`.

use clap::Subcommand;
use npanel_model::{AccessRole, ActionPattern, LoginName, PersonName, Subject};
use npanel_sdk_types::{CreateUser, UpdateUser, User, UserIdentity};

use crate::{
    arguments::{AgeArguments, ChangeArguments},
    command::tenant,
    failure::Failure,
    output, resolve, secret_input,
    session::Session,
};

/// How an identity provider knows a user.
#[derive(Debug, clap::Args)]
pub(crate) struct IdentityArguments {
    /// The identity provider that knows it (name or id).
    #[arg(long, requires = "subject", value_name = "PROVIDER")]
    identity_provider: Option<String>,
    /// By this subject: what the provider calls "sub".
    #[arg(long, requires = "identity_provider")]
    subject: Option<Subject>,
}

impl IdentityArguments {
    async fn into_wire(self, session: &Session) -> Result<Option<UserIdentity>, Failure> {
        let Some((provider, subject)) = self.identity_provider.zip(self.subject) else { return Ok(None) };
        let identity_provider_id = resolve::identity_provider(&session.client, &provider).await?;
        Ok(Some(UserIdentity { identity_provider_id, subject }))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a user. It can be given no more than you have.
    Create {
        /// What it signs in by: an e-mail address.
        #[arg(long)]
        login: LoginName,
        /// What people call it.
        #[arg(long)]
        name: PersonName,
        /// administrator, reseller, owner or support.
        #[arg(long)]
        role: AccessRole,
        /// The tenant that it acts for (name or id); your own if absent.
        #[arg(long)]
        tenant: Option<String>,
        /// What of its role it may do: '*', '<noun>.*' or an action; all if absent. Repeatable.
        #[arg(long = "action", value_name = "PATTERN")]
        actions: Vec<ActionPattern>,
        /// The only accounts that it may see (user name or id); an owner has at least one. Repeatable.
        #[arg(long = "account", value_name = "ACCOUNT")]
        accounts: Vec<String>,
        /// Give it a password: it is asked for, or read from standard input if that is no terminal.
        #[arg(long)]
        with_password: bool,
        #[command(flatten)]
        identity: IdentityArguments,
    },
    /// List users.
    List {
        /// Only those of this tenant (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only those of this role.
        #[arg(long)]
        role: Option<AccessRole>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show a user (never a password).
    Get {
        /// Its login or id.
        user: String,
    },
    /// Change a user's name, role or accounts, or whether it may sign in.
    Update {
        /// Its login or id.
        user: String,
        /// What people call it.
        #[arg(long)]
        name: Option<PersonName>,
        /// Its role.
        #[arg(long)]
        role: Option<AccessRole>,
        /// What of its role it may do: these and nothing else. Repeatable.
        #[arg(long = "action", value_name = "PATTERN")]
        actions: Vec<ActionPattern>,
        /// The only accounts that it may see: these and no others. Repeatable.
        #[arg(long = "account", value_name = "ACCOUNT")]
        accounts: Vec<String>,
        /// Whether it may sign in (true or false). If not, its sessions end.
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        identity: IdentityArguments,
        /// No identity provider knows it any more.
        #[arg(long, conflicts_with = "identity_provider")]
        no_identity: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Set another user's password, and end its sessions. It is asked for, or read from standard input.
    SetPassword {
        /// Its login or id.
        user: String,
    },
    /// Take another user's second factor away.
    RemoveTotp {
        /// Its login or id.
        user: String,
    },
    /// Remove a user, with its sessions.
    Delete {
        /// Its login or id.
        user: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        Command::Create { login, name, role, tenant, actions, accounts, with_password, identity } => {
            let body = CreateUser {
                tenant_id: tenant::optional(session, tenant.as_deref()).await?,
                login,
                name,
                role,
                actions: if actions.is_empty() { vec![ActionPattern::everything()] } else { actions },
                accounts: resolve::accounts(client, &accounts).await?,
                password: with_password.then(|| secret_input::new_password("Password: ")).transpose()?,
                identity: identity.into_wire(session).await?,
            };
            session.create::<User>(&body).await
        }
        Command::List { tenant, role, age } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let tenant = ("tenant_id", tenant.map(|id| id.to_string()));
            session.list::<User>([tenant, ("role", role.map(|role| role.to_string())), age.filter()]).await
        }
        Command::Get { user } => session.get::<User>(resolve::user(client, &user).await?).await,
        Command::Update { user, name, role, actions, accounts, enabled, identity, no_identity, change } => {
            let id = resolve::user(client, &user).await?;
            let accounts = resolve::accounts(client, &accounts).await?;
            let body = UpdateUser {
                name,
                role,
                actions: (!actions.is_empty()).then_some(actions),
                accounts: (!accounts.is_empty()).then_some(accounts),
                enabled,
                identity: if no_identity { Some(None) } else { identity.into_wire(session).await?.map(Some) },
            };
            session.update::<User>(id, &body, change).await
        }
        Command::SetPassword { user } => {
            let id = resolve::user(client, &user).await?;
            let password = secret_input::new_password("New password: ")?;
            output::object(session.format, &client.set_user_password(id, password).await?)
        }
        Command::RemoveTotp { user } => {
            let id = resolve::user(client, &user).await?;
            client.remove_user_totp(id).await?;
            session.removed(&id.to_string(), None)
        }
        Command::Delete { user, change } => {
            session.delete::<User>(resolve::user(client, &user).await?, change).await
        }
    }
}
