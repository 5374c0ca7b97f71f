//! Placement before a command is proposed. Runs on the leader.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use npanel_consensus::Prepare;
use npanel_model::{AssignmentId, Megabytes, NodeId, NodeRole, Part, PlanId};
use npanel_pki::ClusterKey;
use npanel_placement::{
    Availability, Judged, NodeView, PartReport, Placement, Reason, Report, Request, Runtime, Verdict,
    ZONE_NODES, ZonePlacement, place, place_zone,
};
use npanel_proto::{
    command::{Assignment, CreateAccount, CreateZone, Envelope, Refused, ZoneAssignment, envelope::Command},
    controller::NodeAnswer,
};
use npanel_state::{ForeseenObject, Node, NodeLoad, Plan, QueryError, Reader, RefusalCode};
use tokio::time::{Instant, timeout_at};

use crate::{
    connections::NodeConnections,
    consult::Consulting,
    liveness::{Liveness, Presence},
};

/// A new leader hears of every connected node within a heartbeat or two. For so long, a node it has not heard of
/// may still turn up.
const SETTLING: Duration = Duration::from_secs(6);

/// How long a command waits at most for a node to turn up. Within the time that a write is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a choice counts besides what the state says: longer than it takes to be agreed on and applied.
const RECENT: Duration = Duration::from_secs(1);

/// Chooses the nodes of accounts and zones, from the state and what the leader hears of the nodes.
#[derive(Debug, Clone)]
pub struct Placing {
    liveness: Liveness,
    consulting: Option<Consulting>,
    recent: Arc<Mutex<Recent>>,
}

/// Choices of the last moment. The state does not show them yet, so that without them everything that is asked
/// for at once would go to one node. Only a tilt of the balance: a new leader does well without.
#[derive(Debug, Default)]
struct Recent {
    choices: VecDeque<(Instant, NodeRole, NodeId)>,
}

impl Recent {
    fn note(&mut self, role: NodeRole, node: NodeId) {
        self.choices.push_back((Instant::now(), role, node));
    }

    fn count(&mut self, role: NodeRole, node: NodeId) -> u64 {
        while self.choices.front().is_some_and(|(at, _, _)| at.elapsed() >= RECENT) {
            self.choices.pop_front();
        }
        let same = |choice: &&(Instant, NodeRole, NodeId)| choice.1 == role && choice.2 == node;
        self.choices.iter().filter(same).count() as u64
    }
}

enum Stop {
    Refused(String),
    Query(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl Prepare for Placing {
    fn prepare<'a>(
        &'a self,
        envelope: &'a mut Envelope,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(async move {
            let placed = match &mut envelope.command {
                Some(Command::CreateAccount(account)) => self.account(account, state).await,
                Some(Command::CreateDomain(domain)) => match &mut domain.zone {
                    Some(zone) => self.zone(zone, state).await,
                    None => Ok(()),
                },
                Some(Command::CreateZone(zone)) => self.zone(zone, state).await,
                _ => Ok(()),
            };
            placed.map_err(|stop| match stop {
                Stop::Refused(message) => refused(RefusalCode::NoNode, message),
                Stop::Query(error) => {
                    tracing::error!(error = %error, "nothing can be placed");
                    refused(RefusalCode::Unavailable, "the fleet's state cannot be read at the moment".into())
                }
            })
        })
    }

    fn consult<'a>(
        &'a self,
        objects: &'a [ForeseenObject],
    ) -> Pin<Box<dyn Future<Output = Vec<NodeAnswer>> + Send + 'a>> {
        Box::pin(async move {
            match &self.consulting {
                Some(consulting) => consulting.ask(objects).await,
                None => vec![NodeAnswer::default(); objects.len()],
            }
        })
    }
}

fn refused(code: RefusalCode, message: String) -> Refused {
    Refused { code: code.as_str().to_owned(), message, field: String::new() }
}

impl Placing {
    /// Placement that takes nodes for what they last said to the leader.
    pub fn new(liveness: Liveness) -> Self {
        Self { liveness, consulting: None, recent: Arc::default() }
    }

    /// The same, which also asks nodes over these connections what something would change there.
    #[must_use]
    pub fn asking(self, connections: NodeConnections, key: ClusterKey) -> Self {
        Self { consulting: Some(Consulting { connections, key }), ..self }
    }

