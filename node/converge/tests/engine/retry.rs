//! Failures, retries, and newer generations.

use std::time::Duration;

use npanel_converge::State;

use crate::{
    node::{Node, pass},
    offers::{account, key, zone},
};

#[tokio::test(start_paused = true)]
async fn an_object_that_fails_holds_up_no_other() {
    let node = Node::boot();
    node.fake.fail("zone z1.example.com", "check", true);
    node.push(&[zone(1), zone(2)]);
    node.converged(&[zone(2)]).await;
    let report = node.state(key(&zone(1)), "failed").await;
    let State::Failed { reason, message } = report.state else { panic!("not failed") };
    assert_eq!((reason.as_str(), message.as_str()), ("CheckRefused", "told to fail"));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_after_growing_waits_of_at_most_a_minute() {
    let node = Node::boot();
    node.fake.fail("zone z1.example.com", "check", true);
    node.push(&[zone(1)]);
    pass(Duration::from_secs(600)).await;
    let calls = node.fake.of("zone z1.example.com");
    let waits: Vec<_> = calls.windows(2).map(|pair| pair[1].begun - pair[0].begun).collect();
    assert!(waits[0] <= Duration::from_millis(520), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(60_020)), "{waits:?}");
    assert!(waits.last().is_some_and(|wait| *wait >= Duration::from_secs(30)), "{waits:?}");
    node.fake.mend("zone z1.example.com");
    node.converged(&[zone(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_mend_itself_is_not_tried_every_minute() {
    let node = Node::boot();
    node.fake.fail("zone z1.example.com", "check", false);
    node.push(&[zone(1)]);
    pass(Duration::from_secs(7 * 60)).await;
    assert_eq!(node.fake.of("zone z1.example.com").len(), 1);
    node.fake.mend("zone z1.example.com");
    node.converged(&[zone(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_an_id_of_its_own() {
    let node = Node::boot();
    node.fake.fail("zone z1.example.com", "check", true);
    node.push(&[zone(1)]);
    pass(Duration::from_secs(5)).await;
    let calls = node.fake.of("zone z1.example.com");
    assert!(calls.len() > 1);
    assert!(calls.windows(2).all(|pair| pair[0].id != pair[1].id));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_got_lost_is_delivered_again_under_its_id() {
    let node = Node::boot();
    node.fake.fail("zone z1.example.com", "call", true);
    node.push(&[zone(1)]);
    pass(Duration::from_secs(5)).await;
    assert_eq!(node.report(key(&zone(1))).map(|report| report.state.word()), Some("pending"));
    node.fake.mend("zone z1.example.com");
    node.converged(&[zone(1)]).await;
    let calls = node.fake.of("zone z1.example.com");
    assert!(calls.len() > 2);
    assert!(calls.windows(2).all(|pair| pair[0].id == pair[1].id));
}

#[tokio::test(start_paused = true)]
async fn what_a_superseded_run_came_to_is_not_said_of_the_new_generation() {
    let node = Node::boot();
    node.fake.slow("account u1 8.1");
    node.fake.fail("account u1 8.1", "check", true);
    let mut watch = node.reports.watch();
    node.push(&[account(1, 1)]);
    pass(Duration::from_millis(500)).await;
    node.push(&[account(1, 2)]);
    node.converged(&[account(1, 2)]).await;
    while let Ok(report) = watch.changes.try_recv() {
        assert_ne!(report.state.word(), "failed", "{report:?}");
    }
    assert_eq!(node.fake.of("account u1 8.1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_of_several_generations_is_carried_out() {
    let node = Node::boot();
    node.fake.slow("account u1 8.1");
    for generation in 1..=5 {
        node.push(&[account(1, generation)]);
        pass(Duration::from_millis(50)).await;
    }
    node.converged(&[account(1, 5)]).await;
    assert_eq!(node.fake.texts(), ["account u1 8.1", "account u1 8.5"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_converged_is_ensured_again_without_a_new_report() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    let before = node.report(key(&zone(1)));
    pass(Duration::from_secs(72 * 60 + 1)).await;
    assert!(node.fake.of("zone z1.example.com").len() >= 2);
    assert_eq!(node.report(key(&zone(1))), before);
}

#[tokio::test(start_paused = true)]
async fn a_routine_that_fails_is_reported_and_so_is_its_mending() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    node.fake.fail("zone z1.example.com", "verify", true);
    node.state(key(&zone(1)), "failed").await;
    node.fake.mend("zone z1.example.com");
    node.state(key(&zone(1)), "converged").await;
}
