//! A figure beside what it should be.

use std::{fmt, time::Duration};

/// A figure of which less is better.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    what: String,
    value: f64,
    unit: &'static str,
    target: f64,
    gate: Option<f64>,
}

impl Measure {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str, target: f64) -> Self {
        Self { what: what.into(), value, unit, target, gate: None }
    }

    pub(crate) fn time(what: impl Into<String>, value: Duration, target: Duration) -> Self {
        Self::new(what, value.as_secs_f64(), "s", target.as_secs_f64())
    }

    /// What fails the run.
    pub(crate) fn gate(mut self, gate: Duration) -> Self {
        self.gate = Some(gate.as_secs_f64());
        self
    }

    pub(crate) fn is_over_gate(&self) -> bool {
        self.gate.is_some_and(|gate| self.value > gate)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit, target, gate } = self;
        write!(f, "{what:<40} {value:>8.2} {unit:<3} {:>5.2} of the target {target} {unit}", value / target)?;
        if let Some(gate) = gate {
            write!(f, ", {:.2} of the gate {gate} {unit}", value / gate)?;
        }
        let verdict = match (self.is_over_gate(), value <= target) {
            (true, _) => "GATE MISSED",
            (false, true) => "target reached",
            (false, false) => "target missed",
        };
        write!(f, ": {verdict}")
    }
}
