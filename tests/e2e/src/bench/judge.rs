//! A figure beside what it should be.

use std::{fmt, time::Duration};

/// A figure, with what it should be.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    what: String,
    value: f64,
    unit: &'static str,
    better: Better,
    target: f64,
    gate: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
}

impl Measure {
    /// Of which less is better.
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str, target: f64) -> Self {
        Self { what: what.into(), value, unit, better: Better::Less, target, gate: None }
    }

    pub(crate) fn time(what: impl Into<String>, value: Duration, target: Duration) -> Self {
        Self::new(what, value.as_secs_f64(), "s", target.as_secs_f64())
    }

    /// What ours is of theirs: more is better.
    pub(crate) fn ratio(what: impl Into<String>, value: f64, target: f64) -> Self {
        Self { better: Better::More, ..Self::new(what, value, "x", target) }
    }

    /// How many a second: more is better.
    pub(crate) fn rate(what: impl Into<String>, value: f64, target: f64) -> Self {
        Self { better: Better::More, ..Self::new(what, value, "/s", target) }
    }

    /// What fails the run.
    pub(crate) fn gate(mut self, gate: f64) -> Self {
        self.gate = Some(gate);
        self
    }

    pub(crate) fn misses_gate(&self) -> bool {
        self.gate.is_some_and(|gate| !self.reaches(gate))
    }

    fn reaches(&self, bound: f64) -> bool {
        match self.better {
            Better::Less => self.value <= bound,
            Better::More => self.value >= bound,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit, target, gate, .. } = self;
        write!(f, "{what:<40} {value:>8.2} {unit:<3} {:>5.2} of the target {target} {unit}", value / target)?;
        if let Some(gate) = gate {
            write!(f, ", {:.2} of the gate {gate} {unit}", value / gate)?;
        }
        let verdict = match (self.misses_gate(), self.reaches(*target)) {
            (true, _) => "GATE MISSED",
            (false, true) => "target reached",
            (false, false) => "target missed",
        };
        write!(f, ": {verdict}")
    }
}
