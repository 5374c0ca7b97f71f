//! The members follow the state, one change at a time: enrolled controllers become learners, then voters when they have
//! caught up, each in the place of another if it was enrolled for that; those that were removed go. What is due is read from the
//! state and the members alone ([`due`]), so the next leader goes on where one stopped.

mod due;

use std::{collections::BTreeSet, ops::Deref, time::Duration};

use npanel_model::ControllerId;
use npanel_proto::command::{RemoveController, envelope::Command};
use npanel_state::QueryError;
use openraft::{BasicNode, ChangeMembers};
use tokio::sync::watch;

use crate::{
    duty::{Error, Means, Turns},
    leadership::Leadership,
    levels, reading,
    writing::write_own,
};
use due::{Change, Due, Seen};

/// How often the membership is compared with who is enrolled. Enrolling is rare.
const INTERVAL: Duration = Duration::from_millis(500);

/// A learner this close to the log's end is caught up: it gets the rest within a heartbeat.
const CAUGHT_UP_ENTRIES: u64 = 100;

/// Has the members follow the state.
pub(crate) struct Membership(pub(crate) Means);

impl Deref for Membership {
    type Target = Means;
    fn deref(&self) -> &Means {
        &self.0
    }
}

impl Membership {
    /// Runs as long as the process; acts while this controller leads.
    pub(crate) async fn run(self, leadership: watch::Receiver<Leadership>) {
        let mut turns = Turns::every(INTERVAL, leadership);
        while turns.next().await {
            if let Err(error) = self.step().await {
                tracing::warn!(error = %error, "the membership could not be brought up to date; trying again");
            }
        }
    }

    /// Makes the first change that is due and can be begun.
    async fn step(&self) -> Result<(), Error> {
        if let Some(voters) = self.unfinished() {
            self.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false).await?;
            return Ok(());
        }
        if self.due().await?.is_empty() {
            return Ok(());
        }
        // A new leader's state may be behind its own log: whoever enrolled last would be taken for a stranger.
        if !reading::is_caught_up(&self.raft, &self.applying).await {
            return Ok(());
        }
        for due in self.due().await? {
            if let Some(change) = due.change()
                && !self.can_decide(&change).await
            {
                continue;
            }
            return self.make(due).await;
        }
        Ok(())
    }

    async fn make(&self, due: Due) -> Result<(), Error> {
        match due {
            Due::Learn { id, address } => {
                tracing::info!(controller = id, address, "adding a learner");
                self.raft.add_learner(id, BasicNode::new(address), false).await?;
            }
            Due::Vote { id, in_place_of, after, .. } => {
                tracing::info!(controller = id, in_place_of, "promoting a learner to a voter");
                self.raft.change_membership(ChangeMembers::ReplaceAllVoters(after), false).await?;
            }
            Due::Retire { id, by } => self.retire(id, by).await?,
            Due::Resign { id, .. } => {
                tracing::info!(controller = id, "taking a removed controller out of the voters");
                let change = ChangeMembers::RemoveVoters(BTreeSet::from([id]));
                self.raft.change_membership(change, false).await?;
            }
            Due::Leave { id } => {
                tracing::info!(controller = id, "taking a removed controller out of the members");
                let change = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
                self.raft.change_membership(change, false).await?;
            }
        }
        Ok(())
    }

    /// The voters to be, if a leader before this one has begun a change and not ended it.
    fn unfinished(&self) -> Option<BTreeSet<u64>> {
        let metrics = self.raft.metrics();
        let now = metrics.borrow();
        let configs = now.membership_config.membership().get_joint_config();
        (now.current_leader == Some(now.id) && configs.len() > 1).then(|| configs.last().cloned()).flatten()
    }

    async fn due(&self) -> Result<Vec<Due>, QueryError> {
        let controllers = self.store.reader().controllers().await?;
        let metrics = self.raft.metrics();
        let now = metrics.borrow();
        if now.current_leader != Some(now.id) {
            return Ok(Vec::new());
        }
        let last = now.last_log_index.unwrap_or(0);
        let near_end = |index: u64| index + CAUGHT_UP_ENTRIES >= last;
        let replication = now.replication.iter().flatten();
        let seen = Seen {
            controllers: &controllers,
            members: now.membership_config.nodes().map(|(id, _)| *id).collect(),
            voters: now.membership_config.voter_ids().collect(),
            caught_up: replication
                .filter(|(_, matched)| matched.is_some_and(|id| near_end(id.index)))
                .map(|(id, _)| *id)
                .collect(),
        };
        Ok(seen.due())
    }

    /// Asks those who vote before and after. Once a change is begun nothing can be decided without majorities of both.
    async fn can_decide(&self, change: &Change<'_>) -> bool {
        let Change { learner, before, after } = change;
        let all: Vec<(u64, String)> = {
            let metrics = self.raft.metrics();
            let now = metrics.borrow();
            let nodes = now.membership_config.nodes();
            let asked = nodes.filter(|(id, _)| before.contains(id) || after.contains(id));
            asked.map(|(id, node)| (*id, node.addr.clone())).collect()
        };
        let own = self.raft.metrics().borrow().id;
        let answers = all.iter().map(async |(id, address)| {
            let asked = || levels::asked(self.dial.as_ref(), &self.belonging, ControllerId(*id), address);
            (*id == own || asked().await.is_some()).then_some(*id)
        });
        let answering: BTreeSet<u64> =
            futures::future::join_all(answers).await.into_iter().flatten().collect();
        let can = change.is_decidable(&answering);
        if !can {
            tracing::warn!(
                learner,
                ?before,
                ?after,
                ?answering,
                "those who vote are not changed while too few answer to decide it"
            );
        }
        can
    }

    /// The place of a controller is taken: it is removed, which its state and its identity learn by a command.
    async fn retire(&self, id: u64, by: u64) -> Result<(), Error> {
        let Some(level) = *self.store.feature_level().borrow() else { return Ok(()) };
        let command = Command::RemoveController(RemoveController { controller_id: id });
        if write_own(&self.raft, &self.clock, level, command).await? {
            tracing::info!(controller = id, by, "a controller is removed, for another has taken its place");
        }
        Ok(())
    }
}
