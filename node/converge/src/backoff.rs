//! When something is tried again.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// The wait after a first failure. Shorter than a person notices, long enough for a service to restart.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait after a failure that may mend itself.
pub const LONGEST: Duration = Duration::from_secs(60);

/// How often what has converged is ensured again, whether a sweep saw anything or not.
pub const ROUTINE: Duration = Duration::from_secs(3600);

/// How often what failed for good is tried again.
pub const HOPELESS: Duration = Duration::from_secs(600);

/// How often the executor is asked to look at a part of what it made: five parts are everything.
pub const SWEEP: Duration = Duration::from_secs(5);

/// What drifts again within this time is put right after growing waits: somebody, or something, insists.
pub(crate) const INSISTENT: Duration = Duration::from_secs(600);

/// The wait while the executor cannot be asked: it restarts within a second, and nothing else is to be done.
pub(crate) const UNREACHABLE: Duration = Duration::from_secs(1);

/// The wait after the `attempt`th failure in a row: 0.5 s, doubled each time, at most [`LONGEST`], and of that
/// between a half and all.
pub(crate) fn after_failure(subject: &str, attempt: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << (attempt.saturating_sub(1)).min(16));
    doubled.min(LONGEST).mul_f64(0.5 + share(subject, u64::from(attempt)) / 2.0)
}

/// The wait until the next routine: [`ROUTINE`], a fifth less to a fifth more.
pub(crate) fn until_routine(subject: &str, round: u64) -> Duration {
    spread(ROUTINE, subject, round)
}

/// The wait after a failure that will not mend itself: [`HOPELESS`], a fifth less to a fifth more.
pub(crate) fn after_hopeless(subject: &str, round: u64) -> Duration {
    spread(HOPELESS, subject, round)
}

fn spread(time: Duration, subject: &str, round: u64) -> Duration {
    time.mul_f64(0.8 + share(subject, round) * 0.4)
}

/// Between 0 and 1: chance enough to spread objects, and the same in every run.
fn share(subject: &str, round: u64) -> f64 {
    let digest = Sha256::new().chain_update(subject).chain_update(round.to_be_bytes()).finalize();
    f64::from(u16::from_be_bytes([digest[0], digest[1]])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest_nor_shorter_than_half_its_step(
            subject in "[a-z]{1,20}", attempt in 1u32..1000
        ) {
            let step = FIRST.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST);
            let wait = after_failure(&subject, attempt);
            prop_assert!(wait <= LONGEST && wait >= step / 2 && wait <= step);
        }
    }

    #[test]
    fn different_objects_are_spread() {
        let waits: std::collections::HashSet<_> =
            (0..100).map(|index| until_routine(&format!("object {index}"), 1)).collect();
        assert!(waits.len() > 90);
    }
}
