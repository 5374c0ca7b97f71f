//! How long each step took, kept in order, to be printed.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Named steps and their durations in the order in which they ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Timings {
    steps: Vec<(String, Duration)>,
}

impl Timings {
    /// Runs `step` and notes what it took, also when it fails.
    pub fn measure<T>(&mut self, name: &str, step: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = step();
        self.note(name, start.elapsed());
        value
    }

    /// Notes a step measured elsewhere.
    pub fn note(&mut self, name: &str, took: Duration) {
        self.steps.push((name.to_owned(), took));
    }

    /// The steps so far.
    pub fn steps(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.steps.iter().map(|(name, took)| (name.as_str(), *took))
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, took) in &self.steps {
            writeln!(out, "  {name:<36} {:>8.2} s", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_in_order() {
        let mut timings = Timings::default();
        assert_eq!(timings.measure("first", || 7), 7);
        timings.note("second", Duration::from_millis(1500));
        let names: Vec<&str> = timings.steps().map(|(name, _)| name).collect();
        assert_eq!(names, ["first", "second"]);
        assert!(timings.to_string().contains("1.50 s"));
    }
}
