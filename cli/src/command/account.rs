//! `npanel account`.

use std::time::Duration;

use clap::{Args, Subcommand};
use npanel_model::{DocumentRoot, EmailAddress, Fqdn, PhpVersion, Username};
use npanel_sdk_types::{Account, CreateAccount, UpdateAccount};

use crate::{
    arguments::{
        ChangeArguments, SortArguments, StandingArguments, SuspendArguments, WaitArguments, duration,
    },
    bulk::{self, BulkArguments},
    command::{placement, tenant},
    export::{self, ExportArguments},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a hosting account, with its first domain if one is named.
    Create(Box<Create>),
    /// Make many hosting accounts of a file, each by itself, and say what became of each.
    CreateBulk(BulkArguments),
    /// List accounts.
    List {
        /// Only those of this tenant (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only those with this plan (name or id).
        #[arg(long)]
        plan: Option<String>,
        /// Only those that are suspended (true), or are not (false).
        #[arg(long)]
        suspended: Option<bool>,
        /// Only those whose nodes are what their plan asks for (true), or are not (false); for the platform.
        #[arg(long)]
        placement_met: Option<bool>,
        /// Only those that have no more of anything than their plan allows (true), or have more (false).
        #[arg(long)]
        within_plan: Option<bool>,
        #[command(flatten)]
        standing: StandingArguments,
        #[command(flatten)]
        sort: SortArguments,
    },
    /// Show an account.
    Get {
        /// Its user name or id.
        account: String,
    },
    /// Change an account's contact, plan or PHP version.
    Update {
        /// Its user name or id.
        account: String,
        /// Whom to write to about it; an empty text: nobody.
        #[arg(long)]
        contact: Option<String>,
        /// What it gets (a plan's name or id).
        #[arg(long)]
        plan: Option<String>,
        /// Change to the plan also if the account has more than that allows: it keeps what it has, and can add nothing.
        #[arg(long, requires = "plan")]
        allow_exceeding: bool,
        /// The PHP that runs its sites.
        #[arg(long, conflicts_with = "php_of_plan")]
        php: Option<PhpVersion>,
        /// Run its sites by the plan's PHP, also when that changes.
        #[arg(long)]
        php_of_plan: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Stop serving an account's sites and lock its database users; DNS goes on.
    Suspend {
        /// Its user name or id.
        account: String,
        #[command(flatten)]
        why: SuspendArguments,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Serve a suspended account again.
    Unsuspend {
        /// Its user name or id.
        account: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Get everything that is held on an account: an archive of JSON documents, without secrets and the files of its sites. It is on
    /// record.
    Export {
        /// Its user name or id.
        account: String,
        #[command(flatten)]
        to: ExportArguments,
    },
    /// Remove an account and all it has. Its data is kept for the fleet's time, or as is said here; of one that is removed already,
    /// that is changed.
    Delete {
        /// Its user name or id.
        account: String,
        /// For how long its data is kept, such as 30d; at most 365d. Less than the fleet's time needs account.erase.
        #[arg(long, value_parser = duration, value_name = "TIME")]
        retention: Option<Duration>,
        /// Keep nothing: its data is gone for good as soon as its nodes have done it.
        #[arg(long, conflicts_with = "retention")]
        now: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The tenant that it belongs to (name or id).
    #[arg(long)]
    tenant: String,
    /// What it gets (a plan's name or id).
    #[arg(long)]
    plan: String,
    /// Its Unix user name.
    #[arg(long)]
    username: Username,
    /// Whom to write to about it.
    #[arg(long)]
    contact: Option<EmailAddress>,
    /// Its first domain.
    #[arg(long)]
    domain: Option<Fqdn>,
    /// The first domain's document root, web/<directory>.
    #[arg(long, requires = "domain")]
    document_root: Option<DocumentRoot>,
    /// Make no DNS zone for the first domain.
    #[arg(long, requires = "domain")]
    no_zone: bool,
    #[command(flatten)]
    placement: placement::WishArguments,
    #[command(flatten)]
    wait: WaitArguments,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create(create) => create_account(*create, session).await,
        Command::CreateBulk(of) => bulk::create::<Account>(session, of).await,
        Command::List { tenant, plan, suspended, placement_met, within_plan, standing, sort } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let plan = match plan {
                Some(plan) => Some(resolve::plan(&session.client, &plan).await?),
                None => None,
            };
            let mut filters = standing.filters(session).await?;
            filters.extend([
                ("tenant_id", tenant.map(|id| id.to_string())),
                ("plan_id", plan.map(|id| id.to_string())),
                ("suspended", suspended.map(|is| is.to_string())),
                ("placement_met", placement_met.map(|is| is.to_string())),
                ("within_plan", within_plan.map(|is| is.to_string())),
                sort.filter(),
            ]);
            session.list::<Account>(filters).await
        }
        Command::Get { account } => {
            session.get::<Account>(resolve::account(&session.client, &account).await?).await
        }
        Command::Update { account, contact, plan, allow_exceeding, php, php_of_plan, change } => {
            let id = resolve::account(&session.client, &account).await?;
            let plan_id = match plan {
                Some(plan) => Some(resolve::plan(&session.client, &plan).await?),
                None => None,
            };
            let php_version = if php_of_plan { Some(None) } else { php.map(Some) };
            let contact = contact.as_deref().map(address).transpose()?;
            let body = UpdateAccount { contact, plan_id, allow_exceeding, php_version };
            session.update::<Account>(id, &body, change).await
        }
        Command::Suspend { account, why, change } => {
            let id = resolve::account(&session.client, &account).await?;
            session.suspend::<Account>(id, why, change).await
        }
        Command::Unsuspend { account, change } => {
            let id = resolve::account(&session.client, &account).await?;
            session.unsuspend::<Account>(id, change).await
        }
        Command::Export { account, to } => {
            let id = resolve::account(&session.client, &account).await?;
            export::to_file(session, &to, session.client.export_account(id)).await
        }
        Command::Delete { account, retention, now, change } => {
            let id = resolve::account(&session.client, &account).await?;
            let Some(retention) = retention.or(now.then_some(Duration::ZERO)) else {
                return session.delete::<Account>(id, change).await;
            };
            let accepted = session.client.delete_account_keeping(id, retention, change.terms()).await?;
            session.gone(&id.to_string(), accepted, change).await
        }
    }
}

/// An address, or none for an empty text.
fn address(text: &str) -> Result<Option<EmailAddress>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Failure::usage(format!("--contact: {error}")))
}

async fn create_account(create: Create, session: &Session) -> Result<(), Failure> {
    let account = CreateAccount {
        tenant_id: resolve::tenant(&session.client, &create.tenant).await?,
        plan_id: resolve::plan(&session.client, &create.plan).await?,
        username: create.username,
        contact: create.contact,
        domain: create.domain,
        document_root: create.document_root,
        create_zone: !create.no_zone,
        placement: create.placement.wish(session).await?,
    };
    session.create_converging::<Account>(&account, create.wait).await
}
