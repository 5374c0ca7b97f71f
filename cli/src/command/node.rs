//! `npanel node`.

use clap::{Args, Subcommand};
use npanel_model::{AvailabilityZone, Limit, NodeLabel, NodeRole, Overcommit, PoolName};
use npanel_sdk_types::{Node, RevokeNode, UpdateNode};

use crate::{
    arguments::{AgeArguments, ChangeArguments, Filter, SortArguments, limit},
    failure::Failure,
    health, resolve,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List nodes.
    List(Box<ListArguments>),
    /// Show a node.
    Get {
        /// Its name or id.
        node: String,
    },
    /// Show how a node is: its connection, its capacity, what is pending or failed on it and why.
    Status {
        /// Its name or id.
        node: String,
    },
    /// Change what an operator says of a node. Nothing that is on it moves.
    Update(Update),
    /// Let a node get nothing new. What is on it stays and goes on.
    Cordon {
        /// Its name or id.
        node: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Let a cordoned node get new things again.
    Uncordon {
        /// Its name or id.
        node: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Trust a node no longer, at once: its connections end, its certificates are refused, and it gets nothing new.
    /// What it carries stays its own; see `npanel node delete --force` for a node that never comes back.
    Revoke {
        /// Its name or id.
        node: String,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Take a node out of the fleet for good; its identity is revoked.
    Delete {
        /// Its name or id.
        node: String,
        /// Also if it carries something: it is revoked and never comes back. What it carried is placed anew.
        #[arg(long)]
        force: bool,
        /// Also if it has the data of accounts, which is lost then: they are placed anew empty.
        #[arg(long, requires = "force")]
        accept_data_loss: bool,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Its name or id.
    node: String,
    /// The pool that it is in.
    #[arg(long)]
    pool: Option<PoolName>,
    /// One of its labels, KEY=VALUE; can be repeated. All labels are replaced.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<NodeLabel>,
    /// It has no labels.
    #[arg(long, conflicts_with = "labels")]
    no_labels: bool,
    /// Where it stands.
    #[arg(long)]
    availability_zone: Option<AvailabilityZone>,
    /// It stands where it says itself.
    #[arg(long, conflicts_with = "availability_zone")]
    own_availability_zone: bool,
    /// How many accounts it may have: a number, or unlimited.
    #[arg(long, value_parser = limit)]
    account_slots: Option<Limit>,
    /// How much of its disk space may be promised, in percent.
    #[arg(long, value_parser = percent)]
    disk_overcommit_percent: Option<Overcommit>,
    /// How much of its memory may be promised, in percent.
    #[arg(long, value_parser = percent)]
    memory_overcommit_percent: Option<Overcommit>,
    #[command(flatten)]
    change: ChangeArguments,
}

fn percent(text: &str) -> Result<Overcommit, String> {
    let number: u64 = text.parse().map_err(|_| format!("a percentage is a number (got {text:?})"))?;
    Overcommit::try_from(number).map_err(|error| error.to_string())
}

impl Update {
    fn into_wire(self) -> UpdateNode {
        let labels = (self.no_labels || !self.labels.is_empty()).then_some(self.labels);
        let zone = if self.own_availability_zone { Some(None) } else { self.availability_zone.map(Some) };
        UpdateNode {
            pool: self.pool,
            labels,
            availability_zone: zone,
            account_slots: self.account_slots,
            disk_overcommit_percent: self.disk_overcommit_percent,
            memory_overcommit_percent: self.memory_overcommit_percent,
            schedulable: None,
        }
    }
}

/// Which nodes.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only those of this pool.
    #[arg(long)]
    pool: Option<PoolName>,
    /// Only those with this role: web, database or dns.
    #[arg(long)]
    role: Option<NodeRole>,
    /// Only those with this label, KEY=VALUE.
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<NodeLabel>,
    /// Only those that are there.
    #[arg(long)]
    availability_zone: Option<AvailabilityZone>,
    /// Only those that may get something new (true), or are cordoned (false).
    #[arg(long)]
    schedulable: Option<bool>,
    /// Only those that are trusted no longer (true), or are (false).
    #[arg(long)]
    revoked: Option<bool>,
    #[command(flatten)]
    age: AgeArguments,
    #[command(flatten)]
    sort: SortArguments,
}

impl ListArguments {
    fn filters(self) -> [Filter; 8] {
        [
            ("pool", self.pool.map(String::from)),
            ("role", self.role.map(|role| role.to_string())),
            ("label", self.label.map(String::from)),
            ("availability_zone", self.availability_zone.map(String::from)),
            ("schedulable", self.schedulable.map(|is| is.to_string())),
            ("revoked", self.revoked.map(|is| is.to_string())),
            self.age.filter(),
            self.sort.filter(),
        ]
    }
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List(which) => session.list::<Node>(which.filters()).await,
        Command::Get { node } => session.get::<Node>(resolve::node(&session.client, &node).await?).await,
        Command::Status { node } => {
            let id = resolve::node(&session.client, &node).await?;
            health::show(&session.client.node_status(id).await?, session.format)
        }
        Command::Update(update) => {
            let (node, arguments) = (update.node.clone(), update.change);
            change(&node, update.into_wire(), arguments, session).await
        }
        Command::Cordon { node, change } => schedulable(&node, false, change, session).await,
        Command::Uncordon { node, change } => schedulable(&node, true, change, session).await,
        Command::Revoke { node, reason, change } => {
            let id = resolve::node(&session.client, &node).await?;
            let written = session.client.revoke_node(id, &RevokeNode { reason }, change.terms()).await?;
            session.changed::<Node>(id, written, change).await
        }
        Command::Delete { node, force: true, accept_data_loss, change } => {
            let id = resolve::node(&session.client, &node).await?;
            let accepted = session.client.write_off_node(id, accept_data_loss, change.terms()).await?;
            session.gone(&id.to_string(), accepted, change).await
        }
        Command::Delete { node, change, .. } => {
            session.delete::<Node>(resolve::node(&session.client, &node).await?, change).await
        }
    }
}

async fn schedulable(
    node: &str,
    schedulable: bool,
    arguments: ChangeArguments,
    session: &Session,
) -> Result<(), Failure> {
    change(node, UpdateNode { schedulable: Some(schedulable), ..UpdateNode::default() }, arguments, session)
        .await
}

async fn change(
    node: &str,
    change: UpdateNode,
    arguments: ChangeArguments,
    session: &Session,
) -> Result<(), Failure> {
    session.update::<Node>(resolve::node(&session.client, node).await?, &change, arguments).await
}
