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

    /// Ends the current stage and adds those of work that went on meanwhile, side by side: their times overlap.
    /// Its current stage becomes the current one here.
    pub fn absorb(&mut self, other: Stages) {
        self.enter(other.current);
        for time in other.finish() {
            self.add(time);
        }
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
        self.add(StageTime { stage: self.current, time });
    }

    fn add(&mut self, time: StageTime) {
        match self.past.iter_mut().find(|past| past.stage == time.stage) {
            Some(past) => past.time += time.time,
            None => self.past.push(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_work_side_by_side_are_added() {
        let mut stages = Stages::begin("begin");
        let mut other = Stages::begin("render");
        other.enter("check");
        stages.absorb(other);
        assert_eq!(stages.current(), "check");
        let names: Vec<_> = stages.finish().iter().map(|time| time.stage).collect();
        assert_eq!(names, ["begin", "render", "check"]);
    }

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
