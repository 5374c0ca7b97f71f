//! Placement before a command is proposed. Runs on the leader.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use npanel_consensus::{Prepare, Purpose};
use npanel_model::{
    Amounts, AssignmentId, Megabytes, NodeId, NodeRole, Overselling, Part, PlanId, Strategy, TenantId,
    Timestamp,
};
use npanel_pki::ClusterKey;
use npanel_placement::{
    Apart, Decision, Filter, Fleet, PartReport, Promise, Report, Request, Runtime, Wish, ZONE_NODES, words,
};
use npanel_proto::{
    command::{
        Assignment, CreateAccount, CreateZone, Envelope, PlacementWish, Refused, ZoneAssignment,
        envelope::Command,
    },
    controller::{Answer, NodeAnswer, Question},
};
use npanel_state::{ForeseenObject, Plan, QueryError, Reader, RefusalCode};
use tokio::time::{Instant, timeout_at};

use crate::{
    answering,
    connections::NodeConnections,
    consult::Consulting,
    fleet_view::{FleetView, Given},
    liveness::{Liveness, SILENCE},
};

/// A new leader hears of every connected node within a heartbeat or two. For so long, a node it has not heard of
/// may still turn up.
const SETTLING: Duration = Duration::from_secs(6);

/// How long a command waits at most for a node to turn up. Within the time that a write is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whatever a tenant that oversells has promised, so much must be free on the disk of a node that gets its account.
const LEAST_FREE: Megabytes = Megabytes(1024);

/// Chooses the nodes of accounts and zones, from the state and what the leader hears of the nodes.
#[derive(Debug, Clone)]
pub struct Placing {
    liveness: Liveness,
    consulting: Option<Consulting>,
    fleet: Arc<FleetView>,
}

pub(crate) enum Stop {
    Refused(Refused),
    Query(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refused) => refused,
            Stop::Query(error) => {
                tracing::error!(error = %error, "nothing can be placed");
                refused(RefusalCode::Unavailable, "", "the fleet's state cannot be read at the moment")
            }
        }
    }
}

pub(crate) fn refused(code: RefusalCode, field: &str, message: impl Into<String>) -> Refused {
    Refused { code: code.as_str().to_owned(), message: message.into(), field: field.to_owned() }
}

fn no_node(message: String) -> Stop {
    Stop::Refused(refused(RefusalCode::NoNode, "", message))
}

