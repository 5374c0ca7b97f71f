//! `npanel tenant`.

use clap::{Args, Subcommand};
use npanel_model::{Limit, TenantName};
use npanel_sdk_types::{CreateTenant, Tenant, UpdateTenant};

use crate::{
    arguments::{AgeArguments, ChangeArguments, SortArguments, SuspendArguments, limit},
    export::{self, ExportArguments},
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
        #[command(flatten)]
        limits: LimitArguments,
    },
    /// List tenants.
    List {
        /// Only those directly beneath this one (name or id).
        #[arg(long)]
        parent: Option<String>,
        /// Only those that were suspended themselves (true), or were not (false).
        #[arg(long)]
        suspended: Option<bool>,
        #[command(flatten)]
        age: AgeArguments,
        #[command(flatten)]
        sort: SortArguments,
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
        limits: LimitChangeArguments,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Stop serving everything of a tenant and of those beneath it, and take no writes of their keys.
    Suspend {
        /// Its name or id.
        tenant: String,
        #[command(flatten)]
        why: SuspendArguments,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Serve a suspended tenant again, as it was.
    Unsuspend {
        /// Its name or id.
        tenant: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Get everything that is held on a tenant, its accounts and those beneath it: an archive of JSON documents, without secrets and
    /// the files of sites. It is on record.
    Export {
        /// Its name or id.
        tenant: String,
        #[command(flatten)]
        to: ExportArguments,
    },
    /// Remove an empty tenant.
    Delete {
        /// Its name or id.
        tenant: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

/// What it and the tenants beneath it may have besides; unlimited where it is not said.
#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    /// What the plans of its accounts may promise of disk space together, in MB.
    #[arg(long)]
    disk_limit_mb: Option<u64>,
    /// What they may promise of bandwidth in a month, in MB.
    #[arg(long)]
    bandwidth_limit_mb_per_month: Option<u64>,
    /// How many domains it may have.
    #[arg(long)]
    domain_limit: Option<u64>,
    /// How many mailboxes it may have.
    #[arg(long)]
    mailbox_limit: Option<u64>,
    /// How many databases it may have.
    #[arg(long)]
    database_limit: Option<u64>,
    /// How many requests to the API its keys may make in a minute.
    #[arg(long)]
    api_requests_per_minute: Option<u64>,
}

/// What it and the tenants beneath it may have besides: a number, or unlimited.
#[derive(Debug, Args)]
pub(crate) struct LimitChangeArguments {
    /// What the plans of its accounts may promise of disk space together, in MB.
    #[arg(long, value_parser = limit)]
    disk_limit_mb: Option<Limit>,
    /// What they may promise of bandwidth in a month, in MB.
    #[arg(long, value_parser = limit)]
    bandwidth_limit_mb_per_month: Option<Limit>,
    /// How many domains it may have.
    #[arg(long, value_parser = limit)]
    domain_limit: Option<Limit>,
    /// How many mailboxes it may have.
    #[arg(long, value_parser = limit)]
    mailbox_limit: Option<Limit>,
    /// How many databases it may have.
    #[arg(long, value_parser = limit)]
    database_limit: Option<Limit>,
    /// How many requests to the API its keys may make in a minute.
    #[arg(long, value_parser = limit)]
    api_requests_per_minute: Option<Limit>,
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
        Command::Create { name, parent, account_limit, may_oversell, limits } => {
            let tenant = CreateTenant {
                parent_id: optional(session, parent.as_deref()).await?,
                name,
                account_limit: Limit::from(account_limit),
                may_oversell,
                disk_limit_mb: limits.disk_limit_mb.into(),
                bandwidth_limit_mb_per_month: limits.bandwidth_limit_mb_per_month.into(),
                domain_limit: limits.domain_limit.into(),
                mailbox_limit: limits.mailbox_limit.into(),
                database_limit: limits.database_limit.into(),
                api_requests_per_minute: limits.api_requests_per_minute.into(),
            };
            session.create::<Tenant>(&tenant).await
        }
        Command::List { parent, suspended, age, sort } => {
            let parent = optional(session, parent.as_deref()).await?;
            let filters = [
                ("parent_id", parent.map(|id| id.to_string())),
                ("suspended", suspended.map(|is| is.to_string())),
                age.filter(),
                sort.filter(),
            ];
            session.list::<Tenant>(filters).await
        }
        Command::Get { tenant } => {
            session.get::<Tenant>(resolve::tenant(&session.client, &tenant).await?).await
        }
        Command::Update { tenant, name, account_limit, may_oversell, limits, change } => {
            let id = resolve::tenant(&session.client, &tenant).await?;
            let body = UpdateTenant {
                name,
                account_limit,
                may_oversell,
                disk_limit_mb: limits.disk_limit_mb,
                bandwidth_limit_mb_per_month: limits.bandwidth_limit_mb_per_month,
                domain_limit: limits.domain_limit,
                mailbox_limit: limits.mailbox_limit,
                database_limit: limits.database_limit,
                api_requests_per_minute: limits.api_requests_per_minute,
            };
            session.update::<Tenant>(id, &body, change).await
        }
        Command::Suspend { tenant, why, change } => {
            let id = resolve::tenant(&session.client, &tenant).await?;
            session.suspend::<Tenant>(id, why, change).await
        }
        Command::Unsuspend { tenant, change } => {
            let id = resolve::tenant(&session.client, &tenant).await?;
            session.unsuspend::<Tenant>(id, change).await
        }
        Command::Export { tenant, to } => {
            let id = resolve::tenant(&session.client, &tenant).await?;
            export::to_file(session, &to, session.client.export_tenant(id)).await
        }
        Command::Delete { tenant, change } => {
            session.delete::<Tenant>(resolve::tenant(&session.client, &tenant).await?, change).await
        }
    }
}
