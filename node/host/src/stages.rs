//! How long the stages of an operation take.

use std::time::{Duration, Instant};

/// A stage and the time it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTime {
    /// The stage's name.
    pub stage: &'static str,
    /// Its time; of several visits, the sum.
    pub time: Duration,
}

/// The stages an operation has gone through. One is current from the start.
#[derive(Debug)]
pub struct Stages {
    past: Vec<StageTime>,
    current: &'static str,
    since: Instant,
}

impl Stages {
    /// Starts the clock in `stage`.
    pub fn begin(stage: &'static str) -> Self {
        Self { past: Vec::new(), current: stage, since: Instant::now() }
    }

    /// Ends the current stage and goes on to `stage`.
    pub fn enter(&mut self, stage: &'static str) {
        self.close();
        self.current = stage;
    }

    /// The stage the operation is in: after an error, the one that failed.
    pub fn current(&self) -> &'static str {
        self.current
    }

    /// All stages, the current one included, in the order of their first visit.
    pub fn finish(mut self) -> Vec<StageTime> {
        self.close();
        self.past
    }

    fn close(&mut self) {
        let now = Instant::now();
        let time = now - self.since;
        self.since = now;
        match self.past.iter_mut().find(|past| past.stage == self.current) {
            Some(past) => past.time += time,
            None => self.past.push(StageTime { stage: self.current, time }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_visited_twice_is_listed_once() {
        let mut stages = Stages::begin("render");
        stages.enter("check");
        stages.enter("render");
        assert_eq!(stages.current(), "render");
        let names: Vec<_> = stages.finish().iter().map(|time| time.stage).collect();
        assert_eq!(names, ["render", "check"]);
    }
}