impl Prepare for Placing {
    fn prepare<'a>(
        &'a self,
        envelope: &'a mut Envelope,
        purpose: Purpose,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>> {
        Box::pin(async move {
            let placed = match &mut envelope.command {
                Some(Command::CreateAccount(account)) => self.account(account, purpose, state).await,
                Some(Command::CreateDomain(domain)) => match &mut domain.zone {
                    Some(zone) => self.zone(zone, purpose, state).await,
                    None => Ok(()),
                },
                Some(Command::CreateZone(zone)) => self.zone(zone, purpose, state).await,
                Some(Command::PlaceAccount(account)) => self.account_anew(account, purpose, state).await,
                Some(Command::PlaceZone(zone)) => self.zone_anew(zone, purpose, state).await,
                _ => Ok(()),
            };
            placed.map_err(Refused::from)
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

    fn settled(&self, envelope: &Envelope) {
        let (parts, zone) = match &envelope.command {
            Some(Command::CreateAccount(account)) => {
                let zone = account.domain.as_ref().and_then(|domain| domain.zone.as_ref());
                (&account.assignments[..], assignments_of(zone))
            }
            Some(Command::PlaceAccount(account)) => (&account.assignments[..], &[][..]),
            Some(Command::PlaceZone(zone)) => (&[][..], &zone.assignments[..]),
            Some(Command::CreateDomain(domain)) => (&[][..], assignments_of(domain.zone.as_ref())),
            Some(Command::CreateZone(zone)) => (&[][..], assignments_of(Some(zone))),
            _ => return,
        };
        let of_zone = zone.iter().map(|on| on.assignment_id.as_slice());
        self.fleet.settle(parts.iter().map(|on| on.assignment_id.as_slice()).chain(of_zone));
    }

    fn answer<'a>(
        &'a self,
        question: Question,
        state: &'a Reader,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(answering::answer(self, &self.liveness, question, state))
    }
}

fn assignments_of(zone: Option<&CreateZone>) -> &[ZoneAssignment] {
    zone.map_or(&[], |zone| &zone.assignments)
}

/// What an account is placed by: all that the state says of it.
pub(crate) struct Terms {
    pub(crate) plan: Plan,
    strategy: Strategy,
    overselling: Overselling,
    apart: Apart,
    wish: Wish,
}

/// A part's place, and what led to it.
struct PartPlaced {
    part: Part,
    request: Request,
    decision: Decision,
    report: PartReport,
}

impl Placing {
    /// Placement that takes nodes for what they last said to the leader.
    pub fn new(liveness: Liveness) -> Self {
        Self { fleet: Arc::new(FleetView::new(liveness.clone())), consulting: None, liveness }
    }

    /// The same, which also asks nodes over these connections what something would change there.
    #[must_use]
    pub fn asking(self, connections: NodeConnections, key: ClusterKey) -> Self {
        Self { consulting: Some(Consulting { connections, key }), ..self }
    }

    async fn account(
        &self,
        account: &mut CreateAccount,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(), Stop> {
        account.assignments.clear();
        // Without a plan nothing can be said; the rules will refuse the command.
        let tenant = TenantId::from_bytes(&account.tenant_id).ok();
        let Some(terms) = self.terms(tenant, &account.plan_id, account.placement.as_ref(), state).await?
        else {
            return Ok(());
        };
        let (assignments, report) = self.parts(Part::ALL, (&terms, tenant), None, purpose, state).await?;
        account.assignments = assignments;
        account.placement_report = report;
        match account.domain.as_mut().and_then(|domain| domain.zone.as_mut()) {
            Some(zone) => self.zone(zone, purpose, state).await,
            None => Ok(()),
        }
    }

    /// A node for each of the parts, near another part if there is one already; and the report, as JSON.
    pub(crate) async fn parts(
        &self,
        parts: &[Part],
        (terms, tenant): (&Terms, Option<TenantId>),
        mut near: Option<NodeId>,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(Vec<Assignment>, String), Stop> {
        let mut report = Report::default();
        let mut assignments = Vec::with_capacity(parts.len());
        for part in parts {
            let placed = self.part(*part, terms, near, state).await?;
            report.parts.push(placed.report);
            let Some(node) = placed.decision.node() else {
                let words = self.fleet.look(|fleet| words(&fleet.judge(&placed.request, &placed.decision)));
                return Err(no_node(format!(
                    "no node can take the account's {part} part: {}",
                    shortened(words)
                )));
            };
            near = near.or(Some(node));
            let assignment = AssignmentId::generate().to_bytes();
            let is_together = placed.request.near == Some(node);
            let amounts = if is_together { Amounts::default() } else { placed.request.amounts };
            let promise = Promise { node, role: placed.part.role(), amounts };
            self.give(&assignment, Given { promise, tenant }, purpose);
            assignments.push(Assignment {
                assignment_id: assignment,
                part: part.to_string(),
                node_id: node.to_bytes(),
            });
        }
        Ok((assignments, serde_json::to_string(&report).expect("a report is valid JSON")))
    }

    /// What is only asked for is not counted: it would send others elsewhere.
    fn give(&self, assignment: &[u8], given: Given, purpose: Purpose) {
        match purpose {
            Purpose::Propose => self.fleet.give(assignment, given),
            Purpose::Foresee => {}
        }
    }

    /// Every node's verdict on an account that is not asked for yet.
    pub(crate) async fn would_place(
        &self,
        tenant: TenantId,
        plan: &[u8],
        wish: Option<&PlacementWish>,
        state: &Reader,
    ) -> Result<Report, Stop> {
        let Some(terms) = self.terms(Some(tenant), plan, wish, state).await? else {
            return Err(Stop::Refused(refused(RefusalCode::NotFound, "/plan_id", "there is no such plan")));
        };
        let mut report = Report::default();
        let mut web = None;
        for part in Part::ALL {
            self.fleet.refresh(state).await?;
            let request = self.request(*part, &terms, web);
            let whole = |fleet: &Fleet| PartReport::whole(*part, fleet, &request, &fleet.place(&request));
            let placed = self.fleet.look(whole);
            web = web.or(placed.chosen);
            report.parts.push(placed);
        }
        Ok(report)
    }

    pub(crate) async fn terms(
        &self,
        tenant: Option<TenantId>,
        plan: &[u8],
        wish: Option<&PlacementWish>,
        state: &Reader,
    ) -> Result<Option<Terms>, QueryError> {
        let (Ok(id), Some(cluster)) = (PlanId::from_bytes(plan), state.cluster().await?) else {
            return Ok(None);
        };
        // Whoever may see it: whether the account may have it is for the rules to say.
        let Some(plan) = state.plan(cluster.root_tenant_id, id).await? else { return Ok(None) };
        let Some(tenant) = tenant else { return Ok(None) };
        let mut tenant_on = state.tenant_on_nodes(tenant).await?;
        tenant_on.extend(self.fleet.given_to(tenant));
        Ok(Some(Terms {
            strategy: plan.placement.strategy.unwrap_or(cluster.placement_strategy),
            overselling: state.overselling(tenant).await?,
            apart: Apart { anti_affinity: plan.placement.anti_affinity, tenant_on },
            wish: wished(&plan, wish),
            plan,
        }))
    }

    async fn part(
        &self,
        part: Part,
        terms: &Terms,
        web: Option<NodeId>,
        state: &Reader,
    ) -> Result<PartPlaced, Stop> {
        let decide = || {
            let request = self.request(part, terms, web);
            self.fleet.look(|fleet| {
                let decision = fleet.place(&request);
                let report = PartReport::kept(part, fleet, &request, &decision);
                PartPlaced { part, request: request.clone(), decision, report }
            })
        };
        Ok(self.decide(state, decide, |placed| (&placed.decision, 1)).await?)
    }

    fn request(&self, part: Part, terms: &Terms, web: Option<NodeId>) -> Request {
        let plan = &terms.plan;
        let mut wish = terms.wish.clone();
        // A node that is named carries the web part; the rest goes there too if it can.
        if part != Part::Web {
            wish.node = None;
        }
        Request {
            runtime: match part {
                Part::Web => Runtime::Php(plan.php_version.clone()),
                Part::Database => Runtime::Any,
            },
            amounts: Amounts::account(plan.disk, plan.memory),
            overselling: terms.overselling,
            disk_free: match terms.overselling {
                Overselling::Forbidden => plan.disk,
                Overselling::Allowed => plan.disk.min(LEAST_FREE),
            },
            near: web,
            apart: terms.apart.clone(),
            wish,
            ..self.bare(part.role(), terms.strategy)
        }
    }

    fn bare(&self, role: NodeRole, strategy: Strategy) -> Request {
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        Request::new(role, strategy, Timestamp::from_millis(Timestamp::now().as_millis() - silence))
    }

    async fn zone(&self, zone: &mut CreateZone, purpose: Purpose, state: &Reader) -> Result<(), Stop> {
        zone.assignments = self.name_servers(purpose, state).await?;
        Ok(())
    }

    /// Nodes that can answer for a zone.
    pub(crate) async fn name_servers(
        &self,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<Vec<ZoneAssignment>, Stop> {
        let decide = || {
            let request = self.bare(NodeRole::Dns, Strategy::Spread);
            let decision = self.fleet.look(|fleet| fleet.place_zone(&request));
            (decision, request)
        };
        let (decision, request) = self.decide(state, decide, |(decision, _)| (decision, ZONE_NODES)).await?;
        if decision.node().is_none() {
            let words = self.fleet.look(|fleet| words(&fleet.judge(&request, &decision)));
            return Err(no_node(format!("no node can answer for the zone: {}", shortened(words))));
        }
        let assignment = |node: NodeId| {
            let id = AssignmentId::generate().to_bytes();
            let promise = Promise { node, role: NodeRole::Dns, amounts: Amounts::default() };
            self.give(&id, Given { promise, tenant: None }, purpose);
            ZoneAssignment { assignment_id: id, node_id: node.to_bytes() }
        };
        Ok(decision.nodes().map(assignment).collect())
    }

    /// Chooses until as many nodes are chosen as are wanted, or nobody is left to wait for; anew whenever something
    /// is heard of a node or something that was given is settled. After a while, takes what there is.
    async fn decide<P>(
        &self,
        state: &Reader,
        choose: impl Fn() -> P,
        decision: impl Fn(&P) -> (&Decision, usize),
    ) -> Result<P, QueryError> {
        let deadline = Instant::now() + PATIENCE;
        let (mut heard, mut settled) = (self.liveness.changes(), self.fleet.settlements());
        loop {
            heard.mark_unchanged();
            settled.mark_unchanged();
            self.fleet.refresh(state).await?;
            let decided = choose();
            let (made, wanted) = decision(&decided);
            let is_content = made.chosen.len() >= wanted || !self.may_yet_fit(made);
            let change = async {
                tokio::select! {
                    changed = heard.changed() => changed,
                    changed = settled.changed() => changed,
                }
            };
            if is_content || !matches!(timeout_at(deadline, change).await, Ok(Ok(()))) {
                return Ok(decided);
            }
        }
    }

    /// Whether a node that was passed over may only not have been heard yet, or be full only of what may come to
    /// nothing.
    fn may_yet_fit(&self, decision: &Decision) -> bool {
        let is_new = self.liveness.leading_for() < SETTLING;
        let full = [Filter::Accounts, Filter::Disk, Filter::Memory, Filter::Tenant];
        (is_new && decision.refused_by(Filter::Unreachable) > 0)
            || (decision.chosen.is_empty()
                && full.iter().any(|filter| decision.refused_by(*filter) > 0)
                && self.fleet.is_giving())
    }
}

/// What the plan says and what the caller wants, both. Text that is not what it should be is for the rules to refuse.
fn wished(plan: &Plan, wish: Option<&PlacementWish>) -> Wish {
    let Some(wish) = wish else {
        return Wish {
            pool: plan.placement.pool.clone(),
            labels: plan.placement.labels.clone(),
            ..Wish::default()
        };
    };
    let mut labels = plan.placement.labels.clone();
    labels.extend(wish.labels.iter().filter_map(|label| label.parse().ok()));
    Wish {
        node: NodeId::from_bytes(&wish.node_id).ok(),
        pool: wish.pool.parse().ok().or_else(|| plan.placement.pool.clone()),
        availability_zone: wish.availability_zone.parse().ok(),
        labels,
    }
}

/// A large fleet's reasons do not fit into an error; `npanel explain placement` shows them all.
fn shortened(words: String) -> String {
    const MOST: usize = 2000;
    match words.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} … (npanel explain placement shows every node)", &words[..at]),
        None => words,
    }
}
