//! How a plan's accounts are placed, as the database holds it.

use npanel_model::{AntiAffinity, NodeLabel, PoolName, Strategy};
use npanel_proto::command::{NodeLabels, PlanPlacement, PlanPlacementChange};

use super::fitness;
use crate::context::{Context, Rule, texts, wire_text};

/// How a plan's accounts are placed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) strategy: Option<Strategy>,
    pub(super) anti_affinity: AntiAffinity,
    pub(super) pool: Option<PoolName>,
    pub(super) labels: Vec<NodeLabel>,
}

impl Placed {
    const ANYWHERE: Self =
        Self { strategy: None, anti_affinity: AntiAffinity::Preferred, pool: None, labels: Vec::new() };

    pub(super) fn changed(self, change: &PlanPlacementChange) -> Rule<Self> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            strategy: match &change.strategy {
                None => self.strategy,
                Some(text) => given(text).map(|text| wire_text(&text, "/placement/strategy")).transpose()?,
            },
            anti_affinity: match &change.anti_affinity {
                None => self.anti_affinity,
                Some(text) => wire_text(text, "/placement/anti_affinity")?,
            },
            pool: match &change.pool {
                None => self.pool,
                Some(text) => given(text).map(|text| wire_text(&text, "/placement/pool")).transpose()?,
            },
            labels: match &change.labels {
                None => self.labels,
                Some(all) => fitness::labels(&all.labels, "/placement/labels")?,
            },
        })
    }
}

pub(super) fn of_new(ctx: &Context<'_>, body: Option<&PlanPlacement>) -> Rule<Placed> {
    let Some(body) = body else { return Ok(Placed::ANYWHERE) };
    ctx.require_placing("/placement")?;
    let change = PlanPlacementChange {
        strategy: Some(body.strategy.clone()),
        anti_affinity: (!body.anti_affinity.is_empty()).then(|| body.anti_affinity.clone()),
        pool: Some(body.pool.clone()),
        labels: Some(NodeLabels { labels: body.labels.clone() }),
    };
    Placed::ANYWHERE.changed(&change)
}

/// Anti-affinity, pool and labels, from three columns in this order. What the rules let in is what is there.
pub(super) fn of_row(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Placed> {
    Ok(Placed {
        strategy: None,
        anti_affinity: row.get::<_, String>(at)?.parse().unwrap_or(AntiAffinity::Preferred),
        pool: row.get::<_, Option<String>>(at + 1)?.and_then(|pool| pool.parse().ok()),
        labels: texts(&row.get::<_, String>(at + 2)?).iter().filter_map(|text| text.parse().ok()).collect(),
    })
}
