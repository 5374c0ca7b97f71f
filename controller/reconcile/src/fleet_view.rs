//! The fleet as placement sees it, kept up to date and never rebuilt: what the state says is followed by the log
//! index of each node's last change, what nodes say by the news of [`Liveness`].

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use npanel_model::{NodeId, TenantId};
use npanel_placement::{Carries, Fleet, NodeView, Promise};
use npanel_state::{Node, QueryError, Reader};
use tokio::{sync::watch, time::Instant};

use crate::liveness::Liveness;

/// A promise whose command was never decided, because its caller went away, is forgotten after this time: longer than
/// a write is tried.
const LONGEST_PROMISE: Duration = Duration::from_secs(20);

/// A promise and whose account it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub(crate) promise: Promise,
    pub(crate) tenant: Option<TenantId>,
}

#[derive(Debug, Default)]
struct Kept {
    fleet: Fleet,
    /// The newest change of a node that is in.
    index: Option<u64>,
    /// How far the state was when that was looked up.
    seen: Option<u64>,
    given: HashMap<Vec<u8>, Given>,
    since: VecDeque<(Instant, Vec<u8>)>,
}

/// The fleet, shared by all decisions.
#[derive(Debug)]
pub(crate) struct FleetView {
    liveness: Liveness,
    kept: Mutex<Kept>,
    refreshing: tokio::sync::Mutex<()>,
    settled: watch::Sender<()>,
}

impl FleetView {
    pub(crate) fn new(liveness: Liveness) -> Self {
        Self {
            liveness,
            kept: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            settled: watch::Sender::new(()),
        }
    }

    /// Takes in what the state has that is new. Cheap when there is nothing: no query.
    pub(crate) async fn refresh(&self, state: &Reader) -> Result<(), QueryError> {
        if self.kept().seen >= Some(state.applied_index()) {
            return Ok(());
        }
        // Those who wait here find it done by whoever went first.
        let _one_at_a_time = self.refreshing.lock().await;
        let reaches = state.applied_index();
        let index = {
            let kept = self.kept();
            if kept.seen >= Some(reaches) {
                return Ok(());
            }
            kept.index
        };
        let changed = state.nodes_since(index).await?;
        let mut kept = self.kept();
        for node in changed {
            kept.index = kept.index.max(Some(node.changed_index));
            match node.node {
                Some(row) => {
                    kept.fleet.set(view(&row));
                    kept.fleet.hear(node.id, self.liveness.last_heard(node.id));
                }
                None => kept.fleet.remove(node.id),
            }
        }
        kept.seen = Some(reaches);
        Ok(())
    }

    /// Looks at the fleet as it is now, with what nodes have said by now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Fleet) -> T) -> T {
        let mut kept = self.kept();
        let news = self.liveness.news();
        if news.is_reset {
            kept.fleet.hear_nothing();
        }
        for (node, heard) in news.nodes {
            kept.fleet.hear(node, heard);
        }
        kept.forget_stale();
        look(&kept.fleet)
    }

    /// Counts something as given until it is settled by the id of its assignment.
    pub(crate) fn give(&self, assignment: &[u8], given: Given) {
        let mut kept = self.kept();
        kept.fleet.promise(&given.promise);
        kept.given.insert(assignment.to_vec(), given);
        kept.since.push_back((Instant::now(), assignment.to_vec()));
    }

    pub(crate) fn settle<'a>(&self, assignments: impl Iterator<Item = &'a [u8]>) {
        let mut kept = self.kept();
        for assignment in assignments {
            kept.settle(assignment);
        }
        drop(kept);
        self.settled.send_replace(());
    }

    /// Whether something is given that the state does not show yet; it may come to nothing.
    pub(crate) fn is_giving(&self) -> bool {
        !self.kept().given.is_empty()
    }

    /// Moves whenever something was settled.
    pub(crate) fn settlements(&self) -> watch::Receiver<()> {
        self.settled.subscribe()
    }

    /// On which nodes accounts of the tenant are about to be.
    pub(crate) fn given_to(&self, tenant: TenantId) -> Vec<(NodeId, u64)> {
        let kept = self.kept();
        let of_tenant = kept.given.values().filter(|given| given.tenant == Some(tenant));
        of_tenant.map(|given| (given.promise.node, given.promise.amounts.accounts)).collect()
    }

    /// Every change is whole before anything can panic.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn settle(&mut self, assignment: &[u8]) {
        if let Some(given) = self.given.remove(assignment) {
            self.fleet.settle(&given.promise);
        }
    }

    fn forget_stale(&mut self) {
        let is_over = |at: &Instant| at.elapsed() >= LONGEST_PROMISE;
        while let Some((at, _)) = self.since.front() {
            if !is_over(at) {
                return;
            }
            let assignment = self.since.pop_front().map(|(_, assignment)| assignment);
            assignment.iter().for_each(|assignment| self.settle(assignment));
        }
    }
}

fn view(node: &Node) -> NodeView {
    NodeView {
        id: node.id,
        name: node.name.clone(),
        roles: node.roles.clone(),
        missing: node.missing.clone(),
        pool: node.pool.clone(),
        availability_zone: node.availability_zone.clone(),
        labels: node.all_labels.clone(),
        php_versions: node.php_versions.clone(),
        schedulable: node.schedulable,
        limits: node.limits,
        reserved: node.reserved,
        carries: Carries { web: node.load.web, database: node.load.database, zones: node.load.zones },
    }
}
