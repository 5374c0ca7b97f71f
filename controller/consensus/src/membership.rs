//! The members follow the state, one change at a time: enrolled controllers become learners, then voters when they have
//! caught up; those that were removed go.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use npanel_state::Reader;
use openraft::{BasicNode, ChangeMembers};
use tokio::sync::watch;

use crate::{applying::Applying, leadership::Leadership, reading, types::Raft};

/// How often the membership is compared with who is enrolled. Enrolling is rare.
const INTERVAL: Duration = Duration::from_millis(500);

/// A learner this close to the log's end is caught up: it gets the rest within a heartbeat.
const CAUGHT_UP_ENTRIES: u64 = 100;

/// Runs as long as the process; acts while this controller leads.
pub(crate) async fn run(
    raft: Raft,
    state: Reader,
    applying: Arc<Applying>,
    mut leadership: watch::Receiver<Leadership>,
) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !leadership.borrow().is_leader() && leadership.changed().await.is_err() {
            return;
        }
        if let Err(error) = step(&raft, &state, &applying).await {
            tracing::warn!(error = %error, "the membership could not be brought up to date; trying again");
        }
    }
}

/// Makes the first change that is due.
async fn step(
    raft: &Raft,
    state: &Reader,
    applying: &Applying,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if let Some(voters) = unfinished(raft) {
        raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false).await?;
        return Ok(());
    }
    let (members, voters, caught_up) = {
        let metrics = raft.metrics();
        let now = metrics.borrow();
        if now.current_leader != Some(now.id) {
            return Ok(());
        }
        let members: BTreeSet<u64> = now.membership_config.nodes().map(|(id, _)| *id).collect();
        let voters: BTreeSet<u64> = now.membership_config.voter_ids().collect();
        let last = now.last_log_index.unwrap_or(0);
        let near_end = |index: u64| index + CAUGHT_UP_ENTRIES >= last;
        let replication = now.replication.clone().unwrap_or_default();
        let caught_up: BTreeSet<u64> = replication
            .into_iter()
            .filter(|(_, matched)| matched.is_some_and(|id| near_end(id.index)))
            .map(|(id, _)| id)
            .collect();
        (members, voters, caught_up)
    };
    for controller in state.controllers().await? {
        let id = controller.id.0;
        if !members.contains(&id) {
            tracing::info!(controller = id, address = %controller.fleet_address, "adding a learner");
            raft.add_learner(id, BasicNode::new(controller.fleet_address), false).await?;
            return Ok(());
        }
        if !voters.contains(&id) && caught_up.contains(&id) {
            tracing::info!(controller = id, "promoting a learner to a voter");
            raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::from([id])), false).await?;
            return Ok(());
        }
    }
    remove_one(raft, state, applying, &members, &voters).await
}

/// The voters to be, if a leader before this one has begun a change and not ended it.
fn unfinished(raft: &Raft) -> Option<BTreeSet<u64>> {
    let metrics = raft.metrics();
    let now = metrics.borrow();
    let configs = now.membership_config.membership().get_joint_config();
    (now.current_leader == Some(now.id) && configs.len() > 1).then(|| configs.last().cloned()).flatten()
}

/// Takes out a member that the state does not have any more.
async fn remove_one(
    raft: &Raft,
    state: &Reader,
    applying: &Applying,
    members: &BTreeSet<u64>,
    voters: &BTreeSet<u64>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let strangers = async || {
        let present: BTreeSet<u64> = state.controllers().await?.iter().map(|one| one.id.0).collect();
        // Before the cluster is made, nobody is in the state.
        let is_stranger = |id: &u64| !present.is_empty() && !present.contains(id);
        Ok::<_, npanel_state::QueryError>(members.iter().copied().filter(is_stranger).collect::<Vec<_>>())
    };
    if strangers().await?.is_empty() {
        return Ok(());
    }
    // A new leader's state may be behind its own log: whoever enrolled last would be taken for a stranger.
    if !reading::is_caught_up(raft, applying).await {
        return Ok(());
    }
    let Some(id) = strangers().await?.pop() else { return Ok(()) };
    tracing::info!(controller = id, "taking a removed controller out of the members");
    let change = if voters.contains(&id) {
        ChangeMembers::RemoveVoters(BTreeSet::from([id]))
    } else {
        ChangeMembers::RemoveNodes(BTreeSet::from([id]))
    };
    raft.change_membership(change, false).await?;
    Ok(())
}
