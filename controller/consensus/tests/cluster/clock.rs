//! The leader's clock jumps, and takes nobody along.

use std::{sync::atomic::Ordering, time::Duration};

use npanel_model::{TenantId, Timestamp};
use npanel_state::{Page, TenantFilter};
use tokio::time::timeout;

use crate::members::{Members, PATIENCE};

const YEAR_MILLIS: i64 = 366 * 86_400_000;

/// When the tenant was made, by the state.
async fn made(members: &Members, at: u64, name: &str) -> Timestamp {
    members.accept(at, members.by_admin(), members.tenant(TenantId::generate(), name)).await;
    let page = Page { limit: 100, ..Page::default() };
    let tenants = members.member(at).state().tenants(members.root, TenantFilter::default(), &page).await;
    let found = tenants.expect("a list").into_iter().find(|tenant| tenant.name.as_str() == name);
    found.expect("the tenant").created_at
}

fn is_about_now(time: Timestamp) -> bool {
    time <= Timestamp::now().plus(Duration::from_secs(60))
        && Timestamp::now() <= time.plus(Duration::from_secs(60))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_jumps_years_ahead_takes_nobody_along() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    assert!(is_about_now(made(&members, leader, "before").await));
    members.running[&leader].ahead.store(10 * YEAR_MILLIS, Ordering::Relaxed);
    let at = made(&members, leader, "after").await;
    assert!(is_about_now(at), "the state is at {at}");
    assert!(members.member(leader).status().clock_seconds_ahead > 9 * YEAR_MILLIS / 1000, "nobody is told");
    members.running[&leader].ahead.store(0, Ordering::Relaxed);
    assert!(is_about_now(made(&members, leader, "mended").await));
    assert_eq!(members.member(leader).status().clock_seconds_ahead, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_all_moved_are_believed() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    for member in members.running.values() {
        member.ahead.store(3 * 86_400_000, Ordering::Relaxed);
    }
    let at = made(&members, leader, "later").await;
    assert!(at > Timestamp::now().plus(Duration::from_secs(2 * 86_400)), "the state is at {at}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_is_not_believed_while_nobody_else_says_the_time() {
    let members = Members::start(3).await;
    let leader = members.leader_among(&[1, 2, 3]).await;
    assert!(is_about_now(made(&members, leader, "before").await));
    members.traffic.keeps_time_secret.store(true, Ordering::Relaxed);
    members.running[&leader].ahead.store(YEAR_MILLIS, Ordering::Relaxed);
    let at = made(&members, leader, "after").await;
    assert!(is_about_now(at), "the state is at {at}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_just_started_asks_again_before_it_believes_its_clock() {
    let mut members = Members::start(3).await;
    members.kill(3).await;
    members.traffic.keeps_time_secret.store(true, Ordering::Relaxed);
    members.run(3).await;
    members.running[&3].ahead.store(YEAR_MILLIS, Ordering::Relaxed);
    let told = async {
        let before = *members.traffic.time_refused.borrow();
        let mut refused = members.traffic.time_refused.subscribe();
        // More than one round of its own, and one of those that are made again and again.
        refused.wait_for(|now| *now > before + 4).await.expect("it is counted");
        members.traffic.keeps_time_secret.store(false, Ordering::Relaxed);
    };
    let (time, told) = tokio::join!(members.member(3).time(), timeout(PATIENCE, told));
    told.expect("it asks again");
    assert!(is_about_now(time), "it would stamp {time}");
}
