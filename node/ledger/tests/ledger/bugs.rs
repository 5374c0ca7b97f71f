//! A bug is put in, and is found by the check that is there for it; without it the same test finds nothing.

use fail::FailScenario;
use npanel_ledger::{Fence, Ledger, Verdict};
use tempfile::TempDir;

use crate::offers::{account, now, parsed};

/// A leader's push, and whether anything of it was taken.
#[derive(Debug)]
struct Push {
    fence: Fence,
    is_taken: bool,
}

/// The pushes that were taken although a newer leader had been heard before.
fn stale(pushes: &[Push]) -> Vec<&Push> {
    let newest_before = |at: usize| pushes[..at].iter().map(|push| push.fence).max();
    let is_stale = |(at, push): &(usize, &Push)| push.is_taken && Some(push.fence) < newest_before(*at);
    pushes.iter().enumerate().filter(is_stale).map(|(_, push)| push).collect()
}

/// A leader is deposed, and what it had under way reaches the node behind what its successor sends; the node restarts between.
fn pushes_of_two_leaders() -> Vec<Push> {
    let directory = TempDir::new().expect("a directory");
    let mut pushes = Vec::new();
    for (term, id) in [(4, 1), (5, 2), (4, 3)] {
        let ledger = Ledger::open(directory.path()).expect("a ledger");
        let fence = Fence { epoch: 1, term, leader: 1 };
        let verdicts = ledger.accept(fence, &[parsed(&account(id, 1, "8.2"))], now());
        pushes.push(Push { fence, is_taken: verdicts.is_ok_and(|verdicts| verdicts == [Verdict::Accepted]) });
    }
    pushes
}

#[test]
fn a_stale_leaders_push_that_is_taken_is_found() {
    let scenario = FailScenario::setup();
    let pushes = pushes_of_two_leaders();
    assert!(stale(&pushes).is_empty(), "{pushes:?}");
    fail::cfg("ledger::no_fence", "return").expect("a failpoint");
    let pushes = pushes_of_two_leaders();
    assert_eq!(stale(&pushes).len(), 1, "{pushes:?}");
    scenario.teardown();
}
