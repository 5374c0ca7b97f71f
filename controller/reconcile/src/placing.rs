//! Placement before a command is proposed. Runs on the leader.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use npanel_consensus::{Prepare, Purpose, Retention};
use npanel_model::{
    Amounts, AssignmentId, Megabytes, NodeId, NodeRole, Overselling, Part, PlanId, Strategy, TenantId,
    Timestamp,
};
use npanel_pki::LiveClusterKeys;
use npanel_placement::{
    Apart, Decision, Filter, PartReport, Promise, Report, Request, Runtime, Wish, ZONE_NODES, ZoneReport,
    words,
};
use npanel_proto::{
    command::{
        Assignment, CreateAccount, CreateZone, Envelope, PlacementWish, Refused, ZoneAssignment,
        envelope::Command,
    },
    controller::{Answer, NodeAnswer, Question},
};
use npanel_state::{ForeseenObject, Plan, QueryError, Reader, RefusalCode, UnplacedAccount};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    answering,
    connections::NodeConnections,
    consult::Consulting,
    fleet_view::{FleetView, Given},
    liveness::{Liveness, SILENCE},
};

/// A new leader hears of every connected node within a heartbeat or two. For so long, a node it has not heard of
/// may still turn up.
pub(crate) const SETTLING: Duration = Duration::from_secs(6);

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
    retention: Retention,
    max_feature_level: u32,
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
    fn max_feature_level(&self) -> u32 {
        self.max_feature_level
    }

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
                    Some(zone) => self.zone(zone, purpose, state).await.map(drop),
                    None => Ok(()),
                },
                Some(Command::CreateZone(zone)) => self.zone(zone, purpose, state).await.map(drop),
                Some(Command::PlaceAccount(account)) => self.account_anew(account, purpose, state).await,
                Some(Command::PlaceZone(zone)) => self.zone_anew(zone, purpose, state).await,
                _ => Ok(()),
            };
            placed.map_err(Refused::from)
        })
    }

    fn retention(&self) -> Retention {
        self.retention
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
    tenant: TenantId,
    plan: Plan,
    strategy: Strategy,
    overselling: Overselling,
    wish: Wish,
    patience: Duration,
}

impl Terms {
    /// The same for an account that is there: it has a PHP version of its own, and was wished somewhere when it was
    /// made. It is looked at again and again, so nothing is waited for.
    pub(crate) fn anew(mut self, account: &UnplacedAccount) -> Self {
        let placement = &self.plan.placement;
        let wish = account.wish.clone().under(placement.pool.as_ref(), &placement.labels);
        self.wish = Wish {
            node: None,
            pool: wish.pool,
            availability_zone: wish.availability_zone,
            labels: wish.labels,
        };
        self.plan.php_version = account.php_version.clone();
        Self { patience: Duration::ZERO, ..self }
    }
}

/// A part's place, and what led to it.
struct PartPlaced {
    request: Request,
    decision: Decision,
    report: PartReport,
}

impl Placing {
    /// Placement that takes nodes for what they last said to the leader.
    pub fn new(liveness: Liveness) -> Self {
        let fleet = Arc::new(FleetView::new(liveness.clone()));
        Self {
            fleet,
            consulting: None,
            liveness,
            retention: Retention::default(),
            max_feature_level: npanel_state::FEATURE_LEVEL,
        }
    }

    /// The same, of a controller that keeps so much of the log.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// The same, of a controller that goes up to this feature level only.
    #[must_use]
    pub fn up_to(self, max_feature_level: u32) -> Self {
        Self { max_feature_level, ..self }
    }

    /// The same, which also asks nodes over these connections what something would change there.
    #[must_use]
    pub fn asking(self, connections: NodeConnections, keys: LiveClusterKeys) -> Self {
        Self { consulting: Some(Consulting { connections, keys }), ..self }
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
        let (assignments, mut report) = self.parts(Part::ALL, &terms, None, purpose, state).await?;
        account.assignments = assignments;
        if let Some(zone) = account.domain.as_mut().and_then(|domain| domain.zone.as_mut()) {
            report.zone = Some(self.zone(zone, purpose, state).await?);
        }
        account.placement_report = json(&report);
        Ok(())
    }

