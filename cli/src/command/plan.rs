//! `npanel plan`.

use clap::{Args, Subcommand};
use npanel_model::{AntiAffinity, Limit, Megabytes, NodeLabel, PhpVersion, PlanName, PoolName, Strategy};
use npanel_sdk_types::{ChangePlanPlacement, CreatePlan, Plan, PlanPlacement, UpdatePlan};

use crate::{
    arguments::{AgeArguments, ChangeArguments, SortArguments, limit},
    command::{
        plan_limits::{LimitArguments, LimitChangeArguments},
        tenant,
    },
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
        #[command(flatten)]
        limits: Box<LimitArguments>,
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
        #[command(flatten)]
        age: AgeArguments,
        #[command(flatten)]
        sort: SortArguments,
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
        #[command(flatten)]
        limits: Box<LimitChangeArguments>,
        /// The PHP version of its accounts that have none of their own choice.
        #[arg(long)]
        php: Option<PhpVersion>,
        /// The memory that an account is promised on its node, in MB.
        #[arg(long)]
        memory_mb: Option<u64>,
        #[command(flatten)]
        placement: PlacementChangeArguments,
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

/// How a plan's new accounts are placed from now on; for the platform. Those that are there stay where they are.
#[derive(Debug, Args)]
pub(crate) struct PlacementChangeArguments {
    /// Which of the nodes that fit is best, spread or bin_pack.
    #[arg(long, conflicts_with = "clusters_strategy")]
    strategy: Option<Strategy>,
    /// As the cluster says.
    #[arg(long)]
    clusters_strategy: bool,
    /// Whether no two accounts of a tenant may be on one node: true or false.
    #[arg(long)]
    keep_apart: Option<bool>,
    /// Only nodes of this pool.
    #[arg(long, conflicts_with = "any_pool")]
    pool: Option<PoolName>,
    /// Nodes of every pool.
    #[arg(long)]
    any_pool: bool,
    /// Only nodes with this label, KEY=VALUE, in place of those that were asked for; can be repeated.
    #[arg(long = "node-label", value_name = "KEY=VALUE", conflicts_with = "no_node_labels")]
    labels: Vec<NodeLabel>,
    /// Nodes with whatever labels.
    #[arg(long)]
    no_node_labels: bool,
}

impl PlacementChangeArguments {
    fn into_wire(self) -> Option<ChangePlanPlacement> {
        let affinity = |apart| if apart { AntiAffinity::Required } else { AntiAffinity::Preferred };
        let change = ChangePlanPlacement {
            strategy: if self.clusters_strategy { Some(None) } else { self.strategy.map(Some) },
            anti_affinity: self.keep_apart.map(affinity),
            pool: if self.any_pool { Some(None) } else { self.pool.map(Some) },
            labels: (self.no_node_labels || !self.labels.is_empty()).then_some(self.labels),
        };
        (change != ChangePlanPlacement::default()).then_some(change)
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { name, tenant, disk_mb, domains, databases, limits, php, memory_mb, placement } => {
            let mut plan = CreatePlan {
                tenant_id: tenant::optional(session, tenant.as_deref()).await?,
                domains: Limit::from(domains),
                databases: Limit::from(databases),
                memory_mb: Megabytes(memory_mb),
                placement: placement.into_wire(),
                ..CreatePlan::new(name, Megabytes(disk_mb), php)
            };
            limits.put(&mut plan);
            session.create::<Plan>(&plan).await
        }
        Command::List { tenant, age, sort } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let filters = [("tenant_id", tenant.map(|id| id.to_string())), age.filter(), sort.filter()];
            session.list::<Plan>(filters).await
        }
        Command::Get { plan } => session.get::<Plan>(resolve::plan(&session.client, &plan).await?).await,
        Command::Update {
            plan,
            name,
            disk_mb,
            domains,
            databases,
            limits,
            php,
            memory_mb,
            placement,
            change,
        } => {
            let id = resolve::plan(&session.client, &plan).await?;
            let mut body = UpdatePlan {
                name,
                disk_mb: disk_mb.map(Megabytes),
                domains,
                databases,
                php_version: php,
                memory_mb: memory_mb.map(Megabytes),
                placement: placement.into_wire().map(Some),
                ..UpdatePlan::default()
            };
            limits.put(&mut body);
            session.update::<Plan>(id, &body, change).await
        }
        Command::Delete { plan, change } => {
            session.delete::<Plan>(resolve::plan(&session.client, &plan).await?, change).await
        }
    }
}