    async fn account(&self, account: &mut CreateAccount, state: &Reader) -> Result<(), Stop> {
        // Without a plan nothing can be said; the rules will refuse the command.
        let Some(plan) = plan(&account.plan_id, state).await? else { return Ok(()) };
        let mut report = Report::default();
        let mut assignments = Vec::new();
        let mut near = None;
        for part in Part::ALL {
            let request = part_request(*part, &plan, near);
            let choose = |nodes: &[Node]| place(&self.views(nodes, request.role), &request);
            let placed = |placement: &Placement| matches!(placement, Placement::Placed { .. });
            let content =
                |placement: &Placement| placed(placement) || !self.may_turn_up(placement.verdicts());
            let placement = self.decide(state, choose, content).await?;
            report.parts.push(PartReport::new(*part, &placement));
            let Placement::Placed { node, .. } = placement else {
                let message = format!("no node can take the account's {part} part: {placement}");
                return Err(Stop::Refused(message));
            };
            near = Some(node);
            self.recent().note(request.role, node);
            assignments.push(Assignment {
                assignment_id: AssignmentId::generate().to_bytes(),
                part: part.to_string(),
                node_id: node.to_bytes(),
            });
        }
        account.assignments = assignments;
        account.placement_report = serde_json::to_string(&report).expect("a report is valid JSON");
        match account.domain.as_mut().and_then(|domain| domain.zone.as_mut()) {
            Some(zone) => self.zone(zone, state).await,
            None => Ok(()),
        }
    }

    async fn zone(&self, zone: &mut CreateZone, state: &Reader) -> Result<(), Stop> {
        let request = Request::new(NodeRole::Dns, Megabytes(0));
        let choose = |nodes: &[Node]| place_zone(&self.views(nodes, request.role), &request);
        let full = |placement: &ZonePlacement| match placement {
            ZonePlacement::Placed { nodes, .. } => nodes.len() == ZONE_NODES,
            ZonePlacement::Refused { .. } => false,
        };
        let content = |placement: &ZonePlacement| full(placement) || !self.may_turn_up(placement.verdicts());
        let placement = self.decide(state, choose, content).await?;
        let ZonePlacement::Placed { nodes, .. } = placement else {
            return Err(Stop::Refused(format!("no node can answer for the zone: {placement}")));
        };
        for node in &nodes {
            self.recent().note(request.role, *node);
        }
        let assignment = |node: NodeId| ZoneAssignment {
            assignment_id: AssignmentId::generate().to_bytes(),
            node_id: node.to_bytes(),
        };
        zone.assignments = nodes.into_iter().map(assignment).collect();
        Ok(())
    }

    /// Chooses until `content`, anew whenever something is heard of a node; after a while, takes what there is.
    async fn decide<P>(
        &self,
        state: &Reader,
        choose: impl Fn(&[Node]) -> P,
        content: impl Fn(&P) -> bool,
    ) -> Result<P, QueryError> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = self.liveness.changes();
        loop {
            heard.mark_unchanged();
            let decided = choose(&state.all_nodes().await?);
            if content(&decided) || !matches!(timeout_at(deadline, heard.changed()).await, Ok(Ok(()))) {
                return Ok(decided);
            }
        }
    }

    /// Whether a node that was passed over for not being connected may only not have been heard yet.
    fn may_turn_up(&self, verdicts: &[Judged]) -> bool {
        let unheard = |judged: &Judged| judged.verdict == Verdict::Filtered(Reason::Unreachable);
        self.liveness.leading_for() < SETTLING && verdicts.iter().any(unheard)
    }

    fn views(&self, nodes: &[Node], role: NodeRole) -> Vec<NodeView> {
        let mut recent = self.recent();
        nodes
            .iter()
            .map(|node| self.view(node, carried(role, &node.load) + recent.count(role, node.id)))
            .collect()
    }

    /// Every change is one call, so a panic elsewhere leaves it whole.
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self, node: &Node, carries: u64) -> NodeView {
        let availability = match self.liveness.presence(node.id) {
            Presence::Online(seen) => Availability::Ready { disk_free: seen.capacity.disk_free },
            Presence::Lost(_) | Presence::Unknown => Availability::Unreachable,
        };
        NodeView {
            id: node.id,
            name: node.name.clone(),
            roles: node.roles.clone(),
            availability,
            pool: node.pool.clone(),
            php_versions: node.php_versions.clone(),
            carries,
            slots: npanel_model::Limit::Unlimited,
        }
    }
}

fn carried(role: NodeRole, load: &NodeLoad) -> u64 {
    match role {
        NodeRole::Web => load.web,
        NodeRole::Database => load.database,
        NodeRole::Dns => load.zones,
    }
}

fn part_request(part: Part, plan: &Plan, near: Option<NodeId>) -> Request {
    let runtime = match part {
        Part::Web => Runtime::Php(plan.php_version.clone()),
        Part::Database => Runtime::Any,
    };
    Request { runtime, near, ..Request::new(part.role(), plan.disk) }
}

/// The plan, whoever may see it: whether the account may have it is for the rules to say.
async fn plan(id: &[u8], state: &Reader) -> Result<Option<Plan>, QueryError> {
    let (Ok(id), Some(cluster)) = (PlanId::from_bytes(id), state.cluster().await?) else { return Ok(None) };
    state.plan(cluster.root_tenant_id, id).await
}