    /// A node for each of the parts, near another part if there is one already; and the report.
    pub(crate) async fn parts(
        &self,
        parts: &[Part],
        terms: &Terms,
        mut near: Option<NodeId>,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(Vec<Assignment>, Report), Stop> {
        let mut report = Report::default();
        let mut assignments = Vec::with_capacity(parts.len());
        for part in parts {
            let placed = self.part(*part, terms, near, &mut assignments, purpose, state).await?;
            report.parts.push(placed.report);
            let Some(node) = placed.decision.node() else {
                let words = self.fleet.look(|fleet| words(&fleet.judge(&placed.request, &placed.decision)));
                return Err(no_node(format!(
                    "no node can take the account's {part} part: {}",
                    shortened(words)
                )));
            };
            near = near.or(Some(node));
        }
        Ok((assignments, report))
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
            let others = self.fleet.others(tenant, &[], state).await?;
            let placed = self.fleet.choose(&[], |fleet, given| {
                let request = self.request(*part, &terms, web, others.now(given));
                (PartReport::whole(*part, fleet, &request, &fleet.place(&request)), None)
            });
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
        Ok(Some(Terms {
            tenant,
            strategy: plan.placement.strategy.unwrap_or(cluster.placement_strategy),
            overselling: state.overselling(tenant).await?,
            wish: wished(&plan, wish),
            patience: PATIENCE,
            plan,
        }))
    }

    /// Chooses a part's node, and counts the part as given to it in the same moment: whoever chooses next sees it. Adds
    /// the assignment to those that the account has been given so far.
    async fn part(
        &self,
        part: Part,
        terms: &Terms,
        web: Option<NodeId>,
        assignments: &mut Vec<Assignment>,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<PartPlaced, Stop> {
        let mut patience = self.patience(terms.patience);
        let own: Vec<Vec<u8>> = assignments.iter().map(|own| own.assignment_id.clone()).collect();
        loop {
            patience.listen();
            self.fleet.refresh(state).await?;
            let others = self.fleet.others(terms.tenant, &own, state).await?;
            let id = AssignmentId::generate().to_bytes();
            let placed = self.fleet.choose(&id, |fleet, given| {
                let request = self.request(part, terms, web, others.now(given));
                let decision = fleet.place(&request);
                let report = PartReport::kept(part, fleet, &request, &decision);
                let given = decision.node().filter(|_| purpose == Purpose::Propose).map(|node| {
                    let is_together = request.near == Some(node);
                    let amounts = if is_together { Amounts::default() } else { request.amounts };
                    let promise = Promise { node, role: part.role(), amounts };
                    Given { promise, tenant: Some(terms.tenant) }
                });
                (PartPlaced { request, decision, report }, given)
            });
            if let Some(node) = placed.decision.node() {
                let (assignment_id, node_id) = (id, node.to_bytes());
                assignments.push(Assignment { assignment_id, part: part.to_string(), node_id });
                return Ok(placed);
            }
            if !self.may_yet_fit(&placed.decision) || !patience.goes_on().await {
                return Ok(placed);
            }
        }
    }

    fn request(
        &self,
        part: Part,
        terms: &Terms,
        web: Option<NodeId>,
        tenant_on: Vec<(NodeId, u64)>,
    ) -> Request {
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
            apart: Apart { anti_affinity: plan.placement.anti_affinity, tenant_on },
            wish,
            ..self.bare(part.role(), terms.strategy)
        }
    }

    fn bare(&self, role: NodeRole, strategy: Strategy) -> Request {
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        Request::new(role, strategy, Timestamp::from_millis(Timestamp::now().as_millis() - silence))
    }

    async fn zone(
        &self,
        zone: &mut CreateZone,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<ZoneReport, Stop> {
        let (assignments, report) = self.name_servers(purpose, state).await?;
        zone.assignments = assignments;
        Ok(report)
    }

    /// Nodes that can answer for a zone.
    pub(crate) async fn name_servers(
        &self,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(Vec<ZoneAssignment>, ZoneReport), Stop> {
        let mut patience = self.patience(PATIENCE);
        let (request, decision, report) = loop {
            patience.listen();
            self.fleet.refresh(state).await?;
            let request = self.bare(NodeRole::Dns, Strategy::Spread);
            let (decision, report) = self.fleet.look(|fleet| {
                let decision = fleet.place_zone(&request);
                let report = ZoneReport::kept(fleet, &request, &decision);
                (decision, report)
            });
            let is_content = decision.chosen.len() >= ZONE_NODES || !self.may_yet_fit(&decision);
            if is_content || !patience.goes_on().await {
                break (request, decision, report);
            }
        };
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
        Ok((decision.nodes().map(assignment).collect(), report))
    }

    fn patience(&self, of: Duration) -> Patience {
        Patience {
            deadline: Instant::now() + of,
            heard: self.liveness.changes(),
            settled: self.fleet.settlements(),
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

/// A report as commands have it.
pub(crate) fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is valid JSON")
}

/// How long it is chosen anew: whenever something is heard of a node or something that was given is settled, and not for
/// ever; then what there is is taken.
struct Patience {
    deadline: Instant,
    heard: watch::Receiver<()>,
    settled: watch::Receiver<()>,
}

impl Patience {
    /// To be called before a look at the fleet: what moves from then on is a reason to look again.
    fn listen(&mut self) {
        self.heard.mark_unchanged();
        self.settled.mark_unchanged();
    }

    /// Returns when there is a reason to look again, or with `false` when the time is over.
    async fn goes_on(&mut self) -> bool {
        let change = async {
            tokio::select! {
                changed = self.heard.changed() => changed,
                changed = self.settled.changed() => changed,
            }
        };
        matches!(timeout_at(self.deadline, change).await, Ok(Ok(())))
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
