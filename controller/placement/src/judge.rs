//! A decision in words.

use std::fmt;

use npanel_model::{NodeId, NodeName};

use crate::{Decision, Fleet, Reason, Request, Score, query::Query};

/// What was decided about one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is chosen.
    Chosen(Score),
    /// It fits, but a better one was chosen.
    Behind {
        /// Its score.
        score: Score,
        /// The worst score that was chosen.
        chosen: Score,
    },
    /// It cannot take it.
    Filtered(Reason),
}

/// A node and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The verdict.
    pub verdict: Verdict,
}

impl Fleet {
    /// Every node's verdict: the chosen, then those behind them by score, then those that do not fit by id. The
    /// decision must be one on this fleet and request.
    pub fn judge(&self, request: &Request, decision: &Decision) -> Vec<Judged> {
        let query = Query::new(self, request);
        let (mut fitting, mut filtered) = (Vec::new(), Vec::new());
        for place in 0..self.len() {
            match query.filter(self, place) {
                None => fitting.push(query.score(self, place, &decision.taken)),
                Some(filter) => filtered.push((place, Reason::of(filter, self, place, request))),
            }
        }
        fitting.retain(|score| !decision.nodes().any(|chosen| chosen == score.node));
        fitting.sort_unstable();
        filtered.sort_by_key(|(place, _)| self.view(*place).id);
        let of_filtered = filtered.into_iter().map(|(place, reason)| {
            let node = self.view(place);
            Judged { node: node.id, name: node.name.clone(), verdict: Verdict::Filtered(reason) }
        });
        self.judged(decision, fitting.iter()).chain(of_filtered).collect()
    }

    /// The verdicts of the chosen and of the best behind them.
    pub(crate) fn judge_best(&self, decision: &Decision) -> Vec<Judged> {
        let behind = decision.best.iter().filter(|score| !decision.nodes().any(|node| node == score.node));
        self.judged(decision, behind).collect()
    }

    fn judged<'a>(
        &'a self,
        decision: &'a Decision,
        behind: impl Iterator<Item = &'a Score> + 'a,
    ) -> impl Iterator<Item = Judged> + 'a {
        let chosen = decision.chosen.iter().map(|score| (score.node, Verdict::Chosen(*score)));
        let behind = behind.filter_map(|score| {
            let chosen = *decision.chosen.last()?;
            Some((score.node, Verdict::Behind { score: *score, chosen }))
        });
        let named = |(node, verdict)| Some(Judged { node, name: self.node(node)?.name.clone(), verdict });
        chosen.chain(behind).filter_map(named)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(score) => score.fmt(f),
            Self::Behind { score, chosen } => f.write_str(&score.behind(chosen)),
            Self::Filtered(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Chosen(score) => write!(f, "{} is chosen ({score})", self.name),
            verdict => write!(f, "{} {verdict}", self.name),
        }
    }
}

/// The verdicts in one line.
pub fn words(verdicts: &[Judged]) -> String {
    if verdicts.is_empty() {
        return "there are no nodes".to_owned();
    }
    verdicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
