//! A request in the fleet's own numbers.

use npanel_model::{AntiAffinity, NodeRole, Strategy, Timestamp};

use crate::{
    Fleet, Request, Runtime, Score,
    fleet::{Left, column},
    reason::Filter,
    score::Fullness,
    traits::Trait,
};

/// A trait that a node must have; `None`: one that no node has.
struct Need {
    filter: Filter,
    number: Option<usize>,
}

pub(crate) struct Query {
    role: NodeRole,
    /// The only place that may be, if one is named; one that is not there fits nothing.
    named: Option<Option<usize>>,
    /// Before and after what is excluded, in the filters' order.
    needs: Vec<Need>,
    runtime: Option<Need>,
    /// All needs at once: a word of traits and the bits that must be set in it. `None`: no node has them all.
    mask: Option<Vec<(usize, u64)>>,
    avoid: Vec<usize>,
    near: Option<usize>,
    heard_since: Timestamp,
    required: bool,
    /// The tenant's accounts by place; empty if it has none.
    tenant_on: Vec<u64>,
    /// By the number of the zone's trait.
    tenant_in: Vec<(usize, u64)>,
    accounts: u64,
    amounts: Left,
    column: usize,
    disk_free: u64,
    strategy: Strategy,
}

impl Query {
    pub(crate) fn new(fleet: &Fleet, request: &Request) -> Self {
        let need = |filter, known: Trait| Need { filter, number: fleet.traits.number(&known) };
        let wish = &request.wish;
        let mut needs = vec![
            need(Filter::Role, Trait::Role(request.role)),
            need(Filter::Able, Trait::Able(request.role)),
        ];
        needs.extend(wish.pool.clone().map(|pool| need(Filter::Pool, Trait::Pool(pool))));
        needs.extend(wish.availability_zone.clone().map(|zone| need(Filter::Zone, Trait::Zone(zone))));
        needs.extend(wish.labels.iter().cloned().map(|label| need(Filter::Label, Trait::Label(label))));
        let runtime = match &request.runtime {
            Runtime::Any => None,
            Runtime::Php(version) => Some(need(Filter::Php, Trait::Php(version.clone()))),
        };
        let mask = mask(needs.iter().chain(&runtime));
        let (tenant_on, tenant_in) = tenant(fleet, request);
        Self {
            mask,
            role: request.role,
            named: wish.node.map(|node| fleet.place_of(node)),
            needs,
            runtime,
            avoid: request.avoid.iter().filter_map(|node| fleet.place_of(*node)).collect(),
            near: request.near.map(|near| fleet.place_of(near).unwrap_or(usize::MAX)),
            heard_since: request.heard_since,
            required: request.apart.anti_affinity == AntiAffinity::Required,
            tenant_on,
            tenant_in,
            accounts: request.amounts.accounts,
            amounts: Left { disk: request.amounts.disk.0, memory: request.amounts.memory.0 },
            column: column(request.overselling),
            disk_free: request.disk_free.0,
            strategy: request.strategy,
        }
    }

    /// The first filter that the place does not pass.
    pub(crate) fn filter(&self, fleet: &Fleet, place: usize) -> Option<Filter> {
        let has_all = self.mask.as_ref().is_some_and(|mask| fleet.traits.has_all(place, mask));
        if !has_all || self.named.is_some() || !self.avoid.is_empty() {
            let by_nature = self.by_nature(fleet, place);
            if by_nature.is_some() {
                return by_nature;
            }
        }
        let row = &fleet.rows[place];
        let left = row.left[self.column];
        let is_together = self.near == Some(place);
        if row.heard.is_none_or(|heard| heard < self.heard_since) {
            Some(Filter::Unreachable)
        } else if !row.schedulable {
            Some(Filter::Cordoned)
        } else if row.has_leftovers {
            Some(Filter::Leftovers)
        } else if is_together {
            // The account has its share there.
            None
        } else if self.required && self.tenant_on(place) > 0 {
            Some(Filter::Tenant)
        } else if row.accounts_left < self.accounts {
            Some(Filter::Accounts)
        } else if left.disk < self.amounts.disk {
            Some(Filter::Disk)
        } else if left.memory < self.amounts.memory {
            Some(Filter::Memory)
        } else if row.disk_free.0 < self.disk_free {
            Some(Filter::DiskFree)
        } else {
            None
        }
    }

    fn by_nature(&self, fleet: &Fleet, place: usize) -> Option<Filter> {
        if self.named.is_some_and(|named| named != Some(place)) {
            return Some(Filter::Named);
        }
        let lacks = |need: &&Need| !need.number.is_some_and(|number| fleet.traits.has(place, number));
        if let Some(need) = self.needs.iter().find(lacks) {
            return Some(need.filter);
        }
        if self.avoid.contains(&place) {
            return Some(Filter::Avoided);
        }
        self.runtime.as_ref().filter(lacks).map(|need| need.filter)
    }

    /// How good the place is, where the zones in `taken` have been chosen from already.
    pub(crate) fn score(&self, fleet: &Fleet, place: usize, taken: &[Option<usize>]) -> Score {
        let row = &fleet.rows[place];
        let fullness = Fullness { fill_percent: row.fill_percent, carries: row.carries.of(self.role) };
        let (packed, spread) = match self.strategy {
            Strategy::BinPack => (fullness, Fullness::default()),
            Strategy::Spread => (Fullness::default(), fullness),
        };
        Score {
            elsewhere: self.near.is_some_and(|near| near != place),
            // Where it is not known, two nodes may well stand side by side.
            shares_zone: taken.iter().any(|zone| row.zone.is_none() || *zone == row.zone),
            packed: std::cmp::Reverse(packed),
            tenant_in_zone: self.tenant_in(row.zone),
            tenant_on_node: self.tenant_on(place),
            spread,
            disk_free: std::cmp::Reverse(row.disk_free),
            node: row.id,
        }
    }

    fn tenant_on(&self, place: usize) -> u64 {
        self.tenant_on.get(place).copied().unwrap_or(0)
    }

    fn tenant_in(&self, zone: Option<usize>) -> u64 {
        let of_zone = |(known, _): &&(usize, u64)| Some(*known) == zone;
        self.tenant_in.iter().find(of_zone).map_or(0, |(_, accounts)| *accounts)
    }
}

/// The needs as one mask.
fn mask<'a>(needs: impl Iterator<Item = &'a Need>) -> Option<Vec<(usize, u64)>> {
    let mut mask: Vec<(usize, u64)> = Vec::new();
    for need in needs {
        let number = need.number?;
        let bit = 1 << (number % 64);
        match mask.iter_mut().find(|(word, _)| *word == number / 64) {
            Some((_, bits)) => *bits |= bit,
            None => mask.push((number / 64, bit)),
        }
    }
    Some(mask)
}

/// The tenant's accounts by place, and by zone.
fn tenant(fleet: &Fleet, request: &Request) -> (Vec<u64>, Vec<(usize, u64)>) {
    let mut zones: Vec<(usize, u64)> = Vec::new();
    if request.apart.tenant_on.is_empty() {
        return (Vec::new(), zones);
    }
    let mut on = vec![0; fleet.len()];
    for (node, accounts) in &request.apart.tenant_on {
        let Some(place) = fleet.place_of(*node) else { continue };
        on[place] += accounts;
        let Some(zone) = fleet.rows[place].zone else { continue };
        match zones.iter_mut().find(|(known, _)| *known == zone) {
            Some((_, sum)) => *sum += accounts,
            None => zones.push((zone, *accounts)),
        }
    }
    (on, zones)
}
