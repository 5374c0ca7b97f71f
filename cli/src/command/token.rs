//! `npanel token`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::{EnrolRole, Network, NodeName, PoolName, TokenId};
use npanel_sdk_types::{CreateToken, Token};

use crate::{
    arguments::{AgeArguments, ChangeArguments, duration},
    failure::Failure,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a bootstrap token. It is shown once.
    Create {
        /// What a machine that shows it becomes: node or controller.
        #[arg(long)]
        role: EnrolRole,
        /// How many machines may use it.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long it is good for, such as 15m or 1d.
        #[arg(long, default_value = "15m", value_parser = duration, value_name = "TIME")]
        ttl: Duration,
        /// The pool that nodes which use it go into.
        #[arg(long)]
        pool: Option<PoolName>,
        /// The only name that the machine may take. Such a token has one use.
        #[arg(long)]
        name: Option<NodeName>,
        /// A network that machines may come from, such as 192.0.2.0/24; may be repeated. Anywhere unless given.
        #[arg(long = "network", value_name = "NETWORK")]
        networks: Vec<Network>,
    },
    /// List bootstrap tokens.
    List {
        /// Only those for this role: node or controller.
        #[arg(long)]
        role: Option<EnrolRole>,
        /// Only those for nodes of this pool.
        #[arg(long)]
        pool: Option<PoolName>,
        /// Only those bound to this name.
        #[arg(long)]
        name: Option<NodeName>,
        /// Only those with uses left (true), or with none (false).
        #[arg(long)]
        unused: Option<bool>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show a bootstrap token (never its secret).
    Get {
        /// Its id.
        token: TokenId,
    },
    /// Withdraw a bootstrap token.
    Delete {
        /// Its id.
        token: TokenId,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { role, uses, ttl, pool, name, networks } => {
            let ttl_seconds = u32::try_from(ttl.as_secs())
                .map_err(|_| Failure::usage("a token is good for at most 7 days"))?;
            let body = CreateToken { role, uses, ttl_seconds, pool, name, networks };
            session.create::<Token>(&body).await
        }
        Command::List { role, pool, name, unused, age } => {
            let filters = [
                ("role", role.map(|role| role.to_string())),
                ("pool", pool.map(String::from)),
                ("name", name.map(String::from)),
                ("unused", unused.map(|is| is.to_string())),
                age.filter(),
            ];
            session.list::<Token>(filters).await
        }
        Command::Get { token } => session.get::<Token>(token).await,
        Command::Delete { token, change } => session.delete::<Token>(token, change).await,
    }
}
