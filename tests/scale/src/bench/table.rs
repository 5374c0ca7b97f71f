//! Figures beside their targets.

use std::{fmt, time::Duration};

#[derive(Debug)]
enum Target {
    None,
    AtMost(f64),
    AtLeast(f64),
}

/// A figure, with what it should be.
#[derive(Debug)]
pub(super) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

impl Figure {
    /// One without a target.
    pub(super) fn said(what: String, value: f64) -> Self {
        Self { what, value, unit: "", target: Target::None }
    }

    pub(super) fn at_most(what: &str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { what: what.to_owned(), value, unit, target: Target::AtMost(target) }
    }

    pub(super) fn at_least(what: &str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { what: what.to_owned(), value, unit, target: Target::AtLeast(target) }
    }

    pub(super) fn time(what: &str, value: Duration, target: Duration) -> Self {
        if target < Duration::from_secs(1) {
            let millis = |time: Duration| time.as_secs_f64() * 1000.0;
            return Self::at_most(what, millis(value), "ms", millis(target));
        }
        Self::at_most(what, value.as_secs_f64(), "s", target.as_secs_f64())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit, target } = self;
        write!(f, "  {what:<44} {value:>9.2} {unit:<3}")?;
        let (word, target, is_hit) = match target {
            Target::None => return Ok(()),
            Target::AtMost(most) => ("at most", most, value <= most),
            Target::AtLeast(least) => ("at least", least, value >= least),
        };
        write!(f, "  target: {word} {target} {unit}: {}", if is_hit { "hit" } else { "MISSED" })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Figure>);

impl Table {
    pub(super) fn add(&mut self, figure: Figure) {
        self.0.push(figure);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|figure| writeln!(f, "{figure}"))
    }
}

/// What a share of times, in order, stayed below.
pub(super) fn percentile(took: &mut [Duration], percent: usize) -> Duration {
    took.sort();
    let at = (took.len() * percent / 100).min(took.len().saturating_sub(1));
    took.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_whether_it_reaches_its_target_either_way() {
        let text = |figure: Figure| figure.to_string();
        assert!(text(Figure::at_least("share", 0.79, "x", 0.8)).ends_with("target: at least 0.8 x: MISSED"));
        assert!(text(Figure::at_least("share", 0.8, "x", 0.8)).ends_with(": hit"));
        let time = |millis| Figure::time("wait", Duration::from_millis(millis), Duration::from_millis(100));
        assert!(text(time(100)).ends_with("target: at most 100 ms: hit"));
        assert!(text(time(101)).ends_with(": MISSED"));
        assert!(
            text(Figure::time("gap", Duration::from_millis(2500), Duration::from_secs(2))).contains("2.50 s")
        );
    }

    #[test]
    fn percentiles_are_of_what_there_is() {
        let mut took: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut took, 99), Duration::from_millis(100));
        assert_eq!(percentile(&mut took, 50), Duration::from_millis(51));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
