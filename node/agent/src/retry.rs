//! When a controller is dialled again.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// A controller that restarts is back within a second or two; a fleet of thousands spreads over this.
const LONGEST: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_millis(100);

/// The wait before the next dial.
#[derive(Debug)]
pub(crate) struct Retry {
    /// Who waits and for whom, so that nodes do not come all at once.
    seed: String,
    failures: u32,
}

impl Retry {
    pub(crate) fn new(seed: String) -> Self {
        Self { seed, failures: 0 }
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// 0.1 s, doubled with each failure, at most [`LONGEST`]; of that, between a half and all.
    pub(crate) fn wait(&mut self) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let digest =
            Sha256::new().chain_update(&self.seed).chain_update(self.failures.to_be_bytes()).finalize();
        step.mul_f64(0.5 + f64::from(digest[0]) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_begin_again_after_a_success() {
        let mut retry = Retry::new("n1 c1".to_owned());
        let waits: Vec<_> = (0..20).map(|_| retry.wait()).collect();
        assert!(waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[19] >= LONGEST / 2);
        retry.succeeded();
        assert!(retry.wait() <= FIRST);
    }

    #[test]
    fn two_nodes_do_not_wait_alike() {
        let waits = |seed: &str| {
            let mut retry = Retry::new(seed.to_owned());
            (0..8).map(|_| retry.wait()).collect::<Vec<_>>()
        };
        assert_ne!(waits("n1 c1"), waits("n2 c1"));
    }
}
