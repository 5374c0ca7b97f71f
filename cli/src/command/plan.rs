//! `npanel plan`.

use clap::{Args, Subcommand};
use npanel_model::{AntiAffinity, Limit, Megabytes, NodeLabel, PhpVersion, PlanName, PoolName, Strategy};
use npanel_sdk_types::{CreatePlan, Plan, PlanPlacement, UpdatePlan};

use crate::{
    arguments::{ChangeArguments, limit},
    command::tenant,
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a plan.
    Create {
        /// Its name.
        #[arg(long)]
        name: PlanName,
        /// The tenant that it belongs to (name or id); your own if absent.
        #[arg(long)]
        tenant: Option<String>,
        /// The disk space that an account gets, in MB.
        #[arg(long)]
        disk_mb: u64,
        /// How many domains an account may have; unlimited if absent.
        #[arg(long)]
        domains: Option<u64>,
        /// How many databases an account may have; unlimited if absent.
        #[arg(long)]
        databases: Option<u64>,
        /// The PHP version of its accounts.
        #[arg(long, default_value = "8.2")]
        php: PhpVersion,
        /// The memory that an account is promised on its node, in MB.
        #[arg(long, default_value = "0")]
        memory_mb: u64,
        #[command(flatten)]
        placement: PlacementArguments,
    },
    /// List plans.
    List {
        /// Only those of this tenant (name or id).
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Show a plan.
    Get {
        /// Its name or id.
        plan: String,
    },
    /// Change a plan, and with it what its accounts get.
    Update {
        /// Its name or id.
        plan: String,
        /// Its new name.
        #[arg(long)]
        name: Option<PlanName>,
        /// The disk space that an account gets, in MB.
        #[arg(long)]
        disk_mb: Option<u64>,
        /// How many domains an account may have: a number, or unlimited.
        #[arg(long, value_parser = limit)]
        domains: Option<Limit>,
        /// How many databases an account may have: a number, or unlimited.
        #[arg(long, value_parser = limit)]
        databases: Option<Limit>,
        /// The PHP version of its accounts that have none of their own choice.
        #[arg(long)]
        php: Option<PhpVersion>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Remove an unused plan.
    Delete {
        /// Its name or id.
        plan: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

/// How a plan's accounts are placed; for the platform.
#[derive(Debug, Args)]
pub(crate) struct PlacementArguments {
    /// Which of the nodes that fit is best, spread or bin_pack; as the cluster says if absent.
    #[arg(long)]
    strategy: Option<Strategy>,
    /// No two accounts of a tenant on one node.
    #[arg(long)]
    keep_apart: bool,
    /// Only nodes of this pool.
    #[arg(long)]
    pool: Option<PoolName>,
    /// Only nodes with this label, KEY=VALUE; can be repeated.
    #[arg(long = "node-label", value_name = "KEY=VALUE")]
    labels: Vec<NodeLabel>,
}

impl PlacementArguments {
    fn into_wire(self) -> Option<PlanPlacement> {
        let anti_affinity = if self.keep_apart { AntiAffinity::Required } else { AntiAffinity::Preferred };
        let is_said =
            self.strategy.is_some() || self.keep_apart || self.pool.is_some() || !self.labels.is_empty();
        is_said.then_some(PlanPlacement {
            strategy: self.strategy,
            anti_affinity,
            pool: self.pool,
            labels: self.labels,
        })
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { name, tenant, disk_mb, domains, databases, php, memory_mb, placement } => {
            let plan = CreatePlan {
                tenant_id: tenant::optional(session, tenant.as_deref()).await?,
                name,
                disk_mb: Megabytes(disk_mb),
                domains: Limit::from(domains),
                databases: Limit::from(databases),
                php_version: php,
                memory_mb: Megabytes(memory_mb),
                placement: placement.into_wire(),
            };
            session.create::<Plan>(&plan).await
        }
        Command::List { tenant } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            session.list::<Plan>([("tenant_id", tenant.map(|id| id.to_string()))]).await
        }
        Command::Get { plan } => session.get::<Plan>(resolve::plan(&session.client, &plan).await?).await,
        Command::Update { plan, name, disk_mb, domains, databases, php, change } => {
            let id = resolve::plan(&session.client, &plan).await?;
            let disk_mb = disk_mb.map(Megabytes);
            let body = UpdatePlan { name, disk_mb, domains, databases, php_version: php };
            session.update::<Plan>(id, &body, change).await
        }
        Command::Delete { plan, change } => {
            session.delete::<Plan>(resolve::plan(&session.client, &plan).await?, change).await
        }
    }
}
