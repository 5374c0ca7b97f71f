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
        look(&self.newest().fleet)
    }

    /// Looks at the fleet and at what is given but not settled, and counts what was chosen as given, by the id of its
    /// assignment, before anybody else looks.
    pub(crate) fn choose<T>(
        &self,
        assignment: &[u8],
        choose: impl FnOnce(&Fleet, &HashMap<Vec<u8>, Given>) -> (T, Option<Given>),
    ) -> T {
        let mut kept = self.newest();
        let (chosen, given) = choose(&kept.fleet, &kept.given);
        if let Some(given) = given {
            kept.give(assignment, given);
        }
        chosen
    }

    fn newest(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept();
        let news = self.liveness.news();
        if news.is_reset {
            kept.fleet.hear_nothing();
        }
        for (node, heard) in news.nodes {
            kept.fleet.hear(node, heard);
        }
        kept.forget_stale();
        kept
    }

    /// Counts something as given until it is settled by the id of its assignment.
    pub(crate) fn give(&self, assignment: &[u8], given: Given) {
        self.kept().give(assignment, given);
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

    /// Where a tenant's accounts are, without the account that has been given `own` so far.
    pub(crate) async fn others(
        &self,
        tenant: TenantId,
        own: &[Vec<u8>],
        state: &Reader,
    ) -> Result<Others, QueryError> {
        let mut others = Others { tenant, own: own.to_vec(), seen: Vec::new(), on: Vec::new() };
        // First what is given: what is settled while the state is asked is counted twice rather than not at all.
        let (seen, on) = others.of(&self.kept().given).into_iter().unzip();
        (others.seen, others.on) = (seen, on);
        others.on.extend(state.tenant_on_nodes(tenant).await?);
        Ok(others)
    }

    /// Every change is whole before anything can panic.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a tenant's other accounts were when the state was asked.
pub(crate) struct Others {
    tenant: TenantId,
    own: Vec<Vec<u8>>,
    seen: Vec<Vec<u8>>,
    on: Vec<(NodeId, u64)>,
}

impl Others {
    /// Where they are at this moment: with what was given since.
    pub(crate) fn now(&self, given: &HashMap<Vec<u8>, Given>) -> Vec<(NodeId, u64)> {
        let since = self.of(given).into_iter().filter(|(id, _)| !self.seen.contains(id));
        self.on.iter().copied().chain(since.map(|(_, on)| on)).collect()
    }

    fn of(&self, given: &HashMap<Vec<u8>, Given>) -> Vec<(Vec<u8>, (NodeId, u64))> {
        let is_theirs =
            |id: &Vec<u8>, given: &Given| given.tenant == Some(self.tenant) && !self.own.contains(id);
        let theirs = given.iter().filter(|(id, given)| is_theirs(id, given));
        theirs.map(|(id, given)| (id.clone(), (given.promise.node, given.promise.amounts.accounts))).collect()
    }
}

impl Kept {
    fn give(&mut self, assignment: &[u8], given: Given) {
        self.fleet.promise(&given.promise);
        self.given.insert(assignment.to_vec(), given);
        self.since.push_back((Instant::now(), assignment.to_vec()));
    }

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
