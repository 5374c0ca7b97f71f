//! `npanel tenant`.

use clap::Subcommand;
use npanel_model::{Limit, TenantName};
use npanel_sdk_types::{CreateTenant, Tenant, UpdateTenant};

use crate::{
    arguments::{AgeArguments, ChangeArguments, limit},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a tenant.
    Create {
        /// Its name.
        #[arg(long)]
        name: TenantName,
        /// The tenant above it (name or id); your own if absent.
        #[arg(long)]
        parent: Option<String>,
        /// How many accounts it may have; unlimited if absent.
        #[arg(long)]
        account_limit: Option<u64>,
        /// Let it promise more than it has.
        #[arg(long)]
        may_oversell: bool,
    },
    /// List tenants.
    List {
        /// Only those directly beneath this one (name or id).
        #[arg(long)]
        parent: Option<String>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show a tenant.
    Get {
        /// Its name or id.
        tenant: String,
    },
    /// Change a tenant's name or limits.
    Update {
        /// Its name or id.
        tenant: String,
        /// Its new name.
        #[arg(long)]
        name: Option<TenantName>,
        /// How many accounts it may have: a number, or unlimited.
        #[arg(long, value_parser = limit)]
        account_limit: Option<Limit>,
        /// Whether it may promise more than it has.
        #[arg(long)]
        may_oversell: Option<bool>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Remove an empty tenant.
    Delete {
        /// Its name or id.
        tenant: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

/// The id of the tenant named, if one is.
pub(crate) async fn optional(
    session: &Session,
    text: Option<&str>,
) -> Result<Option<npanel_model::TenantId>, Failure> {
    match text {
        Some(text) => resolve::tenant(&session.client, text).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { name, parent, account_limit, may_oversell } => {
            let parent_id = optional(session, parent.as_deref()).await?;
            let account_limit = Limit::from(account_limit);
            session.create::<Tenant>(&CreateTenant { parent_id, name, account_limit, may_oversell }).await
        }
        Command::List { parent, age } => {
            let parent = optional(session, parent.as_deref()).await?;
            session.list::<Tenant>([("parent_id", parent.map(|id| id.to_string())), age.filter()]).await
        }
        Command::Get { tenant } => {
            session.get::<Tenant>(resolve::tenant(&session.client, &tenant).await?).await
        }
        Command::Update { tenant, name, account_limit, may_oversell, change } => {
            let id = resolve::tenant(&session.client, &tenant).await?;
            let body = UpdateTenant { name, account_limit, may_oversell };
            session.update::<Tenant>(id, &body, change).await
        }
        Command::Delete { tenant, change } => {
            session.delete::<Tenant>(resolve::tenant(&session.client, &tenant).await?, change).await
        }
    }
}
