//! `npanel domain`.

use clap::Subcommand;
use npanel_model::{DocumentRoot, Fqdn};
use npanel_sdk_types::{CreateDomain, Domain};

use crate::{arguments::WaitArguments, command::account, failure::Failure, resolve, session::Session};

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
    /// List domains.
    List {
        /// Only those of this account (user name or id).
        #[arg(long)]
        account: Option<String>,
    },
    /// Show a domain.
    Get {
        /// Its name or id.
        domain: String,
    },
    /// Undo a domain.
    Delete {
        /// Its name or id.
        domain: String,
        #[command(flatten)]
        wait: WaitArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { account, name, document_root, no_zone, wait } => {
            let account_id = resolve::account(&session.client, &account).await?;
            let domain = CreateDomain { account_id, name, document_root, create_zone: !no_zone };
            session.create_converging::<Domain>(&domain, wait).await
        }
        Command::List { account } => {
            let account = account::optional(session, account.as_deref()).await?;
            session.list::<Domain>([("account_id", account.map(|id| id.to_string()))]).await
        }
        Command::Get { domain } => {
            session.get::<Domain>(resolve::domain(&session.client, &domain).await?).await
        }
        Command::Delete { domain, wait } => {
            session.delete_converging::<Domain>(resolve::domain(&session.client, &domain).await?, wait).await
        }
    }
}
