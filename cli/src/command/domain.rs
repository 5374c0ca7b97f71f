//! `npanel domain`.

use clap::Subcommand;
use npanel_model::{DocumentRoot, Fqdn};
use npanel_sdk_types::{CreateDomain, Domain, UpdateDomain};

use crate::{
    arguments::{ChangeArguments, OwnedArguments, SortArguments, SuspendArguments, WaitArguments},
    bulk::{self, BulkArguments},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a domain on an account: zone, certificate, site.
    Create {
        /// The account (user name or id).
        #[arg(long)]
        account: String,
        /// The domain's name.
        #[arg(long)]
        name: Fqdn,
        /// Its document root, web/<directory>.
        #[arg(long)]
        document_root: Option<DocumentRoot>,
        /// Make no DNS zone for it.
        #[arg(long)]
        no_zone: bool,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Make many domains of a file, each by itself, and say what became of each.
    CreateBulk(BulkArguments),
    /// List domains.
    List {
        /// Only those that are suspended (true), or are not (false).
        #[arg(long)]
        suspended: Option<bool>,
        #[command(flatten)]
        owned: OwnedArguments,
        #[command(flatten)]
        sort: SortArguments,
    },
    /// Show a domain.
    Get {
        /// Its name or id.
        domain: String,
    },
    /// Change where a domain is served from.
    Update {
        /// Its name or id.
        domain: String,
        /// Its document root, web/<directory>.
        #[arg(long)]
        document_root: Option<DocumentRoot>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Answer with a suspension page.
    Suspend {
        /// Its name or id.
        domain: String,
        #[command(flatten)]
        why: SuspendArguments,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Serve a suspended domain again, unless its account is suspended.
    Unsuspend {
        /// Its name or id.
        domain: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Undo a domain.
    Delete {
        /// Its name or id.
        domain: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { account, name, document_root, no_zone, wait } => {
            let account_id = resolve::account(&session.client, &account).await?;
            let domain = CreateDomain { account_id, name, document_root, create_zone: !no_zone };
            session.create_converging::<Domain>(&domain, wait).await
        }
        Command::CreateBulk(of) => bulk::create::<Domain>(session, of).await,
        Command::List { suspended, owned, sort } => {
            let mut filters = owned.filters(session).await?;
            filters.extend([("suspended", suspended.map(|is| is.to_string())), sort.filter()]);
            session.list::<Domain>(filters).await
        }
        Command::Get { domain } => {
            session.get::<Domain>(resolve::domain(&session.client, &domain).await?).await
        }
        Command::Update { domain, document_root, change } => {
            let id = resolve::domain(&session.client, &domain).await?;
            session.update::<Domain>(id, &UpdateDomain { document_root }, change).await
        }
        Command::Suspend { domain, why, change } => {
            let id = resolve::domain(&session.client, &domain).await?;
            session.suspend::<Domain>(id, why, change).await
        }
        Command::Unsuspend { domain, change } => {
            let id = resolve::domain(&session.client, &domain).await?;
            session.unsuspend::<Domain>(id, change).await
        }
        Command::Delete { domain, change } => {
            session.delete::<Domain>(resolve::domain(&session.client, &domain).await?, change).await
        }
    }
}
