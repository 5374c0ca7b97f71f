//! How objects go.

use std::time::Duration;

use npanel_converge::Report;

use crate::{
    node::{Node, pass},
    offers::{account, database, database_user, key, site, tombstone, zone},
};

const HOUR: Duration = Duration::from_secs(3600);

fn is_held(report: &Report) -> bool {
    format!("{report:?}").contains("DeletionsHeld")
}

#[tokio::test(start_paused = true)]
async fn an_account_is_retired_then_retained_then_purged() {
    let node = Node::boot();
    node.push(&[account(1, 1)]);
    node.converged(&[account(1, 1)]).await;
    node.push(&[tombstone(&account(1, 1), 2, 3600)]);
    let retained = node.state(key(&account(1, 1)), "retained").await;
    assert_eq!(node.fake.texts(), ["account u1 8.1", "retire u1"]);
    pass(HOUR - Duration::from_secs(60)).await;
    assert!(node.fake.of("purge u1").is_empty());
    let removed = node.state(key(&account(1, 1)), "removed").await;
    assert!(removed.since.since(retained.since) >= HOUR);
    assert_eq!(node.fake.of("purge u1").len(), 1);
    assert!(node.ledger.inventory().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_retention_nothing_is_kept() {
    let node = Node::boot();
    node.push(&[account(1, 1), database(1)]);
    node.converged(&[account(1, 1), database(1)]).await;
    node.push(&[tombstone(&account(1, 1), 2, 0), tombstone(&database(1), 2, 0)]);
    node.state(key(&account(1, 1)), "removed").await;
    node.state(key(&database(1)), "removed").await;
    assert_eq!(node.fake.of("purge u1").len(), 1);
    assert_eq!(node.fake.of("drop acme_d1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_is_dropped_only_after_its_retention() {
    let node = Node::boot();
    node.push(&[database(1)]);
    node.converged(&[database(1)]).await;
    node.push(&[tombstone(&database(1), 2, 3600)]);
    node.state(key(&database(1)), "retained").await;
    pass(HOUR - Duration::from_secs(60)).await;
    assert!(node.fake.of("drop acme_d1").is_empty());
    node.state(key(&database(1)), "removed").await;
    assert_eq!(node.fake.of("drop acme_d1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sites_users_and_zones_go_at_once() {
    let node = Node::boot();
    let all = [account(1, 1), site(1, "example.com"), database(1), database_user(1), zone(1)];
    node.push(&all);
    node.converged(&all).await;
    let going = [&all[1], &all[3], &all[4]];
    node.push(&going.map(|offer| tombstone(offer, 2, 3600)));
    for offer in going {
        node.state(key(offer), "removed").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_here_is_removed_without_any_operation() {
    let node = Node::boot();
    node.push(&[tombstone(&account(1, 1), 2, 3600)]);
    node.state(key(&account(1, 1)), "removed").await;
    assert!(node.fake.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_removal_is_tried_again_and_keeps_its_place_in_the_ledger() {
    let node = Node::boot();
    node.push(&[zone(1)]);
    node.converged(&[zone(1)]).await;
    node.fake.fail("remove zone z1.example.com", "commit", true);
    node.push(&[tombstone(&zone(1), 2, 0)]);
    node.state(key(&zone(1)), "failed").await;
    assert!(node.ledger.inventory()[0].tombstone);
    node.fake.mend("remove zone z1.example.com");
    node.state(key(&zone(1)), "removed").await;
}

#[tokio::test(start_paused = true)]
async fn many_deletions_of_accounts_are_held_until_a_person_releases_them() {
    let node = Node::boot();
    let mut all: Vec<_> = (1..=20).map(|id| account(id, 1)).collect();
    all.push(site(1, "example.com"));
    node.push(&all);
    node.converged(&all).await;
    let tombstones: Vec<_> = all.iter().map(|offer| tombstone(offer, 2, 3600)).collect();
    node.push(&tombstones);
    for offer in &all {
        node.until(key(offer), is_held).await;
    }
    pass(HOUR * 5).await;
    assert!(!node.fake.texts().iter().any(|text| text.starts_with("re")), "{:?}", node.fake.texts());
    node.engine.release_deletions(node.now());
    for offer in &all[..20] {
        node.state(key(offer), "retained").await;
    }
    node.state(key(&all[20]), "removed").await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_outlives_a_restart() {
    let node = Node::boot();
    let all: Vec<_> = (1..=20).map(|id| account(id, 1)).collect();
    node.push(&all);
    node.converged(&all).await;
    let tombstones: Vec<_> = all.iter().map(|offer| tombstone(offer, 2, 3600)).collect();
    node.push(&tombstones);
    node.until(key(&all[0]), is_held).await;
    let node = node.restart().await;
    node.until(key(&all[0]), is_held).await;
    pass(HOUR).await;
    assert!(node.fake.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn deletions_that_are_withdrawn_let_the_few_others_pass() {
    let node = Node::boot();
    let all: Vec<_> = (1..=20).map(|id| account(id, 1)).collect();
    node.push(&all);
    node.converged(&all).await;
    let tombstones: Vec<_> = all.iter().map(|offer| tombstone(offer, 2, 3600)).collect();
    node.push(&tombstones);
    node.until(key(&all[0]), is_held).await;
    let withdrawn: Vec<_> = (2..=20).map(|id| account(id, 3)).collect();
    node.push(&withdrawn);
    node.state(key(&all[0]), "retained").await;
    node.converged(&withdrawn).await;
}
