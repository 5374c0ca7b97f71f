//! The decision.

use npanel_model::NodeId;

use crate::{Filter, Fleet, Request, Score, ZONE_NODES, query::Query};

/// How many of the nodes that fit a decision remembers.
pub(crate) const REMEMBERED: usize = 10;

/// What was decided, in numbers. [`Fleet::judge`] puts it into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The chosen, best first; none if nothing fits.
    pub chosen: Vec<Score>,
    /// The best of those that fit, the chosen included, best first.
    pub(crate) best: Vec<Score>,
    /// How many fit.
    pub fitting: usize,
    /// How many do not pass each filter, in the order of [`Filter::ALL`].
    refused: [usize; Filter::ALL.len()],
    /// The zones of all that were chosen but the last.
    pub(crate) taken: Vec<Option<usize>>,
}

impl Decision {
    /// The node; the first, if there are several.
    pub fn node(&self) -> Option<NodeId> {
        self.chosen.first().map(|score| score.node)
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.chosen.iter().map(|score| score.node)
    }

    /// How many nodes do not pass a filter (and pass those before it).
    pub fn refused_by(&self, filter: Filter) -> usize {
        self.refused[filter as usize]
    }
}

impl Fleet {
    /// Chooses a node.
    pub fn place(&self, request: &Request) -> Decision {
        self.choose(request, 1)
    }

    /// Chooses the nodes that answer for a zone: in different availability zones where there are any.
    pub fn place_zone(&self, request: &Request) -> Decision {
        self.choose(request, ZONE_NODES)
    }

    fn choose(&self, request: &Request, count: usize) -> Decision {
        let query = Query::new(self, request);
        let mut decision = self.pass(&query, Vec::new(), &[]);
        while decision.chosen.len() < count.min(decision.fitting) {
            let taken = decision.chosen.iter().map(|score| self.zone_of(score.node)).collect();
            let chosen = std::mem::take(&mut decision.chosen);
            decision = self.pass(&query, taken, &chosen);
            decision.chosen.splice(0..0, chosen);
        }
        decision
    }

    fn zone_of(&self, node: NodeId) -> Option<usize> {
        self.place_of(node).and_then(|place| self.rows[place].zone)
    }

    /// Goes over the nodes once, and chooses one more than `chosen`.
    fn pass(&self, query: &Query, taken: Vec<Option<usize>>, chosen: &[Score]) -> Decision {
        let mut best: Vec<Score> = Vec::with_capacity(REMEMBERED + 1);
        let mut refused = [0; Filter::ALL.len()];
        let mut fitting = 0;
        for place in 0..self.rows.len() {
            if let Some(filter) = query.filter(self, place) {
                refused[filter as usize] += 1;
                continue;
            }
            fitting += 1;
            let score = query.score(self, place, &taken);
            if best.len() < REMEMBERED || best.last().is_some_and(|worst| score < *worst) {
                let at = best.partition_point(|better| *better < score);
                best.insert(at, score);
                best.truncate(REMEMBERED);
            }
        }
        let is_new = |score: &&Score| !chosen.iter().any(|chosen| chosen.node == score.node);
        let next = best.iter().find(is_new).copied().into_iter().collect();
        Decision { chosen: next, best, fitting, refused, taken }
    }
}
