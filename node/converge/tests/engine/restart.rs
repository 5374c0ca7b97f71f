//! A daemon, or a machine, that starts again.

use std::time::Duration;

use crate::{
    node::{Node, pass},
    offers::{account, database, key, site, tombstone, zone},
};

#[tokio::test(start_paused = true)]
async fn after_a_restart_everything_is_ensured_again_with_no_controller() {
    let node = Node::boot();
    let all = [account(1, 1), site(1, "example.com"), database(1), zone(1)];
    node.push(&all);
    node.converged(&all).await;
    let node = node.restart().await;
    node.converged(&all).await;
    assert_eq!(node.fake.texts().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_daemon_does_not_reuse_the_ids_of_its_former_life() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    let before = node.fake.of("zone z1.example.com")[0].id;
    let node = node.restart().await;
    node.converged(&[zone(1)]).await;
    assert_ne!(node.fake.of("zone z1.example.com")[0].id, before);
}

#[tokio::test(start_paused = true)]
async fn a_removal_goes_on_where_it_was() {
    let node = Node::boot();
    node.push(&[account(1, 1), zone(1)]);
    node.converged(&[account(1, 1), zone(1)]).await;
    node.push(&[tombstone(&account(1, 1), 2, 3600), tombstone(&zone(1), 2, 0)]);
    node.state(key(&account(1, 1)), "retained").await;
    node.state(key(&zone(1)), "removed").await;
    let node = node.restart().await;
    node.state(key(&account(1, 1)), "retained").await;
    node.state(key(&zone(1)), "removed").await;
    pass(Duration::from_secs(3500)).await;
    assert!(node.fake.texts().is_empty(), "{:?}", node.fake.texts());
    node.state(key(&account(1, 1)), "removed").await;
    assert_eq!(node.fake.texts(), ["purge u1"]);
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_was_accepted_just_before_the_end_is_carried_out() {
    let node = Node::boot();
    node.fake.slow("account u1 8.1");
    node.push(&[account(1, 1)]);
    let node = node.restart().await;
    node.converged(&[account(1, 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_said_until_something_is_known() {
    let node = Node::boot();
    node.push(&[zone(1), zone(2)]);
    node.converged(&[zone(1), zone(2)]).await;
    let node = node.restart().await;
    node.fake.fail("zone z2.example.com", "check", true);
    let mut watch = node.reports.watch();
    assert!(watch.now.is_empty());
    node.converged(&[zone(1)]).await;
    node.state(key(&zone(2)), "failed").await;
    while let Ok(report) = watch.changes.try_recv() {
        assert_ne!(report.state.word(), "pending", "{report:?}");
    }
}
