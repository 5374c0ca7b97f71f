//! What is done to the controllers, and when: drawn from a seed, so that a run can be had again.

use std::{fmt, time::Duration};

/// A controller by its number.
pub(crate) type Number = u8;

/// How many controllers there are.
pub(crate) const CONTROLLERS: Number = 5;

/// Something that happens to controllers, and ends again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its process is killed, and started again in the end.
    Kill(Number),
    /// It stands still, with its connections.
    Pause(Number),
    /// These and the others do not hear each other.
    Split(Vec<Number>),
    /// What it says is not heard by any other; it hears all.
    Mute(Number),
    /// It hears no other; all hear it.
    Deafen(Number),
    /// Each hears its two neighbours only.
    Ring,
    /// Its clock is so many seconds ahead (behind, if negative).
    Clock(Number, i64),
    /// It is removed from the cluster, and another joins in its place.
    Replace(Number),
}

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// From the start of the run.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) fault: Fault,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7.2} s, for {:.2} s: {:?}", self.at.as_secs_f64(), self.lasts.as_secs_f64(), self.fault)
    }
}

/// Faults that follow each other: one of a lane is over before the next begins, while lanes overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Processes,
    Network,
    Clocks,
    Members,
}

pub(crate) const LANES: [Lane; 4] = [Lane::Processes, Lane::Network, Lane::Clocks, Lane::Members];

fn controller(chance: &mut fastrand::Rng) -> Number {
    chance.u8(1..=CONTROLLERS)
}

impl Lane {
    /// Milliseconds between two, and how long one lasts.
    fn rhythm(self) -> (std::ops::Range<u64>, std::ops::Range<u64>) {
        match self {
            Self::Processes => (300..2_000, 200..3_000),
            Self::Network => (500..3_000, 500..5_000),
            Self::Clocks => (500..3_000, 1_500..5_000),
            Self::Members => (3_000..8_000, 0..1),
        }
    }

    fn fault(self, chance: &mut fastrand::Rng) -> Fault {
        match self {
            Self::Processes if chance.bool() => Fault::Kill(controller(chance)),
            Self::Processes => Fault::Pause(controller(chance)),
            Self::Network => match chance.u8(0..6) {
                0 | 1 => Fault::Split(vec![controller(chance)]),
                2 => {
                    let mut all: Vec<Number> = (1..=CONTROLLERS).collect();
                    chance.shuffle(&mut all);
                    Fault::Split(all[..2].to_vec())
                }
                3 => Fault::Mute(controller(chance)),
                4 => Fault::Deafen(controller(chance)),
                _ => Fault::Ring,
            },
            Self::Clocks => {
                let seconds = chance.choice([1, 3, 20, 90, 600, 4_000]).unwrap_or(1);
                Fault::Clock(controller(chance), if chance.bool() { seconds } else { -seconds })
            }
            Self::Members => Fault::Replace(controller(chance)),
        }
    }

    /// The lane's faults of a run of that length.
    pub(crate) fn draw(self, seed: u64, length: Duration) -> Vec<Planned> {
        // A lane of its own does not depend on what the others draw.
        let mut chance = fastrand::Rng::with_seed(seed ^ ((self as u64 + 1) << 56));
        let (pauses, lasting) = self.rhythm();
        let mut planned = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_millis(chance.u64(pauses.clone()));
            let lasts = Duration::from_millis(chance.u64(lasting.clone()));
            if at + lasts > length {
                return planned;
            }
            planned.push(Planned { at, lasts, fault: self.fault(&mut chance) });
            at += lasts;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    fn all(seed: u64) -> Vec<Planned> {
        LANES.iter().flat_map(|lane| lane.draw(seed, LENGTH)).collect()
    }

    #[test]
    fn the_same_seed_is_the_same_run() {
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }

    #[test]
    fn every_kind_of_fault_is_drawn_and_those_of_a_lane_do_not_overlap() {
        let kinds: std::collections::HashSet<_> =
            all(1).iter().map(|planned| std::mem::discriminant(&planned.fault)).collect();
        assert_eq!(kinds.len(), 8);
        for lane in LANES {
            let planned = lane.draw(1, LENGTH);
            assert!(planned.windows(2).all(|two| two[0].at + two[0].lasts <= two[1].at));
            assert!(planned.iter().all(|one| one.at + one.lasts <= LENGTH));
        }
    }
}
