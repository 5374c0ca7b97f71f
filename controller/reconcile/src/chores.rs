//! What the leader has done a batch at a time, so that no command holds up the others: accounts follow their plan to
//! another PHP version or other limits, or their tenant's suspension, what a node carried that is gone for good is settled, and operations that ended long ago and changes
//! that the feed keeps no longer are forgotten.

use std::time::{Duration, Instant};

use npanel_consensus::{Cluster, ProposeError};
use npanel_proto::command::{
    FollowPlan, FollowTenant, PurgeChanges, PurgeOperations, WriteOffNode, envelope::Command,
    outcome::Outcome,
};
use npanel_state::QueryError;

use crate::recorder::own_envelope;

/// How many accounts follow their plan in one command: some 40 ms of the writer's time.
const FOLLOWERS: u32 = 250;

/// How many accounts follow their tenant's suspension in one command, so that the writer is soon free for others.
const SUSPENDED: u32 = 100;

/// How many accounts, zones and objects of a lost node are settled in one command: some 40 ms of the writer's time.
const WRITTEN_OFF: u32 = 250;

/// How many rows of old operations go in one command: some 10 ms of the writer's time.
const PURGED: u32 = 500;

/// How many changes that are kept no longer go in one command: some 10 ms of the writer's time.
const PURGED_CHANGES: u32 = 5_000;

/// How often it is looked for what is old by now.
const AGEING: Duration = Duration::from_secs(60);

/// Looked for no more often than this: whoever waits for a batch waits no longer.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
enum ChoreError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// Runs until it is dropped. Level-triggered: the state says what is left to do, whoever began it.
pub(crate) async fn run(cluster: Cluster) {
    let mut applied = cluster.applied();
    let mut feed_due = Instant::now();
    loop {
        applied.borrow_and_update();
        match once(&cluster, &mut feed_due).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a chore could not be done; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
        // Nothing is to be done that no command left, or that time has not brought about.
        if let Ok(Err(_)) = tokio::time::timeout(AGEING, applied.changed()).await {
            return;
        }
    }
}

/// Does what there is to do, a batch of each. Whether there may be more.
async fn once(cluster: &Cluster, feed_due: &mut Instant) -> Result<bool, ChoreError> {
    let plans = cluster.state().followed_plans().await?;
    for plan in &plans {
        let command = FollowPlan { plan_id: plan.to_bytes(), most: FOLLOWERS };
        propose(cluster, Command::FollowPlan(command)).await?;
    }
    let tenants = cluster.state().followed_tenants().await?;
    for tenant in &tenants {
        let command = FollowTenant { tenant_id: tenant.to_bytes(), most: SUSPENDED };
        propose(cluster, Command::FollowTenant(command)).await?;
    }
    let lost = cluster.state().written_off_nodes().await?;
    for node in &lost {
        let command = WriteOffNode { node_id: node.to_bytes(), most: WRITTEN_OFF };
        propose(cluster, Command::WriteOffNode(command)).await?;
    }
    // By the time that the rule will judge by: by another, what is old here would be none there, again and again.
    let is_old = cluster.state().has_operations_to_purge(cluster.time().await).await?;
    if is_old {
        propose(cluster, Command::PurgeOperations(PurgeOperations { most: PURGED })).await?;
    }
    // To see that it is too long, what came since the last time is counted.
    let is_long =
        Instant::now() >= *feed_due && cluster.state().has_changes_to_purge(cluster.time().await).await?;
    if is_long {
        propose(cluster, Command::PurgeChanges(PurgeChanges { most: PURGED_CHANGES })).await?;
    } else if Instant::now() >= *feed_due {
        *feed_due = Instant::now() + AGEING;
    }
    Ok(is_old || is_long || !plans.is_empty() || !tenants.is_empty() || !lost.is_empty())
}

async fn propose(cluster: &Cluster, command: Command) -> Result<(), ChoreError> {
    let outcome = cluster.propose(own_envelope(cluster.id(), command)).await?.outcome;
    if let Some(Outcome::Refused(refused)) = outcome {
        tracing::error!(code = refused.code, reason = refused.message, "a chore was refused");
        // Not at once again: it would be refused again.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
