//! `npanel node-event`.

use std::{collections::HashSet, time::Duration};

use clap::Subcommand;
use npanel_model::{EventId, Timestamp};
use npanel_sdk_types::NodeEvent;

use crate::{arguments::time, failure::Failure, output, resolve, session::Session};

/// Between two looks for what is new.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what happened on nodes by itself, such as what was changed by hand and put right; newest first.
    List {
        /// Only of this account and what it has (its user name or id).
        #[arg(long)]
        account: Option<String>,
        /// Only of this node (its name or id).
        #[arg(long)]
        node: Option<String>,
        /// Only about this object (its id).
        #[arg(long)]
        object: Option<String>,
        /// Only about this kind of object: account, domain, database, database_user, zone, node.
        #[arg(long)]
        kind: Option<String>,
        /// Only with this reason, such as DriftRepaired.
        #[arg(long)]
        reason: Option<String>,
        /// Only of this time or later: 2h or 7d ago, or such as 2026-11-23T12:00:00Z.
        #[arg(long, value_parser = time)]
        since: Option<Timestamp>,
        /// How many at most: 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Go on showing what comes, oldest first, until interrupted.
        #[arg(long)]
        follow: bool,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let Command::List { account, node, object, kind, reason, since, limit, follow } = command;
    let mut query = vec![("limit", limit.to_string())];
    if let Some(account) = account {
        query.push(("account_id", resolve::account(&session.client, &account).await?.to_string()));
    }
    if let Some(node) = node {
        query.push(("node_id", resolve::node(&session.client, &node).await?.to_string()));
    }
    query.extend(object.map(|object| ("object_id", object)));
    query.extend(kind.map(|kind| ("object_kind", kind)));
    query.extend(reason.map(|reason| ("reason", reason)));
    query.extend(since.map(|since| ("since", since.to_string())));
    if follow {
        return self::follow(session, &query).await;
    }
    output::list(session.format, &session.client.list::<NodeEvent>(&query).await?.items)
}

async fn follow(session: &Session, query: &[(&str, String)]) -> Result<(), Failure> {
    let mut seen: HashSet<EventId> = HashSet::new();
    loop {
        let newest = session.client.list::<NodeEvent>(query).await?.items;
        let ids: HashSet<EventId> = newest.iter().map(|event| event.id).collect();
        let mut news: Vec<NodeEvent> = newest.into_iter().filter(|event| !seen.contains(&event.id)).collect();
        news.reverse();
        if !news.is_empty() {
            output::list(session.format, &news)?;
        }
        seen = ids;
        tokio::time::sleep(LOOK).await;
    }
}
